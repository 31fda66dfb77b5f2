"""Commands are filled with what is known, and with nothing that a pasted text could smuggle into a shell."""

import shlex

import pytest

from gcp_wif.doctor.answer import with_error, with_refusal
from gcp_wif.doctor.evidence import Evidence
from gcp_wif.doctor.filling import admin_commands, filled
from gcp_wif.errors import RefusedError
from gcp_wif.names import ProviderName, ServiceAccountEmail
from gcp_wif.refusals import TABLE, RefusalKind

PROVIDER = ProviderName.parse(
    "projects/123456789012/locations/global/workloadIdentityPools/main-pool/providers/ci-example", origin="test"
)
ACCOUNT = ServiceAccountEmail("deploy@acme-prod.iam.gserviceaccount.com")
KNOWN = Evidence(0.0, provider=PROVIDER, account=ACCOUNT, project="acme-prod", claims={"iss": "https://ci.example.com"})


def test_no_blank_is_left_that_is_known() -> None:
    lines = [line for row in TABLE for line in filled(row.fixes, KNOWN, "principalSet://x/attribute.a/b")]
    words = {"NUMBER", "POOL", "PROVIDER", "PROJECT_ID", "PROJECT", "ACCOUNT", "MEMBER", "PRINCIPAL_SET", "ISSUER"}
    blank = [line for line in lines for word in words if word in shlex.split(line.replace("'", "").replace("=", " "))]
    assert blank == []
    assert any(f"get-iam-policy {ACCOUNT} --project=acme-prod" in line for line in lines)
    assert any(f"describe {PROVIDER} " in line for line in lines)


def test_what_is_not_known_stays_in_capitals() -> None:
    row = next(row for row in TABLE if row.kind is RefusalKind.CONDITION_FALSE)
    assert filled(row.fixes, Evidence(0.0)) == row.fixes


def test_a_pasted_text_names_whom_it_is_about() -> None:
    text = f"token for //iam.googleapis.com/{PROVIDER}: " + '{"error":"invalid_target"}' + f" {ACCOUNT}"
    found = with_error(Evidence(0.0), text)
    assert filled(["describe projects/NUMBER/x/POOL/y/PROVIDER ACCOUNT"], found) == (
        f"describe projects/123456789012/x/main-pool/y/ci-example {ACCOUNT}",
    )


@pytest.mark.parametrize(
    "text",
    [
        "projects/1;reboot/locations/global/workloadIdentityPools/$(id)/providers/`id` invalid_target",
        "Caller does not have required permission to use project $(reboot). ",
        "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/attribute.a/$(reboot)",
    ],
)
def test_a_pasted_text_puts_nothing_into_a_shell(text: str) -> None:
    found = with_error(Evidence(0.0), text)
    for word in ("NUMBER", "POOL", "PROVIDER", "PROJECT", "PRINCIPAL_SET"):
        (line,) = filled([f"gcloud {word}"], found)
        assert len(shlex.split(line)) == 2
        assert "$(" not in line.replace(shlex.quote(shlex.split(line)[1]), "")
        assert "`" not in line


def test_an_admins_commands_are_those_for_what_was_not_seen() -> None:
    describe, policy = admin_commands(KNOWN)
    assert describe == (
        f"gcloud iam workload-identity-pools providers describe {PROVIDER} --format=json > provider.json"
    )
    assert policy == (
        f"gcloud iam service-accounts get-iam-policy {ACCOUNT} --project=acme-prod --format=json > policy.json"
    )
    assert admin_commands(Evidence(0.0, provider=PROVIDER, provider_state={}, account=ACCOUNT, policy=())) == ()


@pytest.mark.parametrize(
    ("kind", "fine"),
    [
        (RefusalKind.TARGET_UNUSABLE, set()),
        (RefusalKind.AUDIENCE_MISMATCH, {"provider"}),
        (RefusalKind.SUBJECT_UNMAPPED, {"token", "time", "issuer", "audience", "provider"}),
        (RefusalKind.CONDITION_FALSE, {"token", "time", "issuer", "audience", "provider", "mapping", "subject"}),
        (RefusalKind.IMPERSONATION_DENIED, {"token", "time", "issuer", "audience", "provider", "mapping", "subject",
                                            "condition", "principal"}),
        (RefusalKind.API_DISABLED, set()),
    ],
)  # fmt: skip
def test_what_google_decides_before_it_refuses_is_fine(kind: RefusalKind, fine: set[str]) -> None:
    found = with_refusal(KNOWN, RefusedError("PERMISSION_DENIED: The caller does not have permission", code=kind.code))
    assert (found.refused, found.also) == (kind, ())
    assert found.proved == fine
