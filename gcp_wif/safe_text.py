"""Text from outside, made safe to print: control characters visible, one line, and no CI system's command in it.

A log is read by programs too. A terminal obeys escape sequences; the runners of GitHub Actions and Azure Pipelines obey
lines of the job's output, on stdout and stderr alike: ``::error::…`` at the start of a line, blanks apart, and
``##[…]`` and ``##vso[…]`` anywhere in one (actions/runner, ``ActionCommand.cs``; microsoft/azure-pipelines-agent,
``Command.cs``; TeamCity documents ``##teamcity[…]`` likewise). A server, a claim or a file must not speak to them in
our name.
"""

import re

__all__ = ["one_line", "visible"]

_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and newline, DEL, C1
    "\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible; changes of direction
    "\ud800-\udfff]"  # lone surrogates, which no encoding can write
)
_COLOUR = re.compile("\x1b\\[[0-9;]{0,20}m")
_COMMAND = re.compile(r"#(?=#[a-zA-Z]{0,20}\[)")
_LINE_COMMAND = re.compile(r"^(\s*):(?=:)", re.MULTILINE)


def visible(text: str, *, colours: bool = False) -> str:
    """``text`` with each control character written as an escape, and with CI systems' commands defused.

    Tabs and newlines stay.

    Args:
        text: any string.
        colours: leave colour sequences alone: for the stream, to which the program itself writes them.
    """
    if not text.replace("\n", "").replace("\t", "").isprintable():
        if colours:
            parts = _COLOUR.split(text)
            kept = [*_COLOUR.findall(text), ""]
            text = "".join(_UNSAFE.sub(_escaped, part) + colour for part, colour in zip(parts, kept, strict=True))
        else:
            text = _UNSAFE.sub(_escaped, text)
    if "##" in text:
        text = _COMMAND.sub("# ", text)
    if "::" in text:
        text = _LINE_COMMAND.sub(r"\1: ", text)
    return text


def one_line(text: str, limit: int) -> str:
    """``text`` on one line, cut after ``limit`` characters, for a message that repeats what somebody else wrote."""
    cut = text[:limit]
    cut = visible(cut.replace("\r\n", "\n").replace("\n", "\\n").replace("\t", "\\t"))
    return cut if len(text) <= limit else f"{cut}… ({len(text)} characters)"


def _escaped(match: re.Match[str]) -> str:
    return ascii(match[0])[1:-1]
