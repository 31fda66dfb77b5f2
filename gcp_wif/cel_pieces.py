"""CEL as text, cut into pieces: what stands in a comment or a string is not taken for code. Pure."""

import re

__all__ = ["pieces"]

_PIECE = re.compile(
    r"""//[^\n]*"""  # a comment
    r"""|(?:[bB]?[rR])(?:'{3}.*?'{3}|"{3}.*?"{3}|'[^'\n]*'|"[^"\n]*")"""  # raw: a backslash stands for itself
    r"""|[bB]?(?:'{3}(?:\\.|[^\\])*?'{3}|"{3}(?:\\.|[^\\])*?"{3}|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")"""
    r"""|\w+|\|\||&&|[=!<>]=|.""",
    re.DOTALL,
)


def pieces(text: str) -> list[str]:
    """The expression in pieces: string literals and comments whole, words, the operators of two signs, single signs."""
    return _PIECE.findall(text)
