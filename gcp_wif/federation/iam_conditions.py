"""Conditions of IAM bindings, evaluated as far as what they ask for is known. Pure.

Google, "Attribute reference for IAM Conditions": a condition is CEL over ``request`` (time, host, path, ...),
``resource`` (name, service, type) and others. What a request for a token of a service account has of these is its time
and the account. Whatever else a condition reads makes it unknown, unless its value does not depend on it.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from gcp_wif.federation.expressions import ExpressionError, compile_expression

__all__ = ["Target", "condition_holds", "condition_may_hold"]

_MOMENT = "request.time"
_NAMES = (_MOMENT, "request", "resource", "destination", "origin")
_YEAR_10000 = 253402300800
_DATES = re.compile(r"\b(date|datetime)\(")


class Target(NamedTuple):
    """The resource that a request is about, as a condition may see it.

    Attributes:
        service: such as ``iam.googleapis.com``.
        kind: such as ``iam.googleapis.com/ServiceAccount``.
        names: the forms that its name may have there; which of them Google uses is not documented for every service.
    """

    service: str
    kind: str
    names: tuple[str, ...] = ()

    @classmethod
    def account(cls, email: str, project: str | None, unique_id: str | None = None) -> "Target":
        """A service account.

        Its audit log names it by unique ID under ``projects/-``; people write conditions with its email, too.
        """
        who = [each for each in (unique_id, email) if each]
        names = [f"projects/{where}/serviceAccounts/{each}" for each in who for where in ("-", project) if where]
        if unique_id is None:
            names.append("projects/-/serviceAccounts/0")  # it has one, which nobody knows here
        return cls("iam.googleapis.com", "iam.googleapis.com/ServiceAccount", tuple(names))


def condition_holds(expression: str, now: float, target: Target | None) -> bool | None:
    """Whether a binding's condition is met.

    Args:
        expression: CEL.
        now: seconds since 1970: ``request.time``.
        target: what is asked for; ``None`` where that is not known.

    Returns:
        ``None`` where it depends on something that is not known, or on which of the target's names is meant.
    """
    found = {_value(expression, variables) for variables in _worlds(now, target)}
    return found.pop() if len(found) == 1 else None


def condition_may_hold(expression: str, now: float, target: Target | None) -> bool:
    """Whether it is met for one of the target's names: for the emulator, which has to decide."""
    return any(_value(expression, variables) for variables in _worlds(now, target))


def _worlds(now: float, target: Target | None) -> Iterator[Mapping[str, Any]]:
    moment = datetime.fromtimestamp(min(max(now, 0), _YEAR_10000 - 1), UTC)
    known = {_MOMENT: moment, "request": {}, "resource": {}, "destination": {}, "origin": {}}
    if target is None:
        yield known
        return
    for name in target.names or ("",):
        resource = {"service": target.service, "type": target.kind} | ({"name": name} if name else {})
        yield known | {"resource": resource}


def _value(expression: str, variables: Mapping[str, Any]) -> bool | None:
    if _DATES.search(expression):  # IAM has these two functions of its own, which this evaluator has not
        return None
    try:
        value = compile_expression(expression, _NAMES).evaluate(**variables)
    except ExpressionError:
        return None
    return value if isinstance(value, bool) else None
