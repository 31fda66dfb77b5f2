"""A text for every code that the doctor uses: what it means, why it happens, what to do."""

from gcp_wif.errors import InputError, shown
from gcp_wif.refusals import RefusalKind

__all__ = ["CODES", "explain"]

_OWN: dict[str, tuple[str, str]] = {
    "WIF901": ("The pool does not exist", "Its ID or project number is misspelt, or nobody has made it. IDs are lower evidence."),
    "WIF902": ("The pool is deleted", "It holds its ID for 30 days and can be undeleted until then; `gcp-wif apply` does it."),
    "WIF903": ("The pool is disabled", "No token is exchanged, and tokens that were issued stop working."),
    "WIF904": ("The provider does not exist", "Its ID is misspelt, or it is in another pool or project."),
    "WIF905": ("The provider is deleted", "It holds its ID for 30 days and can be undeleted until then."),
    "WIF906": ("The provider is disabled", "No token is exchanged by it; tokens that were issued go on working."),
    "WIF907": ("The config names another provider", "The credential config and the provider that was looked at differ."),
    "WIF908": ("The token is of another organisation",
               "A CircleCI issuer ends in the organisation's ID. The provider trusts one organisation, the job runs in another."),
    "WIF909": ("The token does not fit", "One of its fields is not what Google takes."),
    "WIF911": ("The condition reads an attribute that is never mapped",
               "Names have drifted over the years: project, project_id, org_id, aud. The condition must use the mapping's own."),
    "WIF912": ("The mapping reads a claim that the token lacks",
               "CircleCI's vcs claims are absent for custom webhooks. Guard each: 'CLAIM' in assertion ? … : ''."),
    "WIF913": ("The condition reads a claim that the token lacks", "As for a mapping; an absent claim makes the condition fail."),
    "WIF914": ("Values differ in letter case alone", "Everything is compared letter by letter."),
    "WIF915": ("A list is compared with a string", "context-ids is a list: 'ID' in assertion['oidc.circleci.com/context-ids']."),
    "WIF916": ("A branch is compared with a ref", "vcs-ref holds refs/heads/main, not main."),
    "WIF921": ("Nobody of this pool may impersonate the account", "Grant roles/iam.workloadIdentityUser to a principal set."),
    "WIF922": ("The binding names an attribute that is never mapped", "So it means nobody. Map it, or bind what is mapped."),
    "WIF923": ("The binding means others", "The account is bound to principals of the pool, but none is this token's."),
    "WIF924": ("The bound value differs in letter case alone", "Principal sets are compared letter by letter."),
    "WIF925": ("A role that gives no tokens", "Impersonation needs roles/iam.workloadIdentityUser on the account."),
    "WIF926": ("A conditional binding", "The binding for this principal has an IAM condition, which may not be met."),
    "WIF927": ("The binding is for another pool", "The project number or pool in the member is not that of the config."),
    "WIF928": ("No role for the principal", "In direct federation roles go to principals; none is granted to this token's."),
    "WIF929": ("The binding is too new", "Changes of IAM policies take about 2 minutes to work, sometimes 7 or more."),
    "WIF931": ("The service account does not exist", "Its email is misspelt, or it was deleted. Google says 403 for it."),
    "WIF951": ("The whole pool may use it", "A grant to principalSet://…/* is one to every token that the provider admits."),
    "WIF952": ("The whole organisation may use it", "org_id and aud are the same for every project of an organisation."),
    "WIF953": ("No condition on a shared issuer", "Anybody with an account at that issuer gets a federated token."),
    "WIF954": ("A prefix without a slash", "startsWith('github.com/acme') also admits github.com/acme-evil."),
    "WIF955": ("Names in place of IDs", "A repository can be renamed, and its old name be taken by somebody else."),
    "WIF956": ("SSH reruns are admitted", "Whoever re-runs a job with SSH has its credentials in hand."),
    "WIF957": ("A long token lifetime", "A leaked access token works until it expires."),
    "WIF958": ("Providers share a pool", "Two issuers that map the same attribute get the same grants."),
    "WIF961": ("Google differs from the manifest", "Somebody changed one of them. `gcp-wif plan` shows how."),
    "WIF991": ("No token was looked at", "Without its claims mapping and condition cannot be evaluated."),
    "WIF992": ("The provider was not seen", "Mapping, condition, issuer and audiences are its fields."),
    "WIF993": ("The account's policy was not seen", "It says which principals may impersonate the account."),
    "WIF994": ("The account was not seen", "It may be disabled, or missing."),
    "WIF995": ("The project's policy was not seen", "In direct federation it holds the roles."),
}  # fmt: skip

CODES = (*_OWN, *(kind.code for kind in RefusalKind), "WIF500")
"""Every code that the doctor can give."""


def explain(code: str) -> str:
    """The text for ``code``.

    Raises:
        InputError: WIF910 for a code that there is not.
    """
    wanted = code.upper()
    if wanted in _OWN:
        title, text = _OWN[wanted]
        return f"{wanted}  {title}\n\n{text}\n"
    kind = next((kind for kind in RefusalKind if kind.code == wanted), None)
    if kind is not None:
        fixes = "\n".join(f"  - {line}" for line in kind.advice)
        return f"{wanted}  {kind.error}: {kind.template}\n\n{kind.meaning}\n\nWhat to do:\n{fixes}\n"
    if wanted == "WIF500":
        return "WIF500  A refusal that gcp-wif does not know\n\nGoogle's own words stand in the message.\n"
    raise InputError(f"The doctor has no code {shown(code)}.", hint="Codes read WIF and three digits.", code="WIF910")
