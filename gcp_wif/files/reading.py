"""Reading a file that somebody else may have put there: regular, bounded, without waiting."""

import os
import stat
from pathlib import Path

from gcp_wif.errors import InputError, shown
from gcp_wif.files.problems import os_problem

__all__ = ["read_bounded", "read_up_to"]


def read_up_to(descriptor: int, most: int) -> bytes:
    """The next ``most`` bytes of a file, or what it has: one read may give less than there is."""
    data = b""
    while len(data) < most and (chunk := os.read(descriptor, most - len(data))):
        data += chunk
    return data


def read_bounded(path: Path, limit: int, *, origin: str) -> bytes:
    """Read a regular file of at most ``limit`` bytes, through links too.

    Raises:
        InputError: WIF306 where it is missing, WIF303 where it cannot be read, WIF307 where it is too large or special,
            WIF316 where no file can have this name.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise InputError(f"{origin}: there is no file {path}.", code="WIF306") from error
    except OSError as error:
        raise os_problem(error, path, origin, "read") from error
    except ValueError:  # a NUL, or a lone surrogate, which JSON may hold
        raise InputError(
            f"{origin}: no file can have the name {shown(str(path))}.",
            hint="The name holds a NUL or half of a character. Write the config again with `gcp-wif generate`.",
            code="WIF316",
        ) from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise InputError(f"{origin}: {path} is not a regular file.", code="WIF307")
        data = read_up_to(descriptor, limit + 1)
    except OSError as error:
        raise os_problem(error, path, origin, "read") from error
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise InputError(f"{origin}: {path} has more than {limit} bytes; this is not the file meant.", code="WIF307")
    return data
