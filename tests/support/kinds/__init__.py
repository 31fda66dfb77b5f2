"""What people would think of for each CI system's tokens: one file a kind, found by its name. See `model`."""

import importlib
import pkgutil

from kinds.model import Kind, Setup, Table

__all__ = ["Kind", "Setup", "Table", "kind", "names"]


def names() -> tuple[str, ...]:
    """Every file here. A kind whose issuers have nothing in common has several, and each knows its kind's name."""
    found = sorted(each.name for each in pkgutil.iter_modules(__path__) if each.name != "model")
    return tuple(name.replace("_", "-") for name in found)


def kind(name: str) -> Kind:
    """What the file ``name`` knows of its kind: its ``KIND``."""
    found: Kind = importlib.import_module(f"kinds.{name.replace('-', '_')}").KIND
    return found
