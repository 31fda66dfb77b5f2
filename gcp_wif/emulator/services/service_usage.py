"""Service Usage v1: which APIs are on: all, but for those of the setting ``disabled_services``, in every project."""

import re
from collections.abc import Iterable

from gcp_wif.emulator.model.errors import invalid, permission_denied
from gcp_wif.emulator.model.messages import Field, read
from gcp_wif.emulator.services.gateway import Answer, Call

__all__ = ["batch_enable", "batch_get", "enable", "get", "list_services"]

_NAME = re.compile(r"projects/([^/]+)/services/([a-z0-9.-]{1,120})")
_KNOWN = ("cloudresourcemanager", "iam", "iamcredentials", "serviceusage", "sts")
_MOST = 30


def get(call: Call, project: str, service: str) -> Answer:
    """``GET v1/projects/P/services/S``.

    Raises:
        ApiError: PERMISSION_DENIED.
    """
    _check(call, project, "get")
    return _document(call, project, service)


def batch_get(call: Call, project: str) -> Answer:
    """``GET v1/projects/P/services:batchGet?names=``, at most 30 names.

    Raises:
        ApiError: PERMISSION_DENIED, INVALID_ARGUMENT.
    """
    _check(call, project, "get")
    names = [each for each in call.query.get("names", "").split(",") if each]
    found = [_NAME.fullmatch(each) for each in names]
    if not 0 < len(names) <= _MOST or not all(found):
        raise invalid("The names must be 1 to 30 of the form projects/P/services/S.", "names")
    return {"services": [_document(call, project, each[2]) for each in found if each]}


def list_services(call: Call, project: str) -> Answer:
    """``GET v1/projects/P/services?filter=state:ENABLED``: those that the emulator knows.

    Raises:
        ApiError: PERMISSION_DENIED.
    """
    _check(call, project, "list")
    names = sorted({f"{each}.googleapis.com" for each in _KNOWN} | call.state.settings.disabled_services)
    shown = [_document(call, project, each) for each in names]
    wanted = call.query.get("filter", "").partition(":")[2]
    return {"services": [each for each in shown if wanted in ("", each["state"])]}


def enable(call: Call, project: str, service: str) -> Answer:
    """``POST v1/projects/P/services/S:enable``: answers an operation that is done.

    Raises:
        ApiError: PERMISSION_DENIED.
    """
    return _enabled(call, project, [service])


def batch_enable(call: Call, project: str) -> Answer:
    """``POST v1/projects/P/services:batchEnable`` ``{"serviceIds": […]}``, at most 20; likewise.

    Raises:
        ApiError: PERMISSION_DENIED, INVALID_ARGUMENT.
    """
    body = read(dict(call.body), {"serviceIds": Field("strings")}, "request")
    return _enabled(call, project, body.get("serviceIds", []))


def _enabled(call: Call, project: str, services: Iterable[str]) -> Answer:
    _check(call, project, "enable")
    with call.state.lock:
        call.state.settings.disabled_services -= set(services)
    return {"name": "operations/acat.p2-emulator", "done": True, "response": {}}


def _check(call: Call, project: str, verb: str) -> None:
    permission = f"serviceusage.services.{verb}"
    if call.state.is_missing(project):
        raise permission_denied(permission, f"projects/{project}")
    call.state.require(call.caller, permission, project=project)


def _document(call: Call, project: str, service: str) -> Answer:
    state = "DISABLED" if service in call.state.settings.disabled_services else "ENABLED"
    number = call.state.project_number(project)
    return {
        "name": f"projects/{number}/services/{service}",
        "parent": f"projects/{number}",
        "config": {"name": service, "title": service},
        "state": state,
    }
