"""`render terraform`: an HCL library reads back what `apply` makes, and `terraform fmt` changes nothing."""

import difflib
import json
import os
import subprocess
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hcl2
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from provisioned import LEGACY, MANIFEST, Admin, before

from gcp_wif.desired import Desired, from_manifest
from gcp_wif.emulator import Emulator
from gcp_wif.errors import InputError
from gcp_wif.manifest import Manifest
from gcp_wif.provisioning import observe
from gcp_wif.rendering.terraform import existing_of, render_terraform

PARENT = "projects/acme-identity/locations/global/workloadIdentityPools/circleci"
ODD = 'it\'s a "name" ${x} $${y} %{ if } << >> {{ }} \\ \n\té'
RICH = (
    MANIFEST.replace(
        'display_name = "CircleCI"', f'display_name = ""\ndescription = {json.dumps(ODD)}\ndisabled = true'
    )
    .replace("[pool]", "audience = []\n\n[pool]")
    .replace("deploy]", "1-deploy]")
    .replace("acme-staging", "example.com:acme-staging")
)


def rendered(text: str = MANIFEST) -> str:
    manifest = Manifest.parse(text, origin="test")
    return render_terraform(manifest, from_manifest(manifest), "gcp-wif.toml")


def literal(text: str) -> str:
    """The value of a quoted template as the library shows it. HCL's escapes that are rendered are JSON's too."""
    assert text[0] == text[-1] == '"'
    found = json.loads(text)
    assert isinstance(found, str)
    return found


class Read:
    """A rendered file, read by an HCL library: resources by type and label."""

    def __init__(self, text: str) -> None:
        document = hcl2.loads(text)
        self.resources: dict[str, dict[str, Any]] = {}
        for each in document["resource"]:
            ((kind, labelled),) = each.items()
            ((label, body),) = labelled.items()
            assert literal(label) not in self.resources.setdefault(literal(kind), {})
            self.resources[literal(kind)][literal(label)] = body
        self.imports = {each["to"][2:-1]: literal(each["id"]) for each in document.get("import", [])}

    def of(self, kind: str) -> dict[str, Any]:
        return self.resources.get(f"google_{kind}", {})

    def value(self, text: str) -> str:
        """What an expression comes to: a literal, or a reference to a service account."""
        if not text.startswith("${"):
            return literal(text)
        kind, label, attribute = text[2:-1].split(".")
        assert kind == "google_service_account"
        made = self.of("service_account")[label]
        project, account_id = literal(made["project"]), literal(made["account_id"])
        host = ".".join(reversed(project.split(":")))
        email = f"{account_id}@{host}.iam.gserviceaccount.com"
        return {"name": f"projects/{project}/serviceAccounts/{email}", "member": f"serviceAccount:{email}"}[attribute]

    def fields(self, body: dict[str, Any], **names: str) -> dict[str, Any]:
        """REST fields: those that are told to be left alone are absent, others that are absent are empty."""
        ignored = body.get("lifecycle", [{}])[0].get("ignore_changes", [])
        assert not set(ignored) & set(body)
        found = {rest: literal(body.get(name, '""')) for name, rest in names.items() if name not in ignored}
        return found | ({"disabled": body["disabled"]} if "disabled" in body else {})

    def check(self, desired: Desired) -> None:
        names = {"display_name": "displayName", "description": "description"}
        (pool,) = self.of("iam_workload_identity_pool").values()
        (provider,) = self.of("iam_workload_identity_pool_provider").values()
        assert self.fields(pool, **names) == nfc(desired.pool_fields)
        assert literal(pool["project"]) == literal(provider["project"]) == desired.pool_project
        assert literal(pool["workload_identity_pool_id"]) == desired.pool.pool_id
        assert literal(provider["workload_identity_pool_provider_id"]) == desired.provider.provider_id
        (oidc,) = provider["oidc"]
        found = self.fields(provider, **names, attribute_condition="attributeCondition") | {
            "attributeMapping": {literal(key): literal(each) for key, each in provider["attribute_mapping"].items()},
            "oidc.issuerUri": literal(oidc["issuer_uri"]),
            "oidc.allowedAudiences": [literal(each) for each in oidc.get("allowed_audiences", [])],
            "oidc.jwksJson": "",  # a resource without jwks_json has no uploaded keys
        }
        assert found == nfc(desired.provider_fields)
        self.check_accounts(desired)
        self.check_grants(desired)

    def check_accounts(self, desired: Desired) -> None:
        made = {
            self.value(f"${{google_service_account.{label}.name}}"): self.fields(
                body, display_name="display_name", description="description"
            )
            for label, body in self.of("service_account").items()
        }
        assert made == {each.resource: nfc(each.fields) for each in desired.accounts if each.create}
        members = {}
        for body in self.of("service_account_iam_member").values():
            assert literal(body["role"]) == "roles/iam.workloadIdentityUser"
            listed = body["for_each"].removeprefix("${toset(").removesuffix(")}")
            members[self.value(body["service_account_id"])] = json.loads(listed)
        assert members == {each.resource: [nfc(member) for member in each.members] for each in desired.accounts}

    def check_grants(self, desired: Desired) -> None:
        granted = {}
        for body in self.of("project_iam_member").values():
            pairs = [(literal(each["role"]), self.value(each["member"])) for each in body["for_each"].values()]
            assert [literal(key) for key in body["for_each"]] == [f"{role} {member}" for role, member in pairs]
            granted[literal(body["project"])] = pairs
        wanted = {
            project: [(grant.role, nfc(grant.member)) for grant in grants]
            for project, grants in desired.project_grants.items()
        }
        assert granted == wanted


