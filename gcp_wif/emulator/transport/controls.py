"""The emulator's own endpoints, under ``/emulator/`` on the HTTP port. No call of these is logged or made to fail.

``POST /emulator/tokens``
    ``{"claims"?: {…}, "kind"?: KIND, "header"?: {…}, "stranger"?: bool, OPTION?: …}`` answers ``{"token"}``: a signed
    subject token, shaped as those of ``kind`` (see `gcp_wif.issuers`, which also has its options and shorthands).
    ``null`` takes a claim or a header field out; any ``iss`` is signed for, by one key set. ``header`` chooses ``alg``
    (RS256, ES256) and ``kid``. ``stranger`` signs with a key that nobody publishes.

``GET /emulator/requests``
    ``{"requests": [{"method", "path", "status", "call", "caller", "principal", "query", "fields"}, …]}``, oldest first,
    at most 10,000. ``method`` is ``GRPC`` for gRPC, and ``CONNECT`` for a host that the proxy refused, which is then
    the path; ``status`` is the HTTP status (for gRPC the one that belongs to the code), ``null`` where the connection
    was dropped; ``call`` is the method ID of Google's discovery documents; ``caller`` is ``none``, ``federated`` or
    ``service account``, and ``principal`` who that is in a policy, ``null`` for none; ``query`` holds harmless
    parameters, ``fields`` the names of the body's fields. No token and no value of a body is in it. ``DELETE`` empties
    it.

``POST /emulator/faults``
    ``{"faults"?: [FAULT, …], SETTING: VALUE, …}`` answers what ``GET`` does. ``faults`` replaces the plan and counts
    anew; settings that are not named stay. ``DELETE`` empties the plan and puts every setting back.

    A FAULT is ``{"match"?: {"call"?, "method"?, "path_regex"?}, "nth"?: 1, "times"?: 1, "action": {…}}``. It counts the
    calls that match, and fires at the nth and, with ``times``, at those after it; ``"nth": "every"`` fires at each, or
    at the first ``times``. ``call`` is a method ID, its end (``getIamPolicy``) or a pattern (``iam.projects.*``). No
    ``match`` means every call, REST and gRPC together. The action has

    * ``status``, with ``error`` and ``message`` where the usual ones do not serve, or ``body``: the answer instead;
    * ``latency_ms``: wait first;
    * ``drop`` or ``reset``: ``true`` closes the connection without an answer, plainly or with a TCP reset;
    * ``after``: ``true`` lets the call take effect before that;
    * ``operation``: ``"late"`` makes the change only when the operation is done, ``"never"`` never ends it,
      ``"error"`` ends it in an error; the change of the latter two is not made;
    * ``stale_etag``: ``true`` lets somebody else change the policy right after it is read, or right before it is
      written.

    Settings: ``propagation_seconds`` (how long the bindings before a change still decide), ``new_account_reads`` (such
    as ``[404, 403]``: the first reads of accounts that are created from then on), ``operation_polls`` and
    ``operation_seconds`` (an operation is done after either), ``unreachable_issuers`` (URLs or hosts),
    ``long_lived_accounts`` (emails under constraints/iam.allowServiceAccountCredentialLifetimeExtension),
    ``delegated_accounts`` (emails with domain-wide delegation),
    ``issuer_allow_list`` (constraints/iam.workloadIdentityPoolProviders; ``null`` allows all), ``disabled_services``
    (such as ``["iam.googleapis.com"]``), ``missing_projects``, ``sts_per_minute`` and ``pool_writes_per_minute``
    (``null`` for no limit), ``roles`` (``{"projects/p/roles/x": ["permission", …]}``), ``ancestors``
    (``{"PROJECT": ["folders/1", "organizations/2"]}``, the nearest first).

``GET /emulator/faults``
    ``{"faults": [{"seen", "fired"}, …], SETTING: VALUE, …}``: the plan's counts, in its order, and all settings.

``POST /emulator/clock``
    ``{"advance": SECONDS}`` or ``{"now": EPOCH}`` moves the emulator's time; answers ``{"now"}``.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from joserfc.errors import JoseError

from gcp_wif.emulator.model.errors import invalid
from gcp_wif.emulator.model.state import Settings
from gcp_wif.emulator.services.gateway import Answer, Gateway
from gcp_wif.issuers import DEFAULT, kinds, profile

__all__ = ["clear_faults", "clear_requests", "clock", "configure", "faults", "sign"]

_LATEST = 1e11


def sign(gateway: Gateway, body: Mapping[str, Any]) -> Answer:
    """``POST /emulator/tokens``.

    Raises:
        ApiError: INVALID_ARGUMENT.
    """
    claims, header = body.get("claims") or {}, body.get("header") or {}
    kind, stranger = body.get("kind", DEFAULT), body.get("stranger", False)
    if not isinstance(claims, dict) or not isinstance(header, dict):
        raise invalid("claims and header must be objects.")
    if kind not in kinds():
        raise invalid(f"There is no such kind; there are {', '.join(kinds())}.")
    allowed = profile(kind).sample_options
    options = {name: value for name, value in body.items() if name in allowed}
    wrong = [name for name, value in options.items() if value not in allowed[name]]
    if set(body) - {"claims", "header", "kind", "stranger", *allowed} or wrong or stranger not in (True, False):
        names = "".join(f", {name} ({' or '.join(map(str, values))})" for name, values in allowed.items())
        raise invalid(f"A token has claims, header, kind, stranger (true or false){names}.")
    now = gateway.state.clock.now()
    try:
        token = gateway.issuer.sign(claims, now=now, header=header, kind=kind, stranger=stranger, **options)
    except (JoseError, TypeError, ValueError):  # such as a claim beyond any JSON, or a `crit` that is no list
        raise invalid("No such token can be made.") from None
    return {"token": token}


def faults(gateway: Gateway) -> Answer:
    """``GET /emulator/faults``."""
    settings, operations = gateway.state.settings, gateway.state.operations
    return {
        "faults": gateway.faults.counts(),
        "operation_polls": operations.polls,
        "operation_seconds": operations.seconds,
        **{name: _shown(getattr(settings, name)) for name in _SETTINGS},
    }


def configure(gateway: Gateway, body: Mapping[str, Any]) -> Answer:
    """``POST /emulator/faults``: all of it, or nothing where one part is wrong.

    Raises:
        ApiError: INVALID_ARGUMENT.
    """
    unknown = set(body) - {"faults", *_SETTINGS, *_OPERATIONS}
    if unknown:
        raise invalid(f"There is no setting {', '.join(sorted(unknown))[:200]}.")
    parsed = {name: (_SETTINGS | _OPERATIONS)[name](value) for name, value in body.items() if name != "faults"}
    if "faults" in body:
        gateway.faults.replace(body["faults"])
    with gateway.state.lock:
        for name, value in parsed.items():
            if name in _OPERATIONS:
                setattr(gateway.state.operations, name.removeprefix("operation_"), value)
            else:
                setattr(gateway.state.settings, name, value)
    return faults(gateway)


def clear_faults(gateway: Gateway) -> Answer:
    """``DELETE /emulator/faults``."""
    defaults = Settings()
    plain = {name: _shown(getattr(defaults, name)) for name in _SETTINGS}
    return configure(gateway, {"faults": [], "operation_polls": 1, "operation_seconds": 5.0, **plain})


def clear_requests(gateway: Gateway) -> Answer:
    """``DELETE /emulator/requests``."""
    gateway.clear_log()
    return {}


def clock(gateway: Gateway, body: Mapping[str, Any]) -> Answer:
    """``POST /emulator/clock``.

    Raises:
        ApiError: INVALID_ARGUMENT.
    """
    if len(body) != 1 or not set(body) <= {"advance", "now"}:
        raise invalid("Either advance or now is needed.")
    seconds = _number(next(iter(body.values())))
    time = gateway.state.clock
    if abs(seconds) > _LATEST or not 0 <= (seconds if "now" in body else time.now() + seconds) <= _LATEST:
        raise invalid("The time must lie between 1970 and the year 5138.")
    if "now" in body:
        time.set(seconds)
    else:
        time.advance(seconds)
    return {"now": time.now()}


def _shown(value: object) -> Any:
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, dict):
        return {key: _shown(each) for key, each in value.items()}
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _LATEST:
        raise invalid("A number is expected.")
    return value


def _positive(value: object) -> float:
    number = _number(value)
    if number < 0:
        raise invalid("A number from 0 on is expected.")
    return number


def _limit(value: object) -> int | None:
    return None if value is None else int(_positive(value))


def _texts(value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise invalid("A list of strings is expected.")
    return value


def _statuses(value: object) -> tuple[int, ...]:
    if not isinstance(value, list) or len(value) > 1000 or not all(each in (403, 404) for each in value):
        raise invalid("A list of 403 and 404 is expected.")
    return tuple(int(each) for each in value)


def _roles(value: object) -> dict[str, frozenset[str]]:
    if not isinstance(value, dict):
        raise invalid("An object of lists of permissions is expected.")
    return {role: frozenset(_texts(permissions)) for role, permissions in value.items()}


def _ancestors(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise invalid("An object of lists of folders and organisations is expected.")
    found = {project: tuple(_texts(above)) for project, above in value.items()}
    if not all(
        re.fullmatch(r"(?:folders|organizations)/[0-9]{1,19}", each) for above in found.values() for each in above
    ):
        raise invalid("A folder is folders/NUMBER, an organisation organizations/NUMBER.")
    return found


_SETTINGS: dict[str, Callable[[object], Any]] = {
    "propagation_seconds": _positive,
    "new_account_reads": _statuses,
    "unreachable_issuers": lambda value: set(_texts(value)),
    "long_lived_accounts": lambda value: set(_texts(value)),
    "delegated_accounts": lambda value: set(_texts(value)),
    "issuer_allow_list": lambda value: None if value is None else tuple(_texts(value)),
    "disabled_services": lambda value: set(_texts(value)),
    "missing_projects": lambda value: set(_texts(value)),
    "sts_per_minute": _limit,
    "pool_writes_per_minute": _limit,
    "roles": _roles,
    "ancestors": _ancestors,
}
_OPERATIONS: dict[str, Callable[[object], Any]] = {
    "operation_polls": lambda value: int(_positive(value)),
    "operation_seconds": _positive,
}
