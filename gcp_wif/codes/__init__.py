"""The registry: what every ``WIFnnn`` means, what causes it, what fixes it, and the exit code.

Pure data, a file for each hundred; WIF501 and up are made from the table of Google's refusals. `gcp-wif doctor
--explain CODE` prints a row. Nothing that a job runs imports this: an error carries its own words.
"""

import re

from gcp_wif.codes.configs import CONFIGS
from gcp_wif.codes.doctor import DOCTOR
from gcp_wif.codes.inputs import INPUTS
from gcp_wif.codes.manifests import MANIFESTS
from gcp_wif.codes.provisioning import PROVISIONING
from gcp_wif.codes.row import NO, Code
from gcp_wif.codes.services import SERVICES
from gcp_wif.codes.tokens_and_files import TOKENS_AND_FILES
from gcp_wif.errors import InputError, shown
from gcp_wif.refusals import TABLE

__all__ = ["Code", "all_codes", "find_code"]

_NEAR = 4
_TYPED = re.compile(r"(?:WIF[ _-]?)?([0-9]{1,4})", re.IGNORECASE)


def all_codes() -> tuple[Code, ...]:
    """Every code, in the order of their numbers."""
    refusals = (Code(row.kind.code, row.title, row.meaning, row.fixes, NO) for row in TABLE)
    own = (*INPUTS, *TOKENS_AND_FILES, *CONFIGS, *SERVICES, *MANIFESTS, *PROVISIONING, *DOCTOR)
    return tuple(sorted((*own, *refusals)))


def find_code(text: str) -> Code:
    """The row for what somebody typed: ``WIF508``, ``wif508``, ``wif-508`` or ``508``.

    Raises:
        InputError: WIF910 for a code that there is not; its hint names near ones.
    """
    rows = all_codes()
    match = _TYPED.fullmatch(text.strip())
    number = int(match[1]) if match else None
    found = next((row for row in rows if int(row.code[3:]) == number), None)
    if found is None:
        near = "\n".join(f"  {row.code}  {row.title}" for row in _near(number, text.strip().lower(), rows))
        hint = "A code reads WIF and three digits, as in WIF508." + (f" Near it are:\n{near}" if near else "")
        raise InputError(f"There is no code {shown(text)}.", hint=hint, code="WIF910")
    return found


def _near(number: int | None, word: str, rows: tuple[Code, ...]) -> list[Code]:
    """By number; for a word, those whose title has it."""
    if number is not None:
        return sorted(sorted(rows, key=lambda row: abs(int(row.code[3:]) - number))[:_NEAR])
    return [row for row in rows if len(word) > 2 and word in row.title.lower()][:_NEAR]