def nfc(value: Any) -> Any:
    """Terraform's own normal form of text, in which the test writes it too."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if hasattr(value, "items"):
        return {key: nfc(each) for key, each in value.items()}
    return [nfc(each) for each in value] if isinstance(value, list | tuple) else value


@pytest.mark.parametrize("text", [MANIFEST, RICH])
def test_it_says_what_apply_makes(text: str) -> None:
    Read(rendered(text)).check(from_manifest(Manifest.parse(text, origin="test")))


@settings(max_examples=40)
@given(
    st.lists(
        st.sampled_from(["'", '"', "\\", "${", "%{", "$", "}", "<<", ">>", "{{", "\n", "\t", "é", "x"]), max_size=8
    ),
    st.lists(st.sampled_from(["'", '"', "\\", "${", "%{", "$", "}", "<<", ">>", "{{", "é", "x", "#"]), max_size=8),
)
def test_texts_full_of_other_languages_come_back(texts: list[str], branch: list[str]) -> None:
    text = "".join(texts)
    condition = f"assertion.sub != {json.dumps(text)}"
    manifest = (
        MANIFEST.replace('display_name = "CircleCI"', f"description = {json.dumps(text)}")
        .replace('id = "circleci-acme"', f'id = "circleci-acme"\nattribute_condition = {json.dumps(condition)}')
        .replace('branch = "main"', f"branch = {json.dumps('b' + ''.join(branch))}")
    )
    try:
        desired = from_manifest(Manifest.parse(manifest, origin="test"))
    except InputError:
        reject()
    Read(render_terraform(Manifest.parse(manifest, origin="test"), desired, "m")).check(desired)


@pytest.mark.client
@pytest.mark.parametrize("text", [MANIFEST, RICH])
def test_terraform_fmt_changes_nothing(require_client: Callable[..., str], tmp_path: Path, text: str) -> None:
    program = require_client("terraform", proves="that the rendered file is formatted")
    manifest = Manifest.parse(text, origin="test")
    with Emulator(projects={"acme-identity": "123456789012"}) as emulator:
        emulator.provision_as(manifest)
        admin = Admin(emulator)
        desired = from_manifest(manifest)
        existing = existing_of(desired, observe(desired, admin.clients, admin.retry_policy))
        admin.close()
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "CHECKPOINT_DISABLE": "1"}
    for made in (render_terraform(manifest, desired, "m"), render_terraform(manifest, desired, "m", existing)):
        done = subprocess.run(
            [program, "fmt", "-"], input=made, capture_output=True, text=True, env=env, timeout=60, check=True
        )
        assert "".join(difflib.unified_diff(made.splitlines(True), done.stdout.splitlines(True))) == ""


def test_what_exists_is_imported_and_nothing_else(emulator: Emulator) -> None:
    before(emulator)
    admin = Admin(emulator)
    manifest = Manifest.parse(MANIFEST, origin="test")
    desired = from_manifest(manifest)

    def imports() -> dict[str, str]:
        existing = existing_of(desired, observe(desired, admin.clients, admin.retry_policy))
        text = render_terraform(manifest, desired, "gcp-wif.toml", existing)
        assert text.splitlines()[0].endswith("render terraform --manifest gcp-wif.toml --import-existing")
        return Read(text).imports

    try:
        assert imports() == {}
        admin.apply()
        found = imports()
        (pool,) = emulator.state.pools.of_project("123456789012").values()
        pool.providers["circleci-acme"].deleted_at = emulator.state.clock.now()
        emulator.state.accounts.get(LEGACY).policy.replace({"bindings": []}, 0.0, 0.0)
        fewer = imports()
        deleted = existing_of(desired, observe(desired, admin.clients, admin.retry_policy)).deleted
    finally:
        admin.close()
    provider = "google_iam_workload_identity_pool_provider.provider"
    assert deleted == (str(desired.provider),)
    assert {address for address in found if address not in fewer} == {
        provider,
        next(address for address in found if address.startswith("google_service_account_iam_member.legacy[")),
    }
    assert found["google_iam_workload_identity_pool.pool"] == PARENT
    assert found[provider] == f"{PARENT}/providers/circleci-acme"
    deploy = "projects/acme-prod/serviceAccounts/deploy@acme-prod.iam.gserviceaccount.com"
    assert found["google_service_account.deploy"] == deploy
    assert "google_service_account.legacy" not in found
    (first, second) = desired.accounts[0].members
    for member in (first, second):
        address = f'google_service_account_iam_member.deploy["{member}"]'
        assert found[address] == f"{deploy} roles/iam.workloadIdentityUser {member}"
    grant = "roles/run.viewer serviceAccount:deploy@acme-prod.iam.gserviceaccount.com"
    assert found[f'google_project_iam_member.acme-prod["{grant}"]'] == f"acme-prod {grant}"
    assert len(found) == 9


def test_the_same_bytes_and_how_to_make_them_again() -> None:
    assert rendered() == rendered()
    assert rendered().splitlines()[0] == "# Made by:  gcp-wif render terraform --manifest gcp-wif.toml"
