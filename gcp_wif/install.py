"""How gcp-wif is installed: the one place that says it. Pure.

The name is on no package index, and whoever takes it there would be handed the tokens of everybody whose job installs
it by its name alone. So what is rendered, and what a message says, is a requirement with an address and a pinned
version. The address is the reader's to fill in: the placeholder is under ``.invalid``, which no resolver answers
(RFC 2606, section 2), so that a line that was not filled in fails instead of finding something.
"""

from gcp_wif.limits import INSTALL_CHARACTERS

__all__ = ["ADDRESS", "VERSION", "install_command", "is_command", "requirement"]

VERSION = "0.1.0"
"""Of this package; a test holds it to pyproject.toml."""

ADDRESS = "https://fill-in-your-address.invalid/gcp-wif.git"
"""In place of the address of a repository, or a copy of it, that the reader trusts."""


def requirement(extra: str = "") -> str:
    """A requirement with a direct reference (PEP 508), pinned to this version.

    Args:
        extra: ``admin``, ``emulator`` or ``all``; none is what a job needs.
    """
    name = f"gcp-wif[{extra}]" if extra else "gcp-wif"
    return f"{name} @ git+{ADDRESS}@v{VERSION}"


def install_command(extra: str = "") -> str:
    """The shell command that installs it.

    ``-P`` (Python 3.11) keeps a folder ``pip/`` of the checkout from being run in its place.
    """
    return f"python3 -P -m pip install '{requirement(extra)}'"


def is_command(text: str) -> bool:
    """Whether ``text`` can be the command that installs gcp-wif: one line of a shell script."""
    return bool(text.strip()) and text.isprintable() and len(text) <= INSTALL_CHARACTERS
