"""Cloud Storage, as far as it shows whether a client's login works: buckets that list nothing, for a valid token.

Every bucket exists and is empty. Without a token, or with one that is not good, it refuses as Storage does (observed in
public threads); what the account may do in Storage is not looked at.
"""

from gcp_wif.emulator.model.errors import ApiError, not_found
from gcp_wif.emulator.services.gateway import Answer, Call

__all__ = ["get_bucket", "get_object", "list_buckets", "list_objects"]

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


def list_objects(call: Call, bucket: str) -> Answer:  # noqa: ARG001 - every bucket is empty
    """``GET /storage/v1/b/BUCKET/o``.

    Raises:
        ApiError: UNAUTHENTICATED without a token.
    """
    _require(call, "storage.objects.list access to the Google Cloud Storage bucket")
    return {"kind": "storage#objects"}


def get_object(call: Call, bucket: str, object: str) -> Answer:  # noqa: A002 - the discovery document's name
    """``GET /storage/v1/b/BUCKET/o/OBJECT``.

    Raises:
        ApiError: UNAUTHENTICATED without a token, else NOT_FOUND.
    """
    _require(call, "storage.objects.get access to the Google Cloud Storage object")
    raise not_found(f"No such object: {bucket}/{object}"[:300])


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
