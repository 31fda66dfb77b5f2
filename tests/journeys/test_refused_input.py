"""Input that cannot work: exit code 2, one message that names the culprit, and nothing written anywhere."""

from pathlib import Path

import pytest

ORGANIZATION = "8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04"
UNSET = object()

# Each row: what is changed in a job that works, the flags, the code, and a word that the message must have.
ROWS = {
    "project number unset": ({"GCP_PROJECT_ID": UNSET}, [], "WIF101", "PROJECT_NUMBER"),
    "pool unset": ({"GCP_WIP_ID": UNSET}, [], "WIF101", "POOL_ID"),
    "provider unset": ({"GCP_WIP_PROVIDER_ID": UNSET}, [], "WIF101", "PROVIDER_ID"),
    "account unset": ({"GCP_SERVICE_ACCOUNT_EMAIL": UNSET}, [], "WIF101", "--direct"),
    "project number empty": ({"GCP_PROJECT_ID": ""}, [], "WIF102", "GCP_PROJECT_ID"),
    "account empty": ({"GCP_SERVICE_ACCOUNT_EMAIL": ""}, [], "WIF102", "GCP_SERVICE_ACCOUNT_EMAIL"),
    "two pools": ({"POOL_ID": "other-pool"}, [], "WIF103", "GCP_WIP_ID"),
    "project id for number": ({"GCP_PROJECT_ID": "acme-prod"}, [], "WIF104", "GCP_PROJECT_ID"),
    "project id for number, flag": ({}, ["--project-number", "acme-prod"], "WIF104", "--project-number"),
    "mangled number": ({"GCP_PROJECT_ID": "1.23457e+11"}, [], "WIF104", "YAML"),
    "bad pool": ({"GCP_WIP_ID": "Circle CI"}, [], "WIF105", "GCP_WIP_ID"),
    "bad provider": ({"GCP_WIP_PROVIDER_ID": "x"}, [], "WIF106", "GCP_WIP_PROVIDER_ID"),
    "bad account": ({"GCP_SERVICE_ACCOUNT_EMAIL": "deploy"}, [], "WIF107", "GCP_SERVICE_ACCOUNT_EMAIL"),
    "bad resource name": ({}, ["projects//locations/global"], "WIF108", "resource name"),
    "empty resource name parts": (
        {},
        ["projects//locations/global/workloadIdentityPools//providers/"],
        "WIF104",
        "unset",
    ),
    "token unset": ({"CIRCLE_OIDC_TOKEN": UNSET}, [], "WIF201", "CIRCLE_OIDC_TOKEN"),
    "token empty": ({"CIRCLE_OIDC_TOKEN": ""}, [], "WIF202", "forks"),
    "token no JWT": ({"CIRCLE_OIDC_TOKEN": "hello"}, [], "WIF203", "CIRCLE_OIDC_TOKEN"),
    "token of another organisation": (
        {"CIRCLE_ORGANIZATION_ID": ORGANIZATION[:-1] + "5"},
        [],
        "WIF206",
        "organization_id",
    ),
    "lifetime too short": ({}, ["--service-account-token-lifetime-seconds=599"], "WIF109", "600"),
    "lifetime too long": ({}, ["--service-account-token-lifetime-seconds=43201"], "WIF109", "43200"),
    "lifetime without account": ({}, ["--direct", "--service-account-token-lifetime-seconds=900"], "WIF110", "account"),
    "lifetime no number": ({}, ["--service-account-token-lifetime-seconds=1h"], "WIF011", "lifetime"),
    "two sources": ({}, ["--credential-source-file=/x", "--credential-source-url=https://x"], "WIF110", "exclusive"),
    "two tokens": ({}, ["--token-env=X", "--audience=Y"], "WIF110", "exclusive"),
    "token for a url": ({}, ["--credential-source-url=https://x", "--token-env=X"], "WIF110", "--token-env"),
    "nested field": (
        {},
        ["--credential-source-type=json", "--credential-source-field-name=a.b"],
        "WIF114",
        "top",
    ),
    "format": ({}, ["--credential-source-type=xml"], "WIF114", "json"),
    "universe": ({}, ["--universe-domain=evil/path"], "WIF116", "--universe-domain"),
    "token type": ({}, ["--subject-token-type=jwt"], "WIF118", "--subject-token-type"),
    "same path twice": ({}, ["--output-file=x", "--credential-source-file=./x"], "WIF110", "both"),
    "tilde": ({}, ["--credential-source-file=~/t"], "WIF117", "tilde"),
    "empty path": ({}, ["--output-file="], "WIF102", "--output-file"),
    "output is a folder": ({}, ["--output-file=HOME/folder"], "WIF301", "folder"),
    "token is a folder": ({}, ["--credential-source-file=HOME/folder"], "WIF301", "folder"),
    "output is a link": ({}, ["--output-file=HOME/link"], "WIF302", "symbolic link"),
    "token is a link": ({}, ["--credential-source-file=HOME/link"], "WIF302", "symbolic link"),
    "token is a dangling link": ({}, ["--credential-source-file=HOME/dangling"], "WIF302", "symbolic link"),
    "below a file": ({}, ["--output-file=HOME/file/x"], "WIF303", "not a folder"),
    "nowhere": ({}, ["--output-file=/proc/x/y"], "WIF303", "/proc"),
    "home unset": ({"HOME": UNSET}, [], "WIF101", "HOME"),
    "bash_env unset": ({"BASH_ENV": UNSET}, [], "WIF308", "--to"),
    "bash_env empty": ({"BASH_ENV": ""}, [], "WIF308", "--to"),
    "config only and verify": ({}, ["--config-only"], "WIF110", "--config-only"),
}


