"""`render circleci`: a config that a YAML library reads as exactly what the manifest says."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from provisioned import MANIFEST

from gcp_wif.errors import InputError
from gcp_wif.manifest import Manifest
from gcp_wif.rendering.ci_config import render_ci_config, render_snippet

P = "1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b"
HEAD = MANIFEST[: MANIFEST.index("[identities.deploy]")]


def rendered(text: str, identity: str | None = None) -> str:
    return render_ci_config("circleci", Manifest.parse(text, origin="test"), "gcp-wif.toml", identity)


def config(text: str, identity: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(rendered(text, identity))
    return found


def one(*rules: dict[str, Any], name: str = "deploy", more: str = "") -> str:
    allow = ", ".join(
        "{ " + ", ".join(f"{key} = {json.dumps(each)}" for key, each in rule.items()) + " }" for rule in rules
    )
    account = "" if "direct" in more else 'service_account = "deploy@acme-prod.iam.gserviceaccount.com"\n'
    return f"{HEAD}\n[identities.{name}]\n{account}{more}\nallow = [{allow}]\n"


def entry(text: str) -> Any:
    (only,) = config(text)["workflows"]["google-cloud"]["jobs"]
    return next(iter(only.values()))


def test_a_job_a_context_and_an_entry_for_each_identity() -> None:
    found = config(MANIFEST)
    assert found["version"] == 2.1
    assert list(found["jobs"]) == ["deploy", "legacy", "reader"]
    jobs = found["workflows"]["google-cloud"]["jobs"]
    assert [next(iter(each.items())) for each in jobs] == [
        (name, {"context": [f"gcp-{name}"]}) for name in ("deploy", "legacy", "reader")
    ]
    steps = found["jobs"]["reader"]["steps"]
    assert steps[2]["run"]["command"] == "gcp-wif login --direct --project-id acme-staging"
    assert steps[3]["run"]["command"] == "gcp-wif verify"
    assert (
        'gcloud iam service-accounts get-iam-policy "${SERVICE_ACCOUNT_EMAIL}"'
        in (found["jobs"]["deploy"]["steps"][3]["run"]["command"])
    )
    assert list(config(MANIFEST, "reader")["jobs"]) == ["reader"]


def test_the_same_bytes_and_how_to_make_them_again() -> None:
    text = rendered(MANIFEST)
    assert text == rendered(MANIFEST)
    assert text.splitlines()[0] == "# Made by:  gcp-wif render circleci --manifest gcp-wif.toml"
    assert rendered(MANIFEST, "reader").splitlines()[0].endswith("--manifest gcp-wif.toml --identity reader")
    assert render_snippet("orb").splitlines()[0] == "# Made by:  gcp-wif render orb"
    assert all(line == line.rstrip() for line in (text + render_snippet("orb")).splitlines())


@pytest.mark.parametrize(
    ("rules", "filters"),
    [
        ([{"branch": "main"}], {"branches": {"only": ["main"]}}),
        ([{"branch": ["main", "on"]}], {"branches": {"only": ["main", "on"]}}),
        ([{"branch": "main"}, {"branch": "main", "context": P}], {"branches": {"only": ["main"]}}),
        ([{"branch": "main"}, {}], None),
        ([{"tag": "v1"}], {"branches": {"ignore": "/.*/"}, "tags": {"only": ["v1"]}}),
        ([{"tag": "1.0"}, {"branch": "2"}], {"branches": {"only": ["2"]}, "tags": {"only": ["1.0"]}}),
        ([{"tag": "v1"}, {}], {"tags": {"only": ["v1"]}}),
        ([{"ref": "refs/pull/1/head"}], None),
        ([{"branch": "/.+/"}], {"branches": {"only": [r"//\.\+//"]}}),
    ],
)
def test_filters(rules: list[dict[str, str]], filters: Any) -> None:
    assert entry(one(*({"project": P} | rule for rule in rules))).get("filters") == filters


def test_a_hand_written_provider_has_no_filters() -> None:
    text = HEAD + '[provider.attribute_mapping]\n"google.subject" = "assertion.sub"\n[identities.a1]\n'
    text += 'service_account = "deploy@acme-prod.iam.gserviceaccount.com"\nprincipals = ["subject/x"]\n'
    assert "filters" not in entry(text)


@given(st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=30))
def test_any_branch_comes_out_as_it_is(branch: str) -> None:
    try:
        text = one({"project": P, "branch": branch})
        manifest = Manifest.parse(text, origin="test")
    except InputError:
        return  # a pattern, refs/…
    (only,) = yaml.safe_load(render_ci_config("circleci", manifest, "m"))["workflows"]["google-cloud"]["jobs"]
    (found,) = only["deploy"]["filters"]["branches"]["only"]
    if not branch.startswith("/"):
        assert found.replace("\\<<", "<<") == branch


@pytest.mark.parametrize("name", ["on", "No", "1e3", "123", "null", "a-b_c", "0x1F"])
def test_any_identity_name_is_a_jobs_name(name: str) -> None:
    found = config(one({"project": P}, name=name))
    assert list(found["jobs"]) == [name]
    assert found["workflows"]["google-cloud"]["jobs"] == [{name: {"context": [f"gcp-{name}"]}}]


def test_flags_for_what_the_context_does_not_say() -> None:
    def login(text: str) -> str:
        (job,) = config(text)["jobs"].values()
        return str(job["steps"][2]["run"]["command"])

    assert login(one({"project": P})) == "gcp-wif login"
    lifetime = one({"project": P}, more="token_lifetime_seconds = 900")
    assert login(lifetime) == "gcp-wif login --service-account-token-lifetime-seconds 900"
    default = one({"project": P}, more='project_id = "acme-prod"').replace(
        "deploy@acme-prod.iam.gserviceaccount.com", "123456789012-compute@developer.gserviceaccount.com"
    )
    assert login(default) == "gcp-wif login --project-id acme-prod"


def fill(text: str) -> list[str]:
    return [line.removeprefix("#   ") for line in text.splitlines() if line.startswith("#   ") and "circleci" in line]


def test_the_commands_that_fill_a_context_are_bash(require_client: Callable[..., str]) -> None:
    bash = require_client("bash", proves="that the commands in the header work")
    script = 'circleci() { printf "%s|" "$@"; [[ $2 == create ]] || cat; echo; }\n' + "\n".join(
        line for line in fill(rendered(MANIFEST, "deploy"))
    )
    done = subprocess.run([bash, "-euc", script], capture_output=True, text=True, timeout=60, check=True)
    owner = "--org-id|8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04|gcp-deploy|"
    assert done.stdout.splitlines() == [
        f"context|create|{owner}",
        f"context|store-secret|{owner}PROJECT_NUMBER|123456789012",
        f"context|store-secret|{owner}POOL_ID|circleci",
        f"context|store-secret|{owner}PROVIDER_ID|circleci-acme",
        f"context|store-secret|{owner}SERVICE_ACCOUNT_EMAIL|deploy@acme-prod.iam.gserviceaccount.com",
    ]


def test_what_cannot_be_rendered() -> None:
    with pytest.raises(InputError) as caught:
        rendered(MANIFEST, "nobody")
    assert caught.value.code == "WIF121"
    text = one({"sub": "x"}).replace(
        'kind = "circleci"\norganization_id = "8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04"',
        'kind = "oidc"\nurl = "https://issuer.example"\naudience = "x"',
    )
    with pytest.raises(InputError) as caught:
        rendered(text)
    assert caught.value.code == "WIF730"


def test_shellcheck_has_nothing_to_say(require_client: Callable[..., str]) -> None:
    program = require_client("shellcheck", proves="that the steps are clean bash")
    commands = yaml.safe_load(render_snippet("orb"))["commands"]
    steps = [step for each in commands.values() for step in each["steps"]]
    steps += [step for job in config(MANIFEST)["jobs"].values() for step in job["steps"] if step != "checkout"]
    for step in steps:
        text = step["run"]["command"].replace("<< parameters.", "p_").replace(" >>", "")
        done = subprocess.run([program, "--shell=bash", "-"], input=text, capture_output=True, text=True, check=False)
        assert done.stdout == ""
