"""A port that cannot be had, by its number: an emulator has up to three."""

import contextlib
import errno
import os
from collections.abc import Iterator

__all__ = ["PortError", "listening_on"]


class PortError(OSError):
    """A port of 127.0.0.1 cannot be listened on.

    Attributes:
        port: its number.
    """

    def __init__(self, port: int, number: int) -> None:
        super().__init__(number, os.strerror(number))
        self.port = port


@contextlib.contextmanager
def listening_on(port: int) -> Iterator[None]:
    """Name the port where listening on it fails.

    Raises:
        PortError: for any OSError, and for gRPC's RuntimeError, which does not say why.
    """
    try:
        yield
    except OSError as error:
        raise PortError(port, error.errno or errno.EADDRINUSE) from error
    except RuntimeError as error:
        raise PortError(port, errno.EADDRINUSE) from error
