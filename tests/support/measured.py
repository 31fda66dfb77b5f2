"""The command line as a process whose memory and time are measured, for tests of bounds."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any


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
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        begun = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "gcp_wif", *arguments], env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", "replace"))
        return Measured(process.returncode, *texts, usage.ru_maxrss / 1024, time.monotonic() - begun)
