"""Cloud Storage's objects, in memory: as many small ones as a state file or a backup's repository of a test needs."""

import base64
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from gcp_wif import limits
from gcp_wif.emulator.model.errors import ApiError

__all__ = ["Objects", "StoredObject"]


@dataclass(frozen=True)
class StoredObject:
    """One object.

    Attributes:
        generation: goes up with every write, of any object.
        written: seconds since 1970.
    """

    bucket: str
    name: str
    data: bytes
    content_type: str
    generation: int
    written: float

    @property
    def resource(self) -> dict[str, Any]:
        """As the JSON API shows it; numbers are texts there (discovery document, ``Object``)."""
        when = datetime.fromtimestamp(self.written, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "kind": "storage#object",
            "id": f"{self.bucket}/{self.name}/{self.generation}",
            "bucket": self.bucket,
            "name": self.name,
            "contentType": self.content_type,
            "size": str(len(self.data)),
            "md5Hash": base64.b64encode(hashlib.md5(self.data, usedforsecurity=False).digest()).decode(),
            "crc32c": base64.b64encode(_crc32c(self.data).to_bytes(4, "big")).decode(),
            "generation": str(self.generation),
            "metageneration": "1",
            "storageClass": "STANDARD",
            "timeCreated": when,
            "updated": when,
            # gcloud reads from here, and nowhere else (observed with 528)
            "mediaLink": f"https://storage.googleapis.com/download/storage/v1/b/{self.bucket}/o/"
            f"{quote(self.name, safe='')}?generation={self.generation}&alt=media",
        }


def _crc32c(data: bytes) -> int:
    """CRC-32C (RFC 3720, appendix B.4), which Node's client holds every upload to."""
    found = 0xFFFFFFFF
    for byte in data:
        found = _CRC32C[(found ^ byte) & 0xFF] ^ (found >> 8)
    return found ^ 0xFFFFFFFF


def _reflected(value: int) -> int:
    for _ in range(8):
        value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value


_CRC32C = [_reflected(each) for each in range(256)]


class Objects:
    """All objects of all buckets; every bucket exists.

    Args:
        now: the time, in seconds since 1970.
        lock: of the state.
    """

    def __init__(self, now: Callable[[], float], lock: threading.RLock) -> None:
        self._now = now
        self._lock = lock
        self._generation = 0
        self._all: dict[tuple[str, str], StoredObject] = {}

    def put(self, bucket: str, name: str, data: bytes, content_type: str = "") -> StoredObject:
        """Write an object, over an earlier one.

        Raises:
            ApiError: RESOURCE_EXHAUSTED, the emulator keeps no more.
        """
        with self._lock:
            others = (each for key, each in self._all.items() if key != (bucket, name))
            if sum(len(each.data) for each in others) + len(data) > limits.MAX_EMULATED_STORAGE_BYTES or (
                len(self._all) >= limits.MAX_EMULATED_OBJECTS
            ):
                raise ApiError("RESOURCE_EXHAUSTED", "The emulator's storage is full.")
            self._generation += 1
            made = StoredObject(
                bucket, name, data, content_type or "application/octet-stream", self._generation, self._now()
            )
            self._all[bucket, name] = made
            return made

    def find(self, bucket: str, name: str) -> StoredObject | None:
        """The object."""
        with self._lock:
            return self._all.get((bucket, name))

    def remove(self, bucket: str, name: str) -> bool:
        """Remove the object; ``False`` where there was none."""
        with self._lock:
            return self._all.pop((bucket, name), None) is not None

    def below(self, bucket: str, prefix: str) -> list[StoredObject]:
        """Those of a bucket whose names begin with ``prefix``, by name."""
        with self._lock:
            found = [each for each in self._all.values() if each.bucket == bucket and each.name.startswith(prefix)]
        return sorted(found, key=lambda each: each.name)
