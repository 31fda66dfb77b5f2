"""A plan for people and for scripts, and what the commands that make one have in common."""

import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gcp_wif.cli.command import OptionGroup, endpoints, run_context
from gcp_wif.cli.manifests import read_manifest
from gcp_wif.cli.output import Colour, Terminal
from gcp_wif.errors import MissingExtraError
from gcp_wif.names import ServiceAccountEmail

if TYPE_CHECKING:
    from gcp_wif.desired import Desired
    from gcp_wif.provisioning import Change, Plan

__all__ = [
    "AdminOptions", "PruneOptions", "Session", "change_document", "described", "plan_document", "plan_lines", "summary",
]  # fmt: skip

_SIGNS = {"create": "+", "undelete": "+", "update": "~", "delete": "-"}
_COLOURS: dict[str, Colour] = {"+": "green", "~": "yellow", "-": "red", "!": "yellow"}


class AdminOptions(OptionGroup):
    """What plan, apply and destroy take."""

    manifest: Annotated[
        str | None, typer.Option(metavar="FILE", help="The manifest. [default: gcp-wif.toml here or in a folder above]")
    ] = None
    impersonate_service_account: Annotated[
        str | None, typer.Option(metavar="EMAIL", help="Act as this account, with your own credentials as its caller.")
    ] = None


class PruneOptions(OptionGroup):
    """What becomes of the manifest's own grants that it no longer names."""

    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="Also revoke the manifest's own grants that it no longer names, on every account."
        ),
    ] = False


class Session:
    """A manifest, and the admin's way to Google.

    Args:
        options: the command's.
        out: where to speak.
        name: the command's, for a missing extra.

    Raises:
        InputError: the manifest or the environment cannot work.
        MissingExtraError: the extra ``admin`` is not installed.
    """

    def __init__(self, options: AdminOptions, out: Terminal, name: str) -> None:
        context = run_context()
        self.manifest = read_manifest(options.manifest, context)
        where = endpoints(context, out)
        account = options.impersonate_service_account
        impersonate = (
            ServiceAccountEmail.parse(account, origin="--impersonate-service-account") if account is not None else None
        )
        try:
            from gcp_wif.desired import from_manifest
            from gcp_wif.provisioning import Clients, RetryPolicy, admin_credentials
        except ImportError:
            raise MissingExtraError("admin", command=name) from None
        self.desired: Desired = from_manifest(self.manifest)
        self.endpoints = where
        self.retry_policy: RetryPolicy = RetryPolicy()
        self.clients: Clients = Clients(where, admin_credentials(where, impersonate), self.retry_policy.request)


def plan_lines(plan: "Plan", style: Callable[[str, Colour | None], str]) -> Iterator[str]:
    """The plan as a readable diff, its summary last; without the plan's warnings."""
    for change in plan.changes:
        headline, *details = described(change)
        yield style(headline, _COLOURS[headline[0]])
        for detail in details:
            yield style(detail, _COLOURS.get(detail.lstrip()[0]))
    for change in plan.stale_grants:
        headline = f"! grants on {change.resource} that the manifest made and no longer names; --prune revokes them:"
        yield style(headline, _COLOURS["!"])
        yield from (f"    {grant.role} to {grant.holder}" for grant in change.revoke)
    if plan.changes:
        yield summary(plan)


def summary(plan: "Plan") -> str:
    """How much there is to do, in one line; a policy that is written counts as one change."""
    actions = [getattr(change, "action", "update") for change in plan.changes]
    counts = [
        sum(action in which for action in actions) for which in (("create", "undelete"), ("update",), ("delete",))
    ]
    return "{} to create, {} to change, {} to destroy.".format(*counts)


def plan_document(plan: "Plan") -> dict[str, Any]:
    """The JSON shape of a plan."""
    return {
        "changes": [change_document(change) for change in plan.changes],
        "unchanged": list(plan.unchanged),
        "stale_grants": [change_document(change) for change in plan.stale_grants],
        "warnings": list(plan.warnings),
    }


def change_document(change: "Change") -> dict[str, Any]:
    """The JSON shape of one change: of a resource, or of a policy, whose action is ``policy``."""
    from gcp_wif.provisioning import PolicyChange

    if isinstance(change, PolicyChange):
        return {
            "action": "policy",
            "kind": "policy",
            "name": change.resource,
            "grant": [each.document() for each in change.grant],
            "revoke": [each.document() for each in change.revoke],
        }
    return {
        "action": change.action,
        "kind": change.kind,
        "name": change.name,
        "fields": [each._asdict() for each in change.fields],
    }


def described(change: "Change") -> Iterator[str]:
    """A change for people, a headline and its details."""
    from gcp_wif.provisioning import PolicyChange

    if isinstance(change, PolicyChange):
        yield f"~ policy of {change.resource}"
        yield from (f"    + grant  {grant.role} to {grant.holder}" for grant in change.grant)
        yield from (f"    - revoke {grant.role} from {grant.holder}" for grant in change.revoke)
        return
    yield f"{_SIGNS[change.action]} {change.action} {change.kind} {change.name}"
    made = change.action == "create"
    for field, before, after in change.fields:
        yield from _field(field, before, after, made=made)


def _field(field: str, before: Any, after: Any, *, made: bool) -> Iterator[str]:
    if not isinstance(after, dict):
        yield f"    {field}: {_shown(after)}" if made else f"    {field}: {_shown(before)} -> {_shown(after)}"
        return
    earlier = before or {}
    for key in sorted({*earlier, *after}):
        if earlier.get(key) != after.get(key):
            yield from _field(f"{field}.{key}", earlier.get(key), after.get(key), made=made or key not in earlier)


def _shown(value: Any) -> str:
    return "(none)" if value is None else json.dumps(value, ensure_ascii=False)