def snapshot(folder: Path) -> dict[str, object]:
    return {
        str(path): path.read_bytes() if path.is_file() else (path.readlink() if path.is_symlink() else None)
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("name", ROWS)
def test_refused_and_nothing_written(cli, google, name: str, tmp_path: Path) -> None:
    change, flags, code, word = ROWS[name]
    home = cli.home
    (home / "folder").mkdir()
    (home / "file").write_text("theirs")
    (home / "link").symlink_to(home / "file")
    (home / "dangling").symlink_to(home / "nowhere")
    job = cli.env | google.job() | {key: value for key, value in change.items() if value is not UNSET}
    cli.env = {key: value for key, value in job.items() if change.get(key) is not UNSET}
    before = snapshot(tmp_path)
    done = cli("login", *[flag.replace("HOME", str(home)) for flag in flags])
    assert done.returncode == 2, done.stderr
    assert f"error {code}" in done.stderr
    assert done.stdout == ""
    assert word.lower() in done.stderr.lower()
    assert snapshot(tmp_path) == before
    assert google.emulator.requests() == []


@pytest.mark.parametrize(
    ("times", "code"),
    [
        ({"exp": 1}, "WIF204"),
        ({"iat": 4_000_000_000, "exp": 4_000_003_600}, "WIF205"),
        ({"nbf": 4_000_000_000}, "WIF205"),
    ],
)
def test_a_token_out_of_its_time(cli, google, times: dict[str, int], code: str) -> None:
    job = google.job(**times)
    done = cli("login", **job)
    assert (done.returncode, f"error {code}" in done.stderr, list(cli.home.iterdir())) == (2, True, [])


def test_a_v2_token_is_written_with_a_warning_that_explains_the_mapping(cli, google) -> None:
    subject = "org/x/project/y/user/z/vcs-origin/github.com/acme/app/vcs-ref/refs/heads/" + "b" * 80
    done = cli(
        "generate",
        "--token-env=CIRCLE_OIDC_TOKEN_V2",
        **google.job(),
        CIRCLE_OIDC_TOKEN_V2=google.emulator.token(sub=subject),
    )
    assert done.returncode == 0
    assert "127" in done.stderr
    assert "google.subject=assertion.sub.contains('/vcs-origin/')" in done.stderr


def test_the_earlier_files_survive_a_refusal(cli, google, make_jwt) -> None:
    assert cli("login", **google.job()).returncode == 0
    before = snapshot(cli.home.parent)
    assert cli("login", **(google.job() | {"CIRCLE_OIDC_TOKEN": make_jwt(exp=1)})).returncode == 2
    assert snapshot(cli.home.parent) == before
