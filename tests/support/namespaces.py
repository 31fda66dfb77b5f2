"""Other machines than this one, by mount namespaces: a read-only root, a busybox image, a container's view of a folder.

A script runs in a namespace of its own, so that what is mounted there is gone with it and nobody else sees it. This
needs root, or a kernel that lets users make namespaces; where neither is there, the test is skipped loudly.
"""

import functools
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from unproven import unproven

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable
ROOM = "/srv" if ROOT.is_relative_to("/tmp") else "/tmp"
"""A scratch folder of the job's; not ``/tmp`` where this repository is below that, since it must stay visible."""
CLIENT = (
    "import google.auth, google.auth.transport.requests as t; "
    "c, p = google.auth.default(scopes=['https://www.googleapis.com/auth/cloud-platform']); c.refresh(t.Request()); "
    "print(c.service_account_email, p)"
)
"""A client that is not ours: google-auth, with what the environment says."""


@functools.cache
def _unshare() -> tuple[str, ...] | None:
    """How a namespace is made here; ``None`` where it cannot be."""
    if shutil.which("unshare") is None:
        return None
    options = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--map-root-user",)), "--")
    script = "mount -t tmpfs tmpfs /mnt"
    done = subprocess.run([*options, "sh", "-c", script], capture_output=True, timeout=30, check=False)
    return options if done.returncode == 0 else None


def require_namespaces(proves: str) -> None:
    """Skip loudly where there are none; in CI, fail."""
    if _unshare() is None:
        unproven("mount namespaces cannot be made here", proves=proves)


def run_in_namespace(mounts: str, script: str, env: dict[str, str], *, shell: str = "sh") -> str:
    """Run ``script`` after ``mounts``, as root of a namespace, up to the first failure; answers both streams."""
    options = _unshare()
    assert options is not None
    inner = f"set -e; {mounts}\nexec {shell} -c {shlex.quote(f'set -e; {script}')}"
    done = subprocess.run(
        [*options, "sh", "-c", inner], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=180,
        check=False,
    )  # fmt: skip
    output = done.stdout.decode()
    assert done.returncode == 0, output
    return output


def busybox_image(root: Path, busybox: str) -> str:
    """Mounts that make ``root`` an image with busybox, this Python and no other program; then ``chroot`` into it works.

    Its ``/bin`` has busybox's applets alone: no bash, no dash, no coreutils.
    """
    folders = ["lib", "lib64", "usr/lib", "usr/lib64"]
    lines = [
        f"mount -t tmpfs -o mode=755 tmpfs {root}",
        f"mkdir -p {root}/bin {root}{ROOM} {root}/tmp {root}/proc {root}/dev {root}/etc",
    ]
    for folder in folders:
        place = Path("/", folder)
        if place.is_symlink():
            lines.append(f"ln -s {place.readlink()} {root}/{folder}")
        elif place.is_dir():
            lines += _bound(place, root)
    for place in dict.fromkeys((Path(sys.prefix), Path(sys.base_prefix), ROOT)):
        lines += _bound(place, root)
    lines += [
        f"cp {busybox} {root}/bin/busybox",
        f"for applet in $({busybox} --list); do [ -e {root}/bin/$applet ] || ln -s busybox {root}/bin/$applet; done",
        f"chmod 1777 {root}/tmp {root}{ROOM}",
        f"touch {root}/dev/null {root}/dev/urandom",
        f"mount --bind /dev/null {root}/dev/null",
        f"mount --bind /dev/urandom {root}/dev/urandom",
    ]
    return "\n".join(lines)


def image_shell(root: Path, user: int = 0) -> str:
    """The shell in that image, as this user number."""
    program = shutil.which("chroot", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    who = f"--userspec={user}:{user} --groups={user}" if user else ""  # a user's own namespace knows root alone
    return f"{program} {who} {root} /bin/sh"


def _bound(place: Path, root: Path) -> list[str]:
    return [f"mkdir -p {root}{place}", f"mount --rbind {place} {root}{place}"]
