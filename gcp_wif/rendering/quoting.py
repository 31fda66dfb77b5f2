"""A value as text of another language that means exactly this value. Pure.

Each function returns `Quoted`, the only text that a template for these languages may insert.
"""

import os
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from gcp_wif.errors import InputError
from gcp_wif.templating import Quoted, TemplateMisuseError

__all__ = ["FILTERS", "as_bash", "as_comment", "as_hcl", "as_line", "as_yaml", "shell_line"]

_PLAIN_YAML = re.compile(r"[A-Za-z][A-Za-z0-9_./@+=-]*(?: [A-Za-z0-9_./@+=-]+)*")
_YAML_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}
_NOT_PRINTABLE = re.compile("[\x00-\x1f\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def as_yaml(value: str) -> Quoted:
    """A YAML scalar: plain where no reader of YAML 1.1 or 1.2 could take it for anything but this text, else quoted.

    A quoted one is double-quoted on one line, and what YAML calls not printable is escaped (YAML 1.2, 5.1 and 5.7).
    """
    if _PLAIN_YAML.fullmatch(value) and value.lower() not in _YAML_WORDS:
        return Quoted(value)
    return Quoted(f'"{_escaped(value)}"')


def as_line(value: str) -> Quoted:
    """One line of a literal block of YAML, where everything is text.

    Raises:
        TemplateMisuseError: it is not one line of printable text.
    """
    if not value.isprintable():
        raise TemplateMisuseError("a line of a script has a control character in it")
    return Quoted(value)


def as_hcl(value: str) -> Quoted:
    """A quoted template of HCL's native syntax that interpolates nothing.

    The mark before a brace is written as an escape: HCL's own ``$${`` could be read in two ways after another ``$``,
    and python-hcl2 looks for the brace that closes it (observed, 8.1.4). Terraform itself turns text into Unicode's
    normal form C, which no quoting can prevent.
    """
    marks = {"${": "\\u0024{", "%{": "\\u0025{"}
    return Quoted('"' + re.sub(r"[$%]\{", lambda match: marks[match[0]], _escaped(value)) + '"')


def as_bash(value: str) -> Quoted:
    """One word of bash, in single quotes where it needs any; a newline stays one.

    Raises:
        InputError: WIF732 for NUL, which no argument of a program can hold.
    """
    if "\x00" in value:
        raise InputError("A value of the manifest holds NUL, which bash cannot pass on.", code="WIF732")
    return Quoted(shlex.quote(value))


def shell_line(value: str) -> Quoted:
    """One word of bash that stays on its line: control characters are written in ``$'…'``."""
    if not _NOT_PRINTABLE.search(value):
        return as_bash(value)
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return Quoted("$'" + _NOT_PRINTABLE.sub(lambda match: _octal(match[0]), escaped) + "'")


def as_comment(value: str) -> Quoted:
    """Text for a comment that ends with its line; what could end it is shown as an escape."""
    return Quoted(_NOT_PRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", value))


FILTERS: Mapping[str, Callable[..., Any]] = {
    "yaml": as_yaml,
    "hcl": as_hcl,
    "bash": as_bash,
    "comment": as_comment,
}
"""By the names that templates use."""


def _escaped(value: str) -> str:
    """The escapes that YAML's double quotes and HCL's templates share."""
    text = re.sub(r'[\n\r\t"\\]', lambda match: _ESCAPES[match[0]], value)
    return _NOT_PRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in os.fsencode(character))
