"""Who has a permission: the policies of a resource and of all above it, bindings, roles and conditions. Pure.

Google adds up the policies of a resource, its project, its folders and its organisation (IAM, "Policy inheritance"). A
binding grants where its role carries the permission, one of its members is the caller, and its condition is met.
``allAuthenticatedUsers`` does not include federated identities (IAM REST v1, Binding). Deny policies and principal
access boundaries are not part of these policies.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from gcp_wif.federation.iam_conditions import Target, condition_holds
from gcp_wif.roles import carries

__all__ = ["EVERYBODY", "Access", "Binding", "Held", "Question", "Scope", "bindings_of", "decide_access"]

EVERYBODY = "allUsers"


class Binding(NamedTuple):
    """One binding of an IAM policy.

    Attributes:
        condition: CEL; ``None`` where it has none.
    """

    role: str
    members: tuple[str, ...]
    condition: str | None = None


class Scope(NamedTuple):
    """A resource whose policy counts.

    Attributes:
        name: for people, such as ``the project acme-prod``.
        bindings: of its policy; ``None`` where that was not seen.
    """

    name: str
    bindings: tuple[Binding, ...] | None


class Held(NamedTuple):
    """A binding that names the caller.

    Attributes:
        carries: whether its role carries the permission; ``None`` where that is not known.
        holds: whether its condition is met; likewise.
    """

    scope: Scope
    binding: Binding
    carries: bool | None
    holds: bool | None

    @property
    def grants(self) -> bool | None:
        """Whether it gives the permission."""
        if self.carries is False or self.holds is False:
            return False
        return True if self.carries and self.holds else None


@dataclass(frozen=True)
class Access:
    """What the policies say.

    Attributes:
        allowed: ``None`` where a policy, a role or a condition that was not seen may decide.
        held: every binding that names the caller.
        unseen: the scopes whose policies were not seen.
    """

    allowed: bool | None
    held: tuple[Held, ...] = ()
    unseen: tuple[Scope, ...] = ()


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        members: every identifier in a policy that means the caller.
        permission: such as ``iam.serviceAccounts.getAccessToken``; ``None`` asks for any role at all.
        now: seconds since 1970.
        target: the resource, as conditions see it.
        roles: permissions of the roles that were read; see `gcp_wif.roles.carries`.
    """

    members: Collection[str]
    permission: str | None
    now: float
    target: Target | None = None
    roles: Mapping[str, Collection[str] | None] = field(default_factory=lambda: MappingProxyType({}))


def decide_access(scopes: tuple[Scope, ...], question: Question) -> Access:
    """Whether the policies give the permission.

    Args:
        scopes: the resource first, then what is above it.
        question: whose access, to what.
    """
    held = tuple(each for scope in scopes for each in _held(scope, question))
    unseen = tuple(scope for scope in scopes if scope.bindings is None)
    grants = {each.grants for each in held}
    allowed = True if True in grants else None if None in grants or unseen else False
    return Access(allowed, held, unseen)


def _held(scope: Scope, question: Question) -> Iterator[Held]:
    wanted = {*question.members, EVERYBODY}
    for binding in scope.bindings or ():
        if wanted.isdisjoint(binding.members):
            continue
        known = True if question.permission is None else carries(binding.role, question.permission, question.roles)
        met = binding.condition is None or condition_holds(binding.condition, question.now, question.target)
        yield Held(scope, binding, known, met)


def bindings_of(policy: Mapping[str, Any]) -> tuple[Binding, ...]:
    """The bindings of a policy's REST resource.

    Raises:
        ValueError: it is no policy.
    """
    found = policy.get("bindings", [])
    if not isinstance(found, list):
        raise ValueError("bindings is not a list")  # noqa: TRY004 - what a client sent, not what we passed
    return tuple(_binding(each) for each in found)


def _binding(document: Any) -> Binding:
    members = document.get("members") if isinstance(document, dict) else None
    if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
        raise ValueError("a binding has no members")
    condition = document.get("condition")
    if condition is None or condition == {}:
        return Binding(str(document.get("role", "")), tuple(members))
    if not isinstance(condition, dict):
        raise ValueError("a condition is not an object")  # noqa: TRY004 - likewise
    return Binding(str(document.get("role", "")), tuple(members), str(condition.get("expression", "")))
