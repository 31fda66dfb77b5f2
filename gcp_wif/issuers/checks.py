"""What a job knows about its own token before it asks Google. Pure."""

from gcp_wif.errors import InputError
from gcp_wif.issuers import Tenant, profile, profile_of
from gcp_wif.subject_token import MAX_SUBJECT_BYTES, UnverifiedClaims, check_times

__all__ = ["check_claims"]


def check_claims(claims: UnverifiedClaims, now: float, tenant: Tenant, *, origin: str) -> tuple[str, ...]:
    """Refuse claims that Google would refuse, and return warnings about those that need care.

    Args:
        claims: the token's.
        now: seconds since 1970.
        tenant: that of the manifest or the job.
        origin: where the token was found, for messages.

    Raises:
        InputError: WIF204 expired, WIF205 not valid yet or without usable times, WIF206 of another tenant.
    """
    check_times(claims, now, origin=origin)
    _check_tenant(claims, tenant, origin)
    return _subject_warnings(claims, origin)


def _check_tenant(claims: UnverifiedClaims, tenant: Tenant, origin: str) -> None:
    known = profile(tenant.kind) if tenant.kind else profile_of(claims)
    contradiction = known.contradiction(claims)
    if contradiction is not None:
        raise InputError(f"The token in {origin} contradicts itself: {contradiction}.", code="WIF206")
    for key, found in known.tenant_of(claims).items():
        wanted = tenant.keys.get(key)
        if wanted and str(wanted).lower() != found.lower():
            raise InputError(
                f"The token in {origin} belongs to another tenant: its {key} is {found}, but {tenant.origin} says "
                f"{wanted}.",
                hint=f"A provider trusts one tenant of {known.title}. Use the token of this job, or correct the {key}.",
                code="WIF206",
            )


def _subject_warnings(claims: UnverifiedClaims, origin: str) -> tuple[str, ...]:
    subject = claims.text("sub")
    if subject is None:
        return ()
    size = len(subject.encode())
    if size <= MAX_SUBJECT_BYTES:
        return ()
    advice = " ".join(profile_of(claims).subject_advice)
    return (
        f"The token in {origin} has a `sub` of {size} bytes; Google allows {MAX_SUBJECT_BYTES} for google.subject, so "
        f"the mapping google.subject=assertion.sub will be refused. Map what fits: {advice}",
    )
