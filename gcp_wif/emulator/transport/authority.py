"""The CA behind the real host names: made at each start, its key in memory alone, its certificate in one file.

Only a certificate stands on the disk, so a file that a killed emulator leaves is no secret; the next start removes it.
"""

import contextlib
import fcntl
import os
import ssl
import stat
import tempfile
import threading
from functools import lru_cache
from pathlib import Path

import trustme

__all__ = ["PROTOCOLS", "Authority"]

PROTOCOLS = ("http/1.1", "h2")
"""In the server's order: HTTP/2 is left to those who speak nothing else, which is gRPC (RFC 7301, section 3.2)."""

_FOLDER = "gcp-wif-ca-"
_HOSTS = 256
"""How many hosts keep their certificate; regional endpoints may have any name."""


class Authority:
    """A CA, until `close`.

    Certificates are valid from the year 2000 to 3000 (trustme), so that no clock, moved or not, finds them expired.

    Attributes:
        path: of the certificate, PEM.

    Raises:
        OSError: the file cannot be written.
    """

    def __init__(self) -> None:
        self._authority = trustme.CA(organization_name="gcp-wif emulator")
        self._lock = threading.Lock()
        self._made = lru_cache(_HOSTS)(self._make)
        _remove_left_behind()
        self._folder = tempfile.TemporaryDirectory(prefix=_FOLDER)
        self.path = Path(self._folder.name, "ca.pem")
        # Locked under another name first: whoever looks for what was left behind sees `ca.pem` only with its lock.
        staged = self.path.with_name("new")
        self._file = staged.open("wb")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._file.write(self._authority.cert_pem.bytes())
            self._file.flush()
            staged.rename(self.path)
        except OSError:
            self.close()
            raise

    def context(self, host: str) -> ssl.SSLContext:
        """TLS as ``host``."""
        with self._lock:
            return self._made(host)

    def _make(self, host: str) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.set_alpn_protocols(PROTOCOLS)
        self._authority.issue_cert(host).configure_cert(made)
        return made

    def close(self) -> None:
        """Remove the file."""
        self._file.close()
        self._folder.cleanup()


def _remove_left_behind() -> None:
    """Remove the files of this user's emulators that were killed, which no process has locked any more."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        with contextlib.suppress(OSError):  # somebody else's, a living emulator's, or just gone
            seen = folder.lstat()
            if stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.getuid():
                _remove_unlocked(folder / "ca.pem")


def _remove_unlocked(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        path.unlink()
        path.parent.rmdir()
    finally:
        os.close(descriptor)
