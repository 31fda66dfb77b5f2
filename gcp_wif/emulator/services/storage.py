"""Cloud Storage, as far as clients need it to show that their login works: objects are written, read and listed.

Every bucket exists. Without a token, or with one that is not good, it refuses as Storage does (observed in public
threads); what the account may do in Storage is not looked at. Objects are small and in memory; resumable uploads,
versions and pages are not there.
"""

from typing import Any

from gcp_wif.emulator.model.errors import ApiError, invalid, not_found
from gcp_wif.emulator.model.objects import StoredObject
from gcp_wif.emulator.services.gateway import Answer, Call, Media

__all__ = [
    "delete_object",
    "get_bucket",
    "get_object",
    "insert_object",
    "list_buckets",
    "list_objects",
    "read_object",
]

_CREATED = "2024-01-01T00:00:00.000Z"


def list_buckets(call: Call) -> Answer:
    """``GET /storage/v1/b?project=PROJECT``: one bucket, so that a listing shows something.

    Raises:
        ApiError: UNAUTHENTICATED without a token.
    """
    project = call.query.get("project", "")
    _require(call, "storage.buckets.list access to the Google Cloud project")
    return {"kind": "storage#buckets", "items": [_bucket(f"{project or 'emulator'}-bucket")]}


def get_bucket(call: Call, bucket: str) -> Answer:
    """``GET /storage/v1/b/BUCKET``.

    Raises:
        ApiError: UNAUTHENTICATED without a token.
    """
    _require(call, "storage.buckets.get access to the Google Cloud Storage bucket")
    return _bucket(bucket)


def list_objects(call: Call, bucket: str) -> Answer:
    """``GET /storage/v1/b/BUCKET/o``, with ``prefix`` and ``delimiter``.

    Raises:
        ApiError: UNAUTHENTICATED without a token.
    """
    _require(call, "storage.objects.list access to the Google Cloud Storage bucket")
    prefix, delimiter = call.query.get("prefix", ""), call.query.get("delimiter", "")
    items: list[dict[str, Any]] = []
    folders: dict[str, None] = {}
    for each in call.state.objects.below(bucket, prefix):
        head, found, _ = each.name[len(prefix) :].partition(delimiter) if delimiter else (each.name, "", "")
        if found:
            folders[prefix + head + delimiter] = None
        else:
            items.append(each.resource)
    answer: Answer = {"kind": "storage#objects"}
    return answer | ({"items": items} if items else {}) | ({"prefixes": list(folders)} if folders else {})


def get_object(call: Call, bucket: str, object: str) -> Answer | Media:  # noqa: A002 - the discovery document's name
    """``GET /storage/v1/b/BUCKET/o/OBJECT``; with ``alt=media`` the content.

    Raises:
        ApiError: UNAUTHENTICATED without a token, else NOT_FOUND.
    """
    if call.query.get("alt") == "media":
        return read_object(call, bucket, object)
    return _existing(call, bucket, object).resource


def read_object(call: Call, bucket: str, object: str) -> Media:  # noqa: A002 - likewise
    """``GET /BUCKET/OBJECT``, the XML API, by which Google's Go client reads.

    Raises:
        ApiError: as `get_object`; Google says it in XML, of which that client reads the status alone.
    """
    found = _existing(call, bucket, object)
    return Media(found.data, found.content_type, headers={"X-Goog-Generation": str(found.generation)})


def insert_object(call: Call, bucket: str) -> Answer:
    """``POST /upload/storage/v1/b/BUCKET/o``: a simple or a multipart upload.

    Raises:
        ApiError: UNAUTHENTICATED without a token; INVALID_ARGUMENT without a name; CONDITION_NOT_MET where
            ``ifGenerationMatch`` is not the object's generation, 0 for an object that is not there.
    """
    _require(call, "storage.objects.create access to the Google Cloud Storage object")
    resource: dict[str, Any] = call.body["resource"]
    name = resource.get("name") or call.query.get("name")
    if not isinstance(name, str) or not name:
        raise invalid("Required", "name")
    objects = call.state.objects
    with call.state.lock:
        wanted, found = call.query.get("ifGenerationMatch"), objects.find(bucket, name)
        if wanted is not None and wanted != str(found.generation if found else 0):
            raise ApiError("CONDITION_NOT_MET", "At least one of the pre-conditions you specified did not hold.")
        return objects.put(bucket, name, call.body["media"], str(resource.get("contentType") or "")).resource


def delete_object(call: Call, bucket: str, object: str) -> Media:  # noqa: A002 - the discovery document's name
    """``DELETE /storage/v1/b/BUCKET/o/OBJECT``.

    Raises:
        ApiError: as `get_object`.
    """
    _require(call, "storage.objects.delete access to the Google Cloud Storage object")
    if not call.state.objects.remove(bucket, object):
        raise _no_such(bucket, object)
    return Media(b"", "text/plain", status=204)


def _existing(call: Call, bucket: str, name: str) -> StoredObject:
    _require(call, "storage.objects.get access to the Google Cloud Storage object")
    found = call.state.objects.find(bucket, name)
    if found is None:
        raise _no_such(bucket, name)
    return found


def _no_such(bucket: str, name: str) -> ApiError:
    return not_found(f"No such object: {bucket}/{name}"[:300])


def _require(call: Call, what: str) -> None:
    if call.caller is None:
        raise ApiError(
            "UNAUTHENTICATED",
            f"Anonymous caller does not have {what}. Permission '{what.partition(' ')[0]}' denied on resource (or it "
            "may not exist).",
        )


def _bucket(name: str) -> Answer:
    return {
        "kind": "storage#bucket",
        "id": name,
        "name": name,
        "location": "US",
        "storageClass": "STANDARD",
        "timeCreated": _CREATED,
        "updated": _CREATED,
        "projectNumber": "123456789012",
        "metageneration": "1",
        "selfLink": f"https://www.googleapis.com/storage/v1/b/{name}",
    }
