"""Programs that judge what is made: of the development environment, else of the machine."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["program", "run"]


def program(name: str, require_client: Callable[..., str], proves: str) -> str:
    """A program of the development environment, or of the machine."""
    beside = shutil.which(name, path=str(Path(sys.executable).parent))
    return beside or require_client(name, proves=proves)


def run(*command: str, text: str | None = None) -> "subprocess.CompletedProcess[str]":
    """Run it, with ``text`` on its standard input."""
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False)
