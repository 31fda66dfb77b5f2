"""The command line as a process whose memory and time are measured, for tests of bounds.

Linux counts into a process's largest memory what it held before it called exec: a copy of its parent's. Pytest is
large, so a small process stands between.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from typing import Any

_BETWEEN = """
import os, sys
report = int(sys.argv[1])
child = os.fork()
if not child:
    os.close(report)
    os.execv(sys.argv[2], sys.argv[2:])
_, status, usage = os.wait4(child, 0)
os.write(report, b"%d %d" % (os.waitstatus_to_exitcode(status), usage.ru_maxrss))
"""


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
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as report:
        begun = time.monotonic()
        command = [sys.executable, "-I", "-S", "-c", _BETWEEN, str(report.fileno())]
        process = subprocess.Popen(
            [*command, sys.executable, "-m", "gcp_wif", *arguments],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            pass_fds=[report.fileno()],
            start_new_session=True,
        )
        try:
            process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        texts = []
        for stream in (out, err, report):
            stream.seek(0)
            texts.append(stream.read().decode("utf-8", "replace"))
        returncode, kilobytes = map(int, texts.pop().split())
        return Measured(returncode, *texts, kilobytes / 1024, time.monotonic() - begun)
