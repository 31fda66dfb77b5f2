"""What `check` of one file costs, in a process of its own."""

import os
import resource
import subprocess
import sys
from pathlib import Path


def measured(path: Path, *flags: str) -> tuple[float, float, int, str]:
    """Processor seconds, MB at the most, exit code and stderr of `check PATH` in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gcp_wif", "check", str(path), *flags],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    resource.prlimit(process.pid, resource.RLIMIT_CPU, (30, 30))
    assert process.stderr is not None
    with process.stderr as stream:
        told = stream.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode, told
