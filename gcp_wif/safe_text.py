"""Text from outside, made safe to print: control characters visible, one line, and no CI system's command in it.

A log is read by programs too. A terminal obeys escape sequences; the runners of several CI systems obey lines of the
job's output, on stdout and stderr alike: ``::error::…`` at the start of a line, blanks apart, and ``##WORD[…]``
anywhere in one (`gcp_wif.ci` has the sources). A server, a claim or a file must not speak to them in our name. All of
these are defused wherever gcp-wif runs, since a log can be shown again by another system.
"""

import re

__all__ = ["one_line", "visible"]

_UNSAFE = (
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 without tab and newline, DEL, C1
    "\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"  # invisible; changes of direction
    "\ud800-\udfff]"  # lone surrogates, which no encoding can write
)
_COLOUR = "\x1b\\[[0-9;]{0,20}m"
_COMMAND = r"#(?=#[a-zA-Z]{0,20}\[)"
_LINE_COMMAND = r"(?m)^(\s*):(?=:)"


def visible(text: str, *, colours: bool = False) -> str:
    """``text`` with each control character written as an escape, and with CI systems' commands defused.

    Tabs and newlines stay.

    Args:
        text: any string.
        colours: leave colour sequences alone: for the stream, to which the program itself writes them.
    """
    if not text.replace("\n", "").replace("\t", "").isprintable():
        if colours:
            parts = re.split(_COLOUR, text)
            kept = [*re.findall(_COLOUR, text), ""]
            text = "".join(re.sub(_UNSAFE, _escaped, part) + colour for part, colour in zip(parts, kept, strict=True))
        else:
            text = re.sub(_UNSAFE, _escaped, text)
    if "##" in text:
        text = re.sub(_COMMAND, "# ", text)
    if "::" in text:
        text = re.sub(_LINE_COMMAND, r"\1: ", text)
    return text


def one_line(text: str, limit: int) -> str:
    """``text`` on one line, cut after ``limit`` characters, for a message that repeats what somebody else wrote."""
    cut = text[:limit]
    cut = visible(cut.replace("\r\n", "\n").replace("\n", "\\n").replace("\t", "\\t"))
    return cut if len(text) <= limit else f"{cut}… ({len(text)} characters)"


def _escaped(match: re.Match[str]) -> str:
    return ascii(match[0])[1:-1]
