"""gcp-wif as a process, with its memory and time: for what a hostile file or server makes of it."""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

_RUN = """
import os, resource, subprocess, sys
done = subprocess.run(sys.argv[2:], stdin=subprocess.DEVNULL)
os.write(int(sys.argv[1]), str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss).encode())
sys.exit(done.returncode)
"""
"""Between the test and the process: a process inherits the high-water mark of the one that starts it, and a test
runner's is far above what is measured here."""


@dataclass(frozen=True)
class Measured:
    """What a run came to; ``megabytes`` is the most memory that it held at any time (ru_maxrss)."""

    returncode: int
    stdout: str
    stderr: str
    megabytes: float
    seconds: float

    @property
    def error(self) -> Any:
        return json.loads(self.stdout)["error"]


def measured(env: dict[str, str], *arguments: str) -> Measured:
    """Run gcp-wif; the caller's test has a time-out."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as peak:
        begun = time.monotonic()
        done = subprocess.run(
            [sys.executable, "-S", "-c", _RUN, str(peak.fileno()), sys.executable, "-m", "gcp_wif", *arguments],
            env=env, stdout=out, stderr=err, pass_fds=[peak.fileno()], check=False,
        )  # fmt: skip
        seconds = time.monotonic() - begun
        texts = []
        for stream in (out, err, peak):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", "replace"))
        return Measured(done.returncode, texts[0], texts[1], int(texts[2]) / 1024, seconds)
