"""The words at the top of every rendered file: how it was made, and how to make it again. Pure."""

from collections.abc import Sequence

from gcp_wif.rendering.quoting import as_comment, shell_line

__all__ = ["remade_by"]


def remade_by(*arguments: str) -> str:
    """The command line that makes a file again, on one line."""
    words: Sequence[str] = ("gcp-wif", "render", *arguments)
    return as_comment(" ".join(shell_line(word) for word in words))
