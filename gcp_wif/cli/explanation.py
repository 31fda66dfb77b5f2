"""A code of the registry, for people and as a JSON object."""

from collections.abc import Iterator
from typing import Any

from gcp_wif.cli.output import Terminal
from gcp_wif.codes import Code, find_code
from gcp_wif.refusals import TABLE, Row

__all__ = ["explain"]

_EXIT_CODES = {
    0: "it is reported, but alone it fails nothing",
    1: "the answer is no",
    2: "wrong input or environment",
    3: "a service could not be reached, or kept failing",
    130: "interrupted",
}


def explain(text: str, out: Terminal) -> None:
    """Print the row for what somebody typed on stdout: as text, or with ``--json`` as an object.

    Raises:
        InputError: WIF910 for a code that there is not.
    """
    code = find_code(text)
    row = next((each for each in TABLE if each.kind.code == code.code), None)
    if out.as_json:
        out.data(_document(code, row))
    else:
        out.raw("".join(f"{line}\n" for line in _lines(code, row)).encode())


def _document(code: Code, row: Row | None) -> dict[str, Any]:
    """The row; ``google`` is ``None`` where it is not a refusal of Google's."""
    google = (
        row
        and row.service != "client"
        and {
            "service": row.service,
            "http_status": row.http_status,
            "error": row.error,
            "sentence": row.template,
        }
    )
    return {**code._asdict(), "fix": list(code.fix), "google": google or None}


def _lines(code: Code, row: Row | None) -> Iterator[str]:
    yield f"{code.code}  {code.title}"
    yield ""
    if row is not None:
        if row.service == "client":
            yield f"A client says, in these words or others: {row.template}"
        else:
            service = "any of Google's APIs" if row.service == "any" else f"{row.service}.googleapis.com"
            yield f"Google says: {row.template}"
            yield f"  ({service}, HTTP status {row.http_status}, {row.error})"
        yield ""
    yield f"Cause: {code.cause}"
    yield ""
    yield "Fix:"
    yield from (f"  - {line}" for line in code.fix)
    yield ""
    yield f"Exit code: {code.exit_code} ({_EXIT_CODES[code.exit_code]})"
