"""New random examples for every property test: rounds of one seed each, for a bounded time.

Beside the fixed examples of a landing, which are the same every time so that a landing hangs on the change alone. The
seed is printed first and last, and one command repeats a round: ``make fuzz SEED=…`` (one round, with that seed).
Hypothesis marks its tests itself, so that none is forgotten.

    python tests/support/fuzz.py [--seconds S] [--seed N]
"""

import argparse
import os
import secrets
import subprocess
import sys
import time

HUNG_SECONDS = 600
"""A round that takes this long hangs; on a busy machine with two cores one takes about a minute."""

COMMAND = ["-m", "pytest", "-m", "hypothesis", "-q", "--numprocesses=auto", "--hypothesis-profile=new"]


def main(arguments: list[str] | None = None) -> int:
    """Run the rounds; the exit code is that of the first one that found something."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=90.0, help="no round begins after so many seconds")
    parser.add_argument("--seed", type=int, help="one round with this seed")
    parser.add_argument("pytest", nargs="*", default=[], help="for pytest, in place of all property tests")
    given = parser.parse_args(arguments)
    seed = secrets.randbelow(2**32) if given.seed is None else given.seed
    end = time.monotonic() + (given.seconds if given.seed is None else 0)
    while True:
        print(f"fuzz: a round of new examples; repeat it with:  make fuzz SEED={seed}", flush=True)
        code = _round(seed, given.pytest)
        print(f"fuzz: {'FOUND SOMETHING' if code else 'nothing found'}:  make fuzz SEED={seed}", flush=True)
        if code or time.monotonic() >= end:
            return code
        seed = (seed + 1) % 2**32


def _round(seed: int, chosen: list[str]) -> int:
    command = [sys.executable, *COMMAND, f"--hypothesis-seed={seed}", *chosen]
    try:
        return subprocess.run(command, timeout=HUNG_SECONDS, env=os.environ, check=False).returncode
    except subprocess.TimeoutExpired:
        print(f"fuzz: the round did not end within {HUNG_SECONDS} seconds", flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())
