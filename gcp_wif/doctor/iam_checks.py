"""From the principal to the account: what IAM decides. Pure."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from gcp_wif.doctor.commands import (
    account_command,
    bind,
    bind_on_project,
    change_mapping,
    enable_services,
    write_config,
)
from gcp_wif.doctor.evidence import MISSING, Evidence
from gcp_wif.doctor.filling import filled
from gcp_wif.doctor.report import Finding, Level
from gcp_wif.federation import Access, Binding, Decision, Held, Question, Scope, decide_access
from gcp_wif.issuers import IssuerProfile, profile_of_url
from gcp_wif.names import Principal
from gcp_wif.refusals import RefusalKind, row_of
from gcp_wif.roles import ACCESS_TOKEN, ID_TOKEN, carries, is_custom

__all__ = ["access_findings", "access_of", "lifetime_finding", "narrowest_member"]

_ORDINARY_LIFETIME = 3600
_WAIT = "A new binding takes about 2 minutes to work, sometimes 7 or more."
_DENIED = (RefusalKind.IMPERSONATION_DENIED, RefusalKind.ID_TOKEN_DENIED)
_OF_ACCOUNTS = "roles/iam.serviceAccount"


def access_of(evidence: Evidence, decision: Decision | None) -> Access | None:
    """What the policies say of this token; ``None`` where it is not known who it is, or no policy was seen."""
    principals = decision.principals if decision and decision.admitted else ()
    seen = evidence.project_policy is not None if evidence.direct else evidence.policy is not None
    if not principals or not (seen or evidence.project_policy is not None):
        return None
    permission = None if evidence.direct else _permission(evidence)
    question = Question(principals, permission, evidence.now, evidence.target, evidence.roles)
    return decide_access(evidence.scopes, question)


def _permission(evidence: Evidence) -> str:
    return ID_TOKEN if evidence.refused is RefusalKind.ID_TOKEN_DENIED else ACCESS_TOKEN


def access_findings(evidence: Evidence, decision: Decision | None, access: Access | None) -> Iterator[Finding]:
    """Account, binding and APIs; for direct federation the roles. Some may be of the level ``unknown``."""
    if evidence.account is not None and evidence.account_state is MISSING:
        yield _no_account(evidence)
        return
    if access is not None and decision is not None and access.allowed is not True:
        found = _Unbound(evidence, decision, access)
        yield from _direct_finding(found) if evidence.direct else found.findings()
    if isinstance(evidence.account_state, Mapping) and evidence.account_state.get("disabled"):
        yield Finding(
            RefusalKind.ACCOUNT_DISABLED.code, "account", "broken", "The service account is disabled.", "enabled",
            "disabled", (account_command(evidence, "enable"),),
        )  # fmt: skip
    yield from _services(evidence)


def narrowest_member(evidence: Evidence, decision: Decision | None) -> str | None:
    """The principal to bind for this token, where it is known who it is."""
    if decision is None or not decision.admitted:
        return None
    return str(_Unbound(evidence, decision, Access(None)).narrowest())


def _no_account(evidence: Evidence) -> Finding:
    account = evidence.account
    named = account.account_id if account else "ACCOUNT"
    made = f"gcloud iam service-accounts create {named} --project={evidence.project or 'PROJECT_ID'}"
    fixes = ["Correct the email in the credential config (--service-account), letter by letter."]
    if evidence.near_account is not None and evidence.provider is not None:
        meant = replace(evidence, account=evidence.near_account)
        fixes = [f"The project has {evidence.near_account}. If that is meant:", write_config(meant, evidence.provider)]
    fixes += ["Or let `gcp-wif apply` make it, with create = true."] if evidence.manifest else ["Or make it:", made]
    message = "The service account does not exist."
    return Finding("WIF931", "account", "broken", message, None, account, tuple(fixes))


def _services(evidence: Evidence) -> Iterator[Finding]:
    code = RefusalKind.API_DISABLED.code
    off = [name for name, on in (evidence.services or {}).items() if not on]
    if off and evidence.provider is not None:
        message = f"{len(off)} of the APIs that the exchange needs are off in the pool's project."
        if len(off) == 1:
            message = f"The API {off[0]}, which the exchange needs, is off in the pool's project."
        fix = enable_services(off, str(evidence.provider.project_number))
        yield Finding(code, "api", "broken", message, "enabled", ", ".join(off), (fix, "Then wait a few minutes."))
    elif evidence.disabled_api is not None:
        fixes = filled(row_of(RefusalKind.API_DISABLED).fixes, evidence)
        message = "An API that the exchange needs is not enabled."
        yield Finding(code, "api", "broken", message, "enabled", evidence.disabled_api, fixes)


def _direct_finding(found: "_Unbound") -> Iterator[Finding]:
    """No role on the project: that may be as it should be, where roles are granted on single resources."""
    evidence = found.evidence
    wanted = evidence.desired.project_grants if evidence.desired else {}
    role = next((each.role for project, grants in wanted.items() for each in grants if project == evidence.project
                 and each.member in found.decision.principals), None)  # fmt: skip
    unmet = [each for each in found.access.held if each.holds is not True]
    if unmet:
        yield found.condition_finding(unmet[0], "The role that this principal has on the project")
        return
    certain = role is not None and not found.access.unseen
    message = f"Direct federation: no role on {evidence.project} is granted to any principal of this token."
    unseen = "Roles on single resources, such as a bucket, were not seen; where the job needs no others, this is fine."
    level: Level = "broken" if certain else "unknown"
    yield Finding(
        "WIF928", "binding", level, message, "a role for one of the principals", "none",
        (*(() if certain else (unseen,)),
         bind_on_project(evidence, role or "ROLE", str(found.narrowest()))),
    )  # fmt: skip


@dataclass(frozen=True)
class _Unbound:
    """Why the policies do not let the token become the account."""

    evidence: Evidence
    decision: Decision
    access: Access

    @cached_property
    def profile(self) -> IssuerProfile:
        """Of the provider's issuer."""
        return profile_of_url(self.evidence.rules.issuer if self.evidence.rules else None)

    def findings(self) -> Iterator[Finding]:
        """The one reason that tells most; ``unknown`` where what was not seen may grant after all."""
        refused = self.evidence.refused in _DENIED
        if self.evidence.policy is None and not refused:
            return  # that it was not seen is said already
        open_roles = [each for each in self.access.held if each.grants is None and each.carries is None]
        open_conditions = [each for each in self.access.held if each.grants is None and each.carries is not None]
        if open_roles and not refused:
            yield self._role_finding(open_roles[0])
            return
        if open_conditions and not refused:
            yield self.condition_finding(open_conditions[0], "The binding for this principal")
            return
        yield self._binding_finding(certain=refused or not self._project_unseen())

    def _project_unseen(self) -> bool:
        """Whether the account's own project may grant it, for all that is known; what is above it seldom does."""
        return self.evidence.policy is None or self.evidence.project_policy is None

    def _role_finding(self, held: Held) -> Finding:
        role = held.binding.role
        parts = role.split("/")
        where = f"--{parts[0].removesuffix('s')}={parts[1]}" if is_custom(role) else ""
        name = parts[-1] if is_custom(role) else role
        return Finding(
            "WIF996", "binding", "unknown",
            f"This principal has the role {role} on {held.scope.name}; whether it carries {_permission(self.evidence)} "
            "was not seen.",
            _permission(self.evidence), role,
            (" ".join(f"gcloud iam roles describe {name} {where} --format=json".split()) + " > role.json",
             "gcp-wif doctor --role-file role.json"),
        )  # fmt: skip

    def condition_finding(self, held: Held, what: str) -> Finding:
        """A binding whose condition is false, or not known."""
        unmet = held.holds is False
        end = "is not met now" if unmet else "reads what the doctor does not know"
        message = f"{what} has a condition, which {end}."
        fixes = [
            "Check first whether this access was meant to end or to be narrower. If not, grant it without a condition:",
            bind_on_project(self.evidence, held.binding.role, str(self.narrowest()))
            if self.evidence.direct
            else bind(self.evidence, str(self._same(held.binding) or self.narrowest())),
        ]
        shown = f"{held.binding.role} on {held.scope.name}, if {held.binding.condition}"
        level: Level = "broken" if unmet or self.evidence.refused in _DENIED else "unknown"
        if level == "unknown":
            fixes.insert(0, "One exchange in the job settles it: gcp-wif verify")
        expected = "a condition that is met"
        return Finding("WIF926", "binding", level, message, expected, shown, tuple(fixes))

    def _same(self, binding: Binding) -> str | None:
        """The principal of this token that a binding names."""
        return next((each for each in self.decision.principals if each in binding.members), None)

    def _binding_finding(self, *, certain: bool) -> Finding:
        finding = next(self._reasons())
        unseen = [scope.name for scope in self.access.unseen]
        if certain:
            if unseen and self.evidence.refused not in _DENIED:
                note = f"Not seen, and seldom the place of such a grant: the policy of {' and of '.join(unseen)}."
                return replace(finding, fix=(*finding.fix, note))
            return finding
        if self.evidence.policy is not None:
            fix = _ask_project(self.evidence)
            message = f"{finding.message} The policy of {unseen[0]} was not seen; it may grant it."
        else:
            fix, message = (), finding.message
        return replace(finding, level="unknown", message=message, fix=(*fix, *finding.fix))

    def _reasons(self) -> Iterator[Finding]:
        """The most telling first."""
        mapping = self.evidence.rules.attribute_mapping if self.evidence.rules else {}
        for held in self.access.held:
            if held.carries is not False and held.holds is not True:
                yield self.condition_finding(held, "The binding for this principal")
        bound = self._bound()
        ours = [each for each in bound if self.evidence.pool is not None and each.is_of(self.evidence.pool)]
        for principal in ours:
            kind = principal.tail.partition("/")[0]
            if kind.startswith("attribute.") and kind not in mapping:
                yield self._unmapped(kind, principal)
        for principal in ours:
            kind = principal.tail.partition("/")[0]
            if kind.startswith("attribute.") and kind.partition(".")[2] not in self.decision.attributes:
                message = f"The binding names {kind}, which is not set for this token."
                found = f"{kind} is mapped by {mapping.get(kind)}"
                yield self._finding("WIF912", message, found, self.narrowest())
        present = {each.tail.lower(): each for each in self.decision.principals}
        for principal in ours:
            if principal.tail.lower() in present:
                message = "The bound value differs from the token's in upper and lower case alone."
                yield self._finding("WIF924", message, principal.tail, present[principal.tail.lower()])
        for held in self.access.held:
            on_account = held.scope == self.access_scope
            if held.carries is False and (on_account or held.binding.role.startswith(_OF_ACCOUNTS)):
                message = "This principal has a role on the account, but none that gives its tokens."
                found = f"{held.binding.role} on {held.scope.name}"
                yield self._finding("WIF925", message, found, self._same(held.binding) or self.narrowest())
        if ours:
            message = "The account is bound to principals of this pool, but to none of this token's."
            found = "; ".join(each.tail for each in ours)
            yield self._finding("WIF923", message, found, self._like(ours), check=True)
        if bound:
            yield self._elsewhere(bound)
        yield self._finding(
            "WIF921", "No binding lets anybody of this pool impersonate the account.", "none", self.narrowest()
        )

    @property
    def access_scope(self) -> Scope:
        """The account's own."""
        return self.evidence.scopes[0]

    def _bound(self) -> list[Principal]:
        """Principals of any pool that some binding may let become the account."""
        found: dict[Principal, None] = {}
        for scope in self.evidence.scopes:
            for binding in scope.bindings or ():
                if carries(binding.role, _permission(self.evidence), self.evidence.roles) is not False:
                    found |= {each: None for each in map(Principal.parse, binding.members) if each is not None}
        return list(found)

    def _unmapped(self, kind: str, principal: Principal) -> Finding:
        name, evidence = kind.partition(".")[2], self.evidence
        message = f"The binding names {kind}, which the mapping never sets."
        expression = self._expression_for(name, principal.parts.value)
        if expression is None or evidence.rules is None:
            return self._finding("WIF922", message, principal.tail, self.narrowest())
        command = change_mapping(evidence, evidence.rules, {kind: expression})
        finding = self._finding("WIF922", message, principal.tail, self.narrowest())
        return replace(finding, fix=(command, "Or bind an attribute that is mapped:", *finding.fix))

    def _expression_for(self, name: str, value: str) -> str | None:
        """CEL for an attribute that nobody maps, where the token shows what was meant."""
        claims = self.evidence.claims or {}
        rule = self.profile.rule_name(name)
        claim = rule.claim if rule else name
        if claims.get(claim) != value:
            claim = next((each for each, text in claims.items() if text == value), claim)
        if claims.get(claim) != value:
            return None
        return f"assertion.{claim}" if claim.isidentifier() else f"assertion['{claim}']"

    def _elsewhere(self, bound: list[Principal]) -> Finding:
        first = bound[0]
        message = "The account is bound to principals of another pool or project number."
        if not first.parts.project.isdigit():
            message = "The binding names the pool's project by its ID; a principal has the project's number."
        own = next(
            (each for each in self.decision.principals if each.tail == first.tail and not each.is_whole_pool), None
        )
        return self._finding("WIF927", message, str(first), own or self.narrowest())

    def _finding(self, code: str, message: str, found: str, member: str, *, check: bool = False) -> Finding:
        evidence = self.evidence
        shown = "; ".join(each.tail for each in self.decision.principals if not each.is_whole_pool)
        fixes = ["Check first that this job should be this account. If it should:"] if check else []
        if evidence.manifest is not None:
            fixes.append("`gcp-wif apply` grants what the manifest says; else add a rule to the identity's `allow`.")
        fixes += [bind(evidence, str(member)), _WAIT]
        return Finding(code, "binding", "broken", message, f"one of: {shown}", found, tuple(fixes))

    # Whom to bind

    def _like(self, bound: list[Principal]) -> Principal:
        """The token's principal of the same attribute as those that are bound, unless everybody has it."""
        for other in bound:
            kind = other.tail.partition("/")[0]
            for own in self.decision.principals:
                if own.tail.partition("/")[0] == kind and own in self._distinguishing():
                    return own
        return self.narrowest()

    def _distinguishing(self) -> list[Principal]:
        """The attributes that are not the same for every job of the tenant, the most telling first."""
        mapping = self.evidence.rules.attribute_mapping if self.evidence.rules else {}
        wide = {*self.profile.tenant_wide, *self.profile.personal}
        pins = {each.claim: each.immutable for each in self.profile.names if each.name in self.profile.one_of}

        def order(principal: Principal) -> tuple[bool, bool, int]:
            expression = mapping.get(principal.tail.partition("/")[0], "")
            reads = [claim for claim in pins if re.search(rf"\b{re.escape(claim)}\b", expression)]
            return any(pins[claim] for claim in reads), bool(reads), len(principal)

        found = [each for each in self.decision.principals if each.parts.kind == "attribute"]
        return sorted(
            (each for each in found if not _reads_only(mapping.get(f"attribute.{each.parts.attribute}", ""), wide)),
            key=order,
            reverse=True,
        )

    def narrowest(self) -> Principal:
        """What to bind where nothing better is known: an attribute rather than the subject, never the whole pool."""
        return next(iter(self._distinguishing()), self.decision.principals[0])


