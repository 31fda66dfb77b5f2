"""IAM policies: bindings as Google keeps them, etags, versions. Pure."""

import base64
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gcp_wif.emulator.model.errors import invalid, of_refusal
from gcp_wif.emulator.model.messages import Field, read
from gcp_wif.federation.expressions import ExpressionError, compile_expression
from gcp_wif.refusals import RefusalKind

__all__ = ["POLICY_FIELDS", "PolicyState", "bindings_of"]

_MOST_MEMBERS = 1500
"""Google's limit for all members of one policy."""

_MEMBER_KINDS = frozenset(
    {
        "user",
        "group",
        "serviceAccount",
        "domain",
        "principal",
        "principalSet",
        "deleted",
        "projectOwner",
        "projectEditor",
        "projectViewer",
    }
)
_URL_SAFE = str.maketrans("-_", "+/")
_ROLE = re.compile(r"roles/[A-Za-z0-9_.]+|(?:projects|organizations)/[^/]+/roles/[A-Za-z0-9_.]+")

_EXPRESSION = {name: Field("string") for name in ("expression", "title", "description", "location")}
_BINDING = {"role": Field("string"), "members": Field("strings"), "condition": Field("message", message=_EXPRESSION)}
POLICY_FIELDS: Mapping[str, Field] = {
    "version": Field("int"),
    "etag": Field("string"),
    "bindings": Field("messages", message=_BINDING),
    "auditConfigs": Field("foreign"),
}
"""``google.iam.v1.Policy``."""


@dataclass
class PolicyState:
    """An IAM policy; the etag changes with every write.

    Attributes:
        bindings: the present ones.
        previous: those that still decide while a change propagates.
        changed_at: when it was last written, seconds since 1970.
        generation: how often it was written.
        owner: the resource's name, so that no two policies share an etag.
    """

    owner: str = ""
    bindings: list[dict[str, Any]] = field(default_factory=list)
    previous: list[dict[str, Any]] = field(default_factory=list)
    changed_at: float = 0.0
    generation: int = 0

    @property
    def etag(self) -> str:
        """Base64, as in the REST resource."""
        raw = b"\x07\x06" + zlib.crc32(self.owner.encode()).to_bytes(4, "big") + self.generation.to_bytes(6, "big")
        return base64.b64encode(raw).decode()

    def document(self, requested_version: int) -> dict[str, Any]:
        """The REST resource; conditions are shown in version 3 alone.

        Below that Google leaves the conditions away and marks the role (IAM, "Policy versions"), so that writing such
        a policy back is recognised.
        """
        conditional = any("condition" in binding for binding in self.bindings)
        shown: list[dict[str, Any]] = []
        for binding in self.bindings:
            if "condition" in binding and requested_version < 3:
                mark = f"_withcond_{zlib.crc32(repr(binding['condition']).encode()):020x}"
                shown.append({"role": binding["role"] + mark, "members": list(binding["members"])})
            else:
                shown.append({**binding, "members": list(binding["members"])})
        document: dict[str, Any] = {"version": 3 if conditional and requested_version >= 3 else 1, "etag": self.etag}
        return document | ({"bindings": shown} if shown else {})

    def replace(self, policy: Mapping[str, Any], now: float, propagation_seconds: float) -> None:
        """Take over the bindings of ``policy``, as `bindings_of` has checked them.

        Raises:
            ApiError: ABORTED where its etag is not the present one.
        """
        # Bytes come in either alphabet of base64 (protobuf JSON mapping); gcloud sends the URL-safe one.
        etag = str(policy.get("etag", "")).translate(_URL_SAFE).rstrip("=")
        if etag and etag != self.etag.rstrip("="):
            raise of_refusal(RefusalKind.CONCURRENT_POLICY)
        if now - self.changed_at >= propagation_seconds:
            self.previous = self.bindings
        self.bindings = list(policy["bindings"])
        self.changed_at = now
        self.generation += 1

    def deciding(self, now: float, propagation_seconds: float) -> list[dict[str, Any]]:
        """The bindings that decide at ``now``: the previous ones until a change has propagated."""
        return self.previous if now - self.changed_at < propagation_seconds else self.bindings

    def rename_member(self, old: str, new: str) -> None:
        """Replace a member in every binding, as Google does when an account is deleted or undeleted."""
        for binding in [*self.bindings, *self.previous]:
            binding["members"] = [new if member == old else member for member in binding["members"]]


def bindings_of(body: object) -> dict[str, Any]:
    """The ``policy`` of a setIamPolicy request, checked; its bindings as Google keeps them.

    Raises:
        ApiError: INVALID_ARGUMENT for a malformed policy, or conditions below version 3.
    """
    policy = read(body, POLICY_FIELDS, "policy")
    if policy.get("version", 0) not in {0, 1, 3}:
        raise invalid("Specified policy version is invalid.", "policy.version")
    bindings = policy.get("bindings", [])
    if policy.get("version") != 3 and any("condition" in binding for binding in bindings):
        raise invalid("Conditional bindings need policy version 3.", "policy.version")
    return policy | {"bindings": _merged(bindings)}


def _merged(bindings: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One binding for each role and condition, members once, in order of first mention; empty ones go."""
    merged: dict[tuple[str, str], dict[str, Any]] = {}
    for binding in bindings:
        role, condition = binding.get("role", ""), binding.get("condition")
        if not _ROLE.fullmatch(role) or "_withcond_" in role:
            raise invalid(f"Role {role[:200]} is not supported for this resource.", "policy.bindings.role")
        if condition:
            _check_condition(condition)
        entry = merged.setdefault(
            (role, repr(condition)), {"role": role, "members": []} | ({"condition": condition} if condition else {})
        )
        for member in binding.get("members", []):
            _check_member(member)
            if member not in entry["members"]:
                entry["members"].append(member)
    if sum(len(binding["members"]) for binding in merged.values()) > _MOST_MEMBERS:
        raise invalid(f"The number of members in the policy exceeds {_MOST_MEMBERS}.", "policy.bindings")
    return [binding for binding in merged.values() if binding["members"]]


def _check_condition(condition: Mapping[str, Any]) -> None:
    """It has an expression and a title (google.type.Expr, IAM), and the expression is CEL; the sentences are assumed.

    What it may read is not checked: IAM knows more attributes and functions than the emulator.
    """
    if not condition.get("expression"):
        raise invalid("A condition needs an expression.", "policy.bindings.condition")
    try:
        compile_expression(condition["expression"], ())
    except ExpressionError as error:
        if "Syntax error" in error.message:
            raise invalid(
                f"Expression compilation error: {error.message[:300]}", "policy.bindings.condition.expression"
            ) from None


def _check_member(member: str) -> None:
    kind, separator, name = member.partition(":")
    if member in {"allUsers", "allAuthenticatedUsers"}:
        return
    if not (separator and name and kind in _MEMBER_KINDS):
        raise invalid(
            f"The member {member[:200]} is of an unknown type. Please set a valid type prefix for the member.",
            "policy.bindings.member",
        )
