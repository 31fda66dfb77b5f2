"""The process that a job ends with: the outermost ancestor that is the program which the CI system names."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

__all__ = ["job_process", "process_of"]

Process = tuple[int, list[str]]
"""The parent's number, and the words that a process was started with."""

_MOST = 64


def job_process(program: str, looked_up: Callable[[int], Process | None] | None = None) -> int | None:
    """The number of the process that lives as long as the job; ``None`` where none is known or found.

    Args:
        program: as `CiSystem.job_process` has it.
        looked_up: how a process is looked up; tests give their own.
    """
    if not program:
        return None
    look_up = looked_up or process_of
    found, number = None, os.getppid()
    for _ in range(_MOST):
        process = look_up(number)
        if process is None or number < 1:
            break
        parent, words = process
        wanted = program.split(" ")
        if words and [os.path.basename(words[0]), *words[1:]][: len(wanted)] == wanted:  # noqa: PTH119 - a string
            found = number
        number = parent
    return found


def process_of(number: int) -> Process | None:
    """A process of this machine, by ``/proc`` or, where there is none, by ``ps``."""
    folder = Path("/proc", str(number))
    try:
        parent = int((folder / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[1])
        return parent, os.fsdecode((folder / "cmdline").read_bytes()).split("\0")
    except (OSError, ValueError, IndexError):
        if Path("/proc/self").exists():
            return None
    try:
        done = subprocess.run(  # noqa: S603 - arguments without a shell
            ["/bin/ps", "-o", "ppid=,command=", "-p", str(number)], capture_output=True, timeout=5, check=False
        )
        parent_text, *words = os.fsdecode(done.stdout).split()
        return int(parent_text), words
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
