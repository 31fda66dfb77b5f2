"""Python with another clock: `time.time` is ahead by what a file says, whatever it runs.

Run as ``clocked.py FILE SHIM ARGUMENTS…`` with Python's own arguments; `shim` makes a program of it. The program takes
itself for its interpreter, so that whatever it starts with ``sys.executable`` has the clock, too.
"""

import runpy
import sys
import time
from pathlib import Path


def shim(path: Path, clock: Path) -> str:
    """A program at ``path`` that is this Python with the clock of the file ``clock``."""
    clock.write_text("0")
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "{clock}" "{path}" "$@"\n')
    path.chmod(0o755)
    return str(path)


def main() -> None:
    clock, sys.executable, *arguments = sys.argv[1:]
    real = time.time
    time.time = lambda: real() + float(Path(clock).read_text() or 0)
    if arguments[0] == "-I":
        del arguments[0]
    verb, what, *rest = arguments
    del sys.path[0]  # the folder of this file
    if verb == "-m":
        sys.argv = [what, *rest]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        assert verb == "-c", arguments
        sys.argv = ["-c", *rest]
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    main()
