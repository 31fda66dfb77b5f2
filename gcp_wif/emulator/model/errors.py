"""How Google's services say no: one shape for STS, one for everything else."""

from typing import Any

from gcp_wif.refusals import Refusal, RefusalKind

__all__ = [
    "HTTP_STATUS",
    "ApiError",
    "StsError",
    "invalid",
    "not_found",
    "of_refusal",
    "permission_denied",
]

HTTP_STATUS = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "CONDITION_NOT_MET": 412,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""HTTP statuses by ``google.rpc.Code`` (google/rpc/code.proto), and the one that Storage alone has."""

_TYPE = "type.googleapis.com/google.rpc."


class StsError(Exception):
    """An OAuth error response (RFC 6749, section 5.2): ``{"error", "error_description"}``."""

    def __init__(self, error: str, description: str, http_status: int = 400) -> None:
        super().__init__(error)
        self.http_status = http_status
        self.body = {"error": error, "error_description": description}

    @classmethod
    def of(cls, refusal: Refusal) -> "StsError":
        """The response for a refusal."""
        return cls(refusal.row.error, refusal.description, refusal.row.http_status)


class ApiError(Exception):
    """A ``google.rpc.Status`` as the JSON APIs carry it: ``{"error": {code, message, status, details?}}``."""

    def __init__(self, status: str, message: str, details: list[dict[str, Any]] | None = None) -> None:
        super().__init__(status)
        self.status = status
        self.message = message
        self.details = details or []
        self.http_status = HTTP_STATUS[status]

    @property
    def body(self) -> dict[str, Any]:
        """The response's JSON."""
        error: dict[str, Any] = {"code": self.http_status, "message": self.message, "status": self.status}
        if self.details:
            error["details"] = self.details
        return {"error": error}


def of_refusal(kind: RefusalKind, reason: str | None = None, **values: str) -> ApiError:
    """A refusal of an API in Google's words, with an ``ErrorInfo`` where it has a reason."""
    refusal = Refusal.of(kind, **values)
    return ApiError(refusal.row.error, refusal.description, _info(reason) if reason else None)


def not_found(what: str = "Requested entity was not found.") -> ApiError:
    """404 in Google's words."""
    return ApiError("NOT_FOUND", what)


def invalid(message: str = "Request contains an invalid argument.", field: str | None = None) -> ApiError:
    """400, with a ``BadRequest`` where one field is at fault."""
    if field is None:
        return ApiError("INVALID_ARGUMENT", message)
    violation = {"field": field, "description": message}
    return ApiError("INVALID_ARGUMENT", message, [{"@type": f"{_TYPE}BadRequest", "fieldViolations": [violation]}])


def permission_denied(permission: str, resource: str | None = None) -> ApiError:
    """403 in IAM's words, which are the same for a resource that does not exist."""
    metadata = {"permission": permission} | ({"resource": resource} if resource else {})
    return ApiError(
        "PERMISSION_DENIED",
        f"Permission '{permission}' denied on resource (or it may not exist).",
        _info("IAM_PERMISSION_DENIED", metadata),
    )


def _info(reason: str, metadata: dict[str, str] | None = None) -> list[dict[str, Any]]:
    info: dict[str, Any] = {"@type": f"{_TYPE}ErrorInfo", "reason": reason, "domain": "googleapis.com"}
    return [info | ({"metadata": metadata} if metadata else {})]
