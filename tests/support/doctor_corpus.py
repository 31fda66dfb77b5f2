"""Broken setups, one mistake each: how it is made, what the doctor's first finding must be, and its fix.

Every case starts from the same healthy setup. ``make`` breaks it and answers the claims of the job's token; ``cure`` does
what the doctor's advice says, and may answer other claims for the next token.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import requests
from google_setup import ACCOUNT, PROVIDER, Google

from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION as ORGANIZATION_ID
from gcp_wif.issuers.circleci import SAMPLE_PROJECT as PROJECT_ID
from gcp_wif.names import Principal

Claims = dict[str, Any]
POOL = PROVIDER.pool
PROJECT = "oidc.circleci.com/project-id"
REF = "oidc.circleci.com/vcs-ref"
CONTEXTS = "oidc.circleci.com/context-ids"
NO_SSH = "assertion['oidc.circleci.com/ssh-rerun'] == false"
OTHER = "99aa2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b"
CONTEXT = "c0ffee00-1234-4abc-9def-0123456789aa"
MAPPING = {
    "google.subject": "assertion.sub",
    "attribute.project": f"assertion['{PROJECT}']",
}
MEMBER = str(Principal.attribute(POOL, "project", PROJECT_ID))
ISSUER = f"https://oidc.circleci.com/org/{ORGANIZATION_ID}"


def healthy(google: Google, **changes: Any) -> None:
    """What all cases start from."""
    google.emulator.reset()
    condition = f"{NO_SSH} && attribute.project == '{PROJECT_ID}'"
    google.provision(**({"mapping": MAPPING, "condition": condition, "accounts": {ACCOUNT: [MEMBER]}} | changes))


@dataclass(frozen=True)
class Broken:
    name: str
    code: str
    make: Callable[[Google], Claims | None]
    cure: Callable[[Google], Claims | None]
    token: dict[str, Any] = field(default_factory=dict)
    client: dict[str, Any] = field(default_factory=dict)


def setup(**changes: Any) -> Callable[[Google], None]:
    return lambda google: healthy(google, **changes)


def call(verb: str, path: str, body: object = None) -> Callable[[Google], None]:
    def make(google: Google) -> None:
        answer = requests.request(verb, google.emulator.http + path, json=body, timeout=10)
        assert answer.ok, answer.text

    return make


P = f"/v1/{POOL}"
Q = f"/v1/{PROVIDER}"
SA = f"/v1/projects/-/serviceAccounts/{ACCOUNT}"
NOW = int(time.time())
good = setup()


def condition(text: str) -> Callable[[Google], None]:
    return setup(condition=text)


def members(*found: str, role: str = "roles/iam.workloadIdentityUser") -> Callable[[Google], None]:
    def make(google: Google) -> None:
        healthy(google)
        policy = {"version": 3, "bindings": [{"role": role, "members": list(found)}] if found else []}
        call("POST", f"{SA}:setIamPolicy", {"policy": policy})(google)

    return make


def conditional(google: Google) -> None:
    healthy(google)
    binding = {
        "role": "roles/iam.workloadIdentityUser",
        "members": [MEMBER],
        "condition": {"title": "t", "expression": "false"},
    }
    call("POST", f"{SA}:setIamPolicy", {"policy": {"version": 3, "bindings": [binding]}})(google)


def new_binding(google: Google) -> None:
    healthy(google, accounts={ACCOUNT: []})
    google.emulator.faults(propagation_seconds=300)
    policy = {"bindings": [{"role": "roles/iam.workloadIdentityUser", "members": [MEMBER]}]}
    call("POST", f"{SA}:setIamPolicy", {"policy": policy})(google)


def waited(google: Google) -> None:
    google.emulator.advance(301)


def settings(**changes: Any) -> Callable[[Google], None]:
    def make(google: Google) -> None:
        healthy(google)
        google.emulator.faults(**changes)

    return make


def elsewhere(google: Google) -> None:
    healthy(google)
    name = str(POOL).replace("123456789012", "123456789013")
    other = PROVIDER._replace(project_number="123456789013")  # type: ignore[arg-type]
    google.emulator.provision(other, issuer=ISSUER, mapping=MAPPING)
    members_of = {
        "policy": {
            "bindings": [{"role": "roles/iam.workloadIdentityUser", "members": [MEMBER.replace(str(POOL), name)]}]
        }
    }
    call("POST", f"{SA}:setIamPolicy", members_of)(google)


CORPUS = [
    # token and time
    Broken("signed by a stranger", "WIF506", good, good, token={"stranger": True}),
    Broken("unknown key", "WIF507", good, good, token={"header": {"kid": "unknown"}}),
    Broken("no key ID", "WIF507", good, good, token={"header": {"kid": None}}),
    Broken("expired", "WIF505", lambda g: (good(g), {"iat": NOW - 7200, "exp": NOW - 3600})[1], good),
    Broken("issued in the future", "WIF505", lambda g: (good(g), {"iat": NOW + 7200, "exp": NOW + 9000})[1], good),
    Broken("older than a day", "WIF505", lambda g: (good(g), {"iat": NOW - 90_000})[1], good),
    Broken("no iat", "WIF505", lambda g: (good(g), {"iat": None})[1], good),
    # issuer
    Broken("another organisation", "WIF908", lambda g: (good(g), {"iss": f"https://oidc.circleci.com/org/{OTHER}"})[1], good),
    Broken("http issuer", "WIF504", setup(issuer=ISSUER.replace("https", "http")), good),
    Broken("slash at the issuer's end", "WIF504", setup(issuer=ISSUER + "/"), good),
    Broken("issuer in upper case", "WIF504", setup(issuer=ISSUER.replace("8f3c", "8F3C")), good),
    Broken("root issuer's token", "WIF504", lambda g: (good(g), {"iss": "https://oidc.circleci.com"})[1], good),
    Broken("issuer of another kind", "WIF504", setup(issuer="https://token.actions.githubusercontent.com"), good),
    Broken("issuer unreachable", "WIF507", settings(unreachable_issuers=["oidc.circleci.com"]), good),
    # audience
    Broken("audience not allowed", "WIF503", lambda g: (good(g), {"aud": "custom"})[1], good),
    Broken("no allowed audiences", "WIF503", setup(allowed_audiences=[]), good),
    Broken("audience of another organisation", "WIF503", setup(allowed_audiences=[OTHER]), good),
    Broken("audience with a blank", "WIF503", setup(allowed_audiences=[ORGANIZATION_ID + " "]), good),
    # pool and provider
    Broken("pool deleted", "WIF902", lambda g: (good(g), call("DELETE", P)(g))[1], call("POST", f"{P}:undelete", {})),
    Broken("pool disabled", "WIF903", lambda g: (good(g), call("PATCH", f"{P}?updateMask=disabled", {"disabled": True})(g))[1],
           call("PATCH", f"{P}?updateMask=disabled", {"disabled": False})),
    Broken("provider deleted", "WIF905", lambda g: (good(g), call("DELETE", Q)(g))[1], call("POST", f"{Q}:undelete", {})),
    Broken("provider disabled", "WIF906", lambda g: (good(g), call("PATCH", f"{Q}?updateMask=disabled", {"disabled": True})(g))[1],
           call("PATCH", f"{Q}?updateMask=disabled", {"disabled": False})),
    Broken("pool missing", "WIF901", lambda g: g.emulator.reset(), good),
    Broken("provider missing", "WIF904",
           lambda g: (good(g), g.emulator.state.pools.of_project("123456789012")["circleci"].providers.clear())[1], good),
    # mapping
    Broken("mapping gives a list", "WIF515", setup(mapping=MAPPING | {"attribute.c": f"assertion['{CONTEXTS}']"}), good),
    Broken("mapping indexes an empty list", "WIF512", setup(mapping=MAPPING | {"attribute.c": f"assertion['{CONTEXTS}'][0]"}), good),
    Broken("mapping does not compile", "WIF512", setup(mapping=MAPPING | {"attribute.c": "assertion.sub +"}), good),
    Broken("mapping gives a bool", "WIF515", setup(mapping=MAPPING | {"attribute.s": "assertion['oidc.circleci.com/ssh-rerun']"}), good),
    Broken("subject empty", "WIF509", setup(mapping=MAPPING | {"google.subject": "assertion.sub.extract('nothing/{x}/')"}), good),
    Broken("subject of V2", "WIF510", good,
           setup(mapping=MAPPING | {"google.subject": "assertion.sub.contains('/vcs-origin/') ? "
                                    "assertion.sub.extract('{v1}/vcs-origin/') : assertion.sub"}), token={"version": 2}),
    Broken("all values too large", "WIF511",
           lambda g: (setup(mapping=MAPPING | {"attribute.b": "assertion.big"})(g), {"big": "x" * 9000})[1], good),
    # condition
    Broken("other project", "WIF508", lambda g: (good(g), {"project": OTHER})[1], lambda g: (
               healthy(g, condition=f"{NO_SSH} && attribute.project == '{OTHER}'", accounts={ACCOUNT: [MEMBER.replace(PROJECT_ID, OTHER)]}),
               {"project": OTHER})[1]),
    Broken("other branch", "WIF508", condition(f"{NO_SSH} && assertion['{REF}'] == 'refs/heads/trunk'"),
           condition(f"{NO_SSH} && assertion['{REF}'] == 'refs/heads/main'")),
    Broken("branch without refs/heads", "WIF916", condition(f"{NO_SSH} && assertion['{REF}'] == 'main'"),
           condition(f"{NO_SSH} && assertion['{REF}'] == 'refs/heads/main'")),
    Broken("letter case in the condition", "WIF914", condition(f"{NO_SSH} && attribute.project == '{PROJECT_ID.upper()}'"), good),
    Broken("attribute never mapped", "WIF911", condition(f"{NO_SSH} && attribute.project_id == '{PROJECT_ID}'"), good),
    Broken("attribute of the old page", "WIF911", condition(f"attribute.org_id == '{ORGANIZATION_ID}' && {NO_SSH}"), good),
    Broken("claim absent in the condition", "WIF913", condition(f"{NO_SSH} && assertion.project == '{PROJECT_ID}'"), good),
    Broken("list against string", "WIF915",
           lambda g: (condition(f"{NO_SSH} && assertion['{CONTEXTS}'] == '{CONTEXT}'")(g), {CONTEXTS: [CONTEXT]})[1],
           lambda g: (condition(f"{NO_SSH} && '{CONTEXT}' in assertion['{CONTEXTS}']")(g), {CONTEXTS: [CONTEXT]})[1]),
    Broken("context not there", "WIF508", condition(f"{NO_SSH} && '{CONTEXT}' in assertion['{CONTEXTS}']"),
           lambda g: (condition(f"{NO_SSH} && '{CONTEXT}' in assertion['{CONTEXTS}']")(g), {CONTEXTS: [CONTEXT]})[1]),
    Broken("SSH rerun", "WIF508", lambda g: (good(g), {"oidc.circleci.com/ssh-rerun": True})[1],
           lambda g: (good(g), {"oidc.circleci.com/ssh-rerun": False})[1]),
    Broken("condition does not compile", "WIF508", condition(f"{NO_SSH} &&& true"), good),
    Broken("condition is no bool", "WIF508", condition("'oidc.circleci.com/ssh-rerun'"), good),
    # binding
    Broken("nobody bound", "WIF921", members(), good),
    Broken("mapped name differs from the bound one", "WIF922", members(MEMBER.replace("attribute.project/", "attribute.project_id/")), good),
    Broken("other value bound", "WIF923", members(MEMBER.replace(PROJECT_ID, OTHER)), good),
    Broken("letter case in the binding", "WIF924", members(MEMBER.replace(PROJECT_ID, PROJECT_ID.upper())), good),
    Broken("wrong role", "WIF925", members(MEMBER, role="roles/iam.serviceAccountUser"), good),
    Broken("conditional binding", "WIF926", conditional, good),
    Broken("other project number", "WIF927", elsewhere, good),
    Broken("just bound", "WIF929", new_binding, waited),
    Broken("subject of somebody else", "WIF923", members(str(Principal.subject(POOL, "org/x/project/y/user/z"))), good),
    # account, lifetime, API
    Broken("account disabled", "WIF523", lambda g: (good(g), call("POST", f"{SA}:disable", {})(g))[1], call("POST", f"{SA}:enable", {})),
    Broken("account missing", "WIF931",
           lambda g: (good(g), g.emulator.state.accounts.remove(g.emulator.state.accounts.get(ACCOUNT)))[1], good),
    Broken("lifetime over an hour", "WIF522", good, lambda g: g.emulator.faults(long_lived_accounts=[ACCOUNT]) and None,
           client={"service_account_impersonation_options": {"token_lifetime_seconds": 7200}}),
    Broken("IAM Credentials API off", "WIF530", settings(disabled_services=["iamcredentials.googleapis.com"]), good),
    Broken("STS API off", "WIF530", settings(disabled_services=["sts.googleapis.com"]), good),
    Broken("throttled", "WIF513", settings(sts_per_minute=0), settings(sts_per_minute=None)),
]  # fmt: skip

HEALTHY: dict[str, tuple[Callable[[Google], Any], Claims, dict[str, Any]]] = {
    "as it should be": (good, {}, {}),
    "another branch": (good, {REF: "refs/heads/other"}, {}),
    "a custom webhook": (good, {REF: None, "oidc.circleci.com/vcs-origin": None}, {}),
    "with contexts": (good, {CONTEXTS: [CONTEXT]}, {}),
    "several audiences": (good, {"aud": ["other", ORGANIZATION_ID]}, {}),
    "a V2 token with its own mapping": (
        setup(mapping=MAPPING | {"google.subject": f"assertion['{PROJECT}']"}),
        {},
        {"version": 2},
    ),
    "bound by subject": (members(str(Principal.subject(POOL, f"org/{ORGANIZATION_ID}/project/{PROJECT_ID}/user/U"))), {"user": "U"}, {}),
    "an ES256 token": (good, {}, {"header": {"alg": "ES256"}}),
    "bound beside others": (members("user:a@example.com", MEMBER), {}, {}),
    "a condition with a guard": (
        condition(f"{NO_SSH} && ('{REF}' in assertion ? assertion['{REF}'] == 'refs/heads/main' : false)"),
        {},
        {},
    ),
}  # fmt: skip