def _reads_only(expression: str, claims: set[str]) -> bool:
    """Whether the expression is one of these claims and nothing else."""
    return any(
        expression.strip() in (f"assertion.{claim}", f"assertion['{claim}']", f'assertion["{claim}"]')
        for claim in claims
    )


def _ask_project(evidence: Evidence) -> tuple[str, ...]:
    project = evidence.project or "PROJECT_ID"
    return (
        f"gcloud projects get-ancestors-iam-policy {project} --format=json > project-policy.json",
        "gcp-wif doctor --project-policy-file project-policy.json",
    )


def lifetime_finding(evidence: Evidence) -> Finding | None:
    """A lifetime that only an organisation policy allows."""
    seconds = evidence.config.token_lifetime_seconds if evidence.config else None
    refused = evidence.refused is RefusalKind.LIFETIME_TOO_LONG
    if not refused and (seconds is None or seconds <= _ORDINARY_LIFETIME):
        return None
    row = row_of(RefusalKind.LIFETIME_TOO_LONG)
    message = "Tokens of over an hour need the account to be in an organisation policy."
    found = f"{seconds} seconds" if seconds else evidence.sentence
    return Finding(
        row.kind.code, "lifetime", "broken" if refused else "unknown", message, "at most 3600 seconds", found, row.fixes
    )
