"""Texts of the page: made safe, cut, times told, the lines of a fix taken apart. Pure."""

import re
import shlex
from datetime import UTC, datetime

from gcp_wif.doctor.view.model import Moment, StepView
from gcp_wif.errors import hide_tokens
from gcp_wif.safe_text import counted, visible

__all__ = ["cut", "moment", "safe", "step"]

_GLANCE = 110
"""Characters of a value in the picture."""

_COMMAND = re.compile(r"(?:(?P<words>[^`]{0,200}?): )?(?P<command>(?:gcloud|gcp-wif) .+)", re.DOTALL)
_FLAG = re.compile(r" (?=--[a-z])")
_ONE_LINE = 76
"""Characters of a command that stay together."""
_FOLDED = 1500
"""Characters of a command that is folded at all: each flag is looked at for open quotes."""
_FIRST_YEAR, _LAST_YEAR = 0, 253402300799
_UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"))


def safe(text: object) -> str:
    """``text`` without a token, and with characters that nobody sees, or that turn the writing round, written out."""
    return visible(hide_tokens(str(text)))


def cut(text: str, most: int = _GLANCE, *, end: bool = False) -> str:
    """``text`` as far as a glance goes, on one line; with ``end`` its end, as of a path."""
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    return f"…{line[1 - most :].lstrip()}" if end else f"{line[: most - 1].rstrip()}…"


def moment(seconds: object, now: float) -> Moment | None:
    """A time in seconds since 1970, told from ``now``; ``None`` for what no calendar holds."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not _FIRST_YEAR <= seconds <= _LAST_YEAR:
        return None
    at = datetime.fromtimestamp(seconds, UTC)
    return Moment(f"{at:%Y-%m-%dT%H:%M:%SZ}", f"{at.day} {at:%b %Y, %H:%M:%S} UTC", _relation(seconds - now))


def _relation(distance: float) -> str:
    size = abs(distance)
    if size < 1:
        return "at the time of this report"
    for unit, name in _UNITS:
        if size >= unit:
            told = counted(int(size // unit), name)
            break
    else:
        told = counted(int(size), "second")
    return f"{told} {'after' if distance > 0 else 'before'} this report"


def step(line: str) -> StepView:
    """A line of a fix: a command by itself, one after words and a colon, or words alone."""
    match = _COMMAND.fullmatch(line)
    if match is None or not _runs(match["command"]):
        return StepView(safe(line), "")
    return StepView(safe(match["words"] or ""), safe(folded(match["command"])))


def folded(command: str) -> str:
    """A long command with each flag on a line of its own, as a shell reads it too."""
    if not _ONE_LINE < len(command) <= _FOLDED:
        return command
    pieces = _FLAG.split(command)
    lines, current = [], pieces[0]
    for piece in pieces[1:]:
        if _is_open(current):  # within quotes, where a backslash would be a character
            current += f" {piece}"
        else:
            lines.append(current)
            current = piece
    return " \\\n  ".join([*lines, current])


def _is_open(text: str) -> bool:
    try:
        shlex.split(text)
    except ValueError:
        return True
    return False


def _runs(command: str) -> bool:
    """Whether it reads as a command line, and not as a sentence that begins with the program's name."""
    try:
        words = shlex.split(command)
    except ValueError:
        return False
    return not any(word.endswith((",", ";")) or word in ("shows", "does", "makes", "ends") for word in words)
