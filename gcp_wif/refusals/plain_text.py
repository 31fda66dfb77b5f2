r"""An error text as it came, made plain: without colours, log prefixes, box drawing, escapes and markup.

What somebody pastes was printed by one program, kept by another and shown by a third: Google's sentence then stands in
JSON inside of JSON, between Terraform's bars, behind the time of day of a CI system's log, as HTML, or coloured. Pure;
each step passes over the text once, and there are at most `_ROUNDS` rounds of unescaping.
"""

import re

__all__ = ["plain"]

_CHARACTERS = 100_000
_ROUNDS = 5

_COLOUR = re.compile(  # a browser that shows a log loses the escape character itself
    r"\x1b\[[0-?]{0,20}[ -/]{0,4}[@-~]|\x1b\][^\x07\x1b]{0,300}(?:\x07|\x1b\\)|\[[0-9;]{1,20}[mK]"
)
_PREFIX = re.compile(
    r"""(?x)^[ \t]{0,200}(?:
        \d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z|[ ]?[+-]\d\d:?\d\d)?[ \t]   # 2026-01-01T00:00:00.0000000Z
      | \d{4}/\d\d/\d\d[ ]\d\d:\d\d:\d\d[ \t]                                               # Go's log
      | \[?\d\d:\d\d:\d\d(?:[.,]\d{1,9})?\]?[ \t]                                           # 12:00:00
      | [EWIF]\d{4}[ ]\d\d:\d\d:\d\d\.\d{1,9}[ ]{1,8}\d{1,9}[ ][\w.-]{1,80}:\d{1,6}\][ ]?   # klog
      | _bk;t=\d{1,20}[\x07\t ]{0,3}
      | \#\#\[[a-z]{1,20}\]
      | \#\d{1,4}[ ](?:\d{1,6}\.\d{1,6}[ ])?                                                # BuildKit
      | Step[ ]\#\d{1,4}(?:[ ]-[ ]"[^"\n]{1,80}")?:[ ]?
      | [│╷╵┃|][ \t]?
      | >[ \t]
    )"""
)
_PREFIXES_A_LINE = 4
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "r": "\n", "t": " ", "b": " ", "f": " ", "v": " "}
_ENTITY = re.compile(r"&(quot|apos|amp|lt|gt|nbsp|#0?34|#0?39|#x27|#x22);")
_ENTITIES = {"quot": '"', "apos": "'", "amp": "&", "lt": "<", "gt": ">", "nbsp": " ",
             "#34": '"', "#034": '"', "#39": "'", "#039": "'", "#x27": "'", "#x22": '"'}  # fmt: skip
_TAG = re.compile(r"</?(?:a|b|br|code|div|em|font|i|li|p|pre|samp|span|strong|td|tr|tt)\b[^<>]{0,200}>")
_PERCENT = re.compile(r"%(2[0-9A-Fa-f]|3[ABDFabdf]|5[BDbd]|7[BDbd])")
_QUOTES = str.maketrans("‘’‚‛“”„‟«»´`\u00a0", '\'\'\'\'""""""\'` ')


def plain(text: str) -> str:
    """``text`` with its lines joined and one blank between words.

    Args:
        text: of more than 100,000 characters the first and the last half of that are taken.
    """
    half = _CHARACTERS // 2
    kept = text if len(text) <= _CHARACTERS else f"{text[:half]}\n{text[-half:]}"
    kept = _without_prefixes(_COLOUR.sub("", kept))
    for _ in range(_ROUNDS):
        before = kept
        kept = _ENTITY.sub(lambda match: _ENTITIES[match[1]], _ESCAPE.sub(_unescaped, kept))
        if kept == before:
            break
    kept = _PERCENT.sub(lambda match: chr(int(match[1], 16)), _TAG.sub(" ", kept))
    return " ".join(_without_prefixes(_COLOUR.sub("", kept)).translate(_QUOTES).split())


def _unescaped(match: re.Match[str]) -> str:
    found = match[1]
    if len(found) > 1:
        return chr(int(found[1:], 16))
    return _ESCAPED.get(found, found)


def _without_prefixes(text: str) -> str:
    lines = []
    for line in text.splitlines():
        left = line
        for _ in range(_PREFIXES_A_LINE):
            match = _PREFIX.match(left)
            if match is None:
                break
            left = left[match.end() :]
        lines.append(left)
    return "\n".join(lines)
