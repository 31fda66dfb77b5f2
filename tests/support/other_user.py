"""Acting as another user of the machine, for tests of folders that several users share."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unproven import unproven

NOBODY = 65534
NAMELESS = 54321
"""A user number that no machine has a name for, as in many containers."""


@contextmanager
def commons() -> Iterator[Path]:
    """A folder that every user may look into; pytest's own is closed to others."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        unproven("there is no root or no setpriv", proves="what another user of the machine can do")
    folder = Path(tempfile.mkdtemp(prefix="gcp-wif-commons-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def make(folder: Path, *, owner: int, mode: int) -> Path:
    """A folder of another user."""
    folder.mkdir()
    os.chown(folder, owner, owner)
    folder.chmod(mode)
    return folder


def run_as(
    user: int, env: dict[str, str], *arguments: str, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run gcp-wif as ``user``."""
    return subprocess.run(
        [
            "setpriv",
            f"--reuid={user}",
            f"--regid={user}",
            "--clear-groups",
            sys.executable,
            "-m",
            "gcp_wif",
            *arguments,
        ],
        env=env,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
