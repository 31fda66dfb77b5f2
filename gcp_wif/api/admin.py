"""`plan` and `apply`: the admin's journey in one call each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from gcp_wif.api.world import AnyPath, ManifestSource, context_of, manifest_of
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import InputError, MissingExtraError
from gcp_wif.job.context import Context
from gcp_wif.names import ServiceAccountEmail

if TYPE_CHECKING:
    from google.auth.credentials import Credentials

    from gcp_wif.desired import Desired
    from gcp_wif.doctor import Evidence
    from gcp_wif.provisioning import Change, Observed, Outcome, Plan

__all__ = ["Admin", "Applied", "apply", "plan"]


@dataclass(frozen=True)
class Applied:
    """What `apply` has done: all of ``plan``.

    Attributes:
        plan: what there was to do.
        done: its changes, in the order in which they ended.
    """

    plan: "Plan"
    done: "tuple[Change, ...]"


def plan(
    manifest: ManifestSource,
    *,
    prune: bool = False,
    impersonate: str | None = None,
    credentials: "Credentials | None" = None,
    environ: Mapping[str, str] | None = None,
    cwd: AnyPath | None = None,
) -> "Plan":
    """What `apply` would do. Reads Google, and changes nothing.

    Args:
        manifest: what should be.
        prune: also revoke the manifest's own grants that it no longer names.
        impersonate: the email of an account to act as.
        credentials: the admin's; application default credentials. On the emulator none are needed.
        environ: for the emulator's address; that of this process.
        cwd: the folder that a relative path of the manifest begins at.

    Raises:
        InputError: the manifest or the credentials cannot work.
        MissingExtraError: the extra ``admin`` is not installed.
        RefusedError: Google refuses to be read, or the manifest cannot be made so.
        UnavailableError: no answer within the bounds of `gcp_wif.provisioning.RetryPolicy`.
    """
    with Admin(context_of(environ, cwd), impersonate, credentials, "plan") as admin:
        return admin.plan(manifest, prune=prune)[0]


def apply(
    manifest: ManifestSource,
    *,
    prune: bool = False,
    impersonate: str | None = None,
    credentials: "Credentials | None" = None,
    progress: "Callable[[str, Change], None] | None" = None,
    environ: Mapping[str, str] | None = None,
    cwd: AnyPath | None = None,
) -> Applied:
    """Make Google as the manifest says. Nobody is asked: look at `plan` first.

    Interrupted or failed anywhere, the next run goes on from what is there.

    Args:
        manifest: what should be.
        prune: also revoke the manifest's own grants that it no longer names.
        impersonate: the email of an account to act as.
        credentials: the admin's; as in `plan`.
        progress: told ``start``, ``waits``, ``done`` or ``failed`` for each change, from several threads.
        environ: for the emulator's address; that of this process.
        cwd: the folder that a relative path of the manifest begins at.

    Raises:
        GcpWifError: as `plan`; or why the first change that failed did. What was done before stays.
        KeyboardInterrupt: the run was interrupted, after the changes that were under way.
    """
    with Admin(context_of(environ, cwd), impersonate, credentials, "apply") as admin:
        found, desired, observed = admin.plan(manifest, prune=prune)
        outcome = admin.apply(found, desired, observed, progress or (lambda _event, _change: None))
    if outcome.failed:
        raise outcome.failed[0][1]
    if outcome.interrupted:
        raise KeyboardInterrupt
    return Applied(found, tuple(outcome.done))


class Admin:
    """The admin's way to Google, for one call."""

    def __init__(
        self, context: Context, impersonate: str | None, credentials: "Credentials | None", command: str
    ) -> None:
        if impersonate is not None and credentials is not None:
            raise InputError(
                "credentials and impersonate are mutually exclusive.",
                hint="To act as an account with credentials of your own, impersonate it with google-auth first.",
                code="WIF110",
            )
        self._context = context
        endpoints = Endpoints.resolve(context.environ)
        account = ServiceAccountEmail.parse(impersonate, origin="impersonate") if impersonate is not None else None
        try:
            from gcp_wif.provisioning import Clients, RetryPolicy, admin_credentials
        except ImportError:
            raise MissingExtraError("admin", command=command) from None
        self._retry_policy: RetryPolicy = RetryPolicy()
        own = credentials if credentials is not None else admin_credentials(endpoints, account)
        self._clients: Clients = Clients(endpoints, own, self._retry_policy.request)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._clients.close()

    def plan(self, source: ManifestSource, *, prune: bool) -> "tuple[Plan, Desired, Observed]":
        """What there is to do, and what it follows from."""
        from gcp_wif import provisioning
        from gcp_wif.desired import from_manifest

        desired = from_manifest(manifest_of(source, self._context))
        observed = provisioning.observe(desired, self._clients, self._retry_policy, everywhere=prune)
        return provisioning.plan(desired, observed, prune=prune), desired, observed

    def apply(
        self, found: "Plan", desired: "Desired", observed: "Observed", progress: "Callable[[str, Change], None]"
    ) -> "Outcome":
        """Make the changes of a plan."""
        from gcp_wif import provisioning

        return provisioning.apply(found, desired, observed, self._clients, self._retry_policy, progress)

    def look(self, evidence: "Evidence") -> "Evidence":
        """With what Google has.

        Raises:
            InputError: WIF919 where it is not known whom to look at.
        """
        from gcp_wif.doctor.sources import from_google

        if evidence.provider is None:
            raise InputError(
                "It is not known which provider to look at.",
                hint="Give its resource name, a credential config, or a manifest.",
                code="WIF919",
            )
        return from_google(evidence, self._clients, self._retry_policy)
