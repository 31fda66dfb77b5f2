"""`--json`: one object on stdout, as `gcp_wif/schemas/output.v1.json` says, also where a command fails."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from provisioned import MANIFEST, before

import gcp_wif
from gcp_wif.cli.app import _COMMANDS
from gcp_wif.emulator import Emulator

SCHEMA = json.loads((Path(gcp_wif.__file__).parent / "schemas" / "output.v1.json").read_text())
README = (Path(__file__).parents[2] / "README.md").read_text()
PRINTS_NO_OBJECT = {"emulator", "run"}  # a line of its own when it is ready; what the command prints
SHAPES = [name for name in _COMMANDS if name not in PRINTS_NO_OBJECT]


def validate(name: str, text: str) -> dict[str, Any]:
    """The one object in ``text``, held to the schema of ``name``."""
    document: dict[str, Any] = json.loads(text)
    jsonschema.Draft202012Validator(SCHEMA | {"$ref": f"#/$defs/{name}"}).validate(document)
    return document


def test_the_schema_is_one_and_every_command_has_a_shape() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert set(SHAPES) <= set(SCHEMA["$defs"])
    with pytest.raises(jsonschema.ValidationError):
        validate(
            "logout",
            '{"version": 1, "removed": [], "agent_ended": false, "shell_file": null, "warnings": [], "more": 1}',
        )
    with pytest.raises(jsonschema.ValidationError):
        validate("export", '{"shell_file": "x", "lines_added": 0, "exports": {}}')


def properties(name: str) -> set[str]:
    shape = SCHEMA["$defs"][name]
    shared = SCHEMA["$defs"].get(f"{name}_result", {}).get("properties", {})
    return set(shape["properties"] | shared) - {"version"}


@pytest.mark.parametrize("name", SHAPES)
def test_readme_names_the_keys_of_each_command(name: str) -> None:
    row = re.search(rf"^\| `{name}` \| (.*) \|$", README, re.MULTILINE)
    assert row is not None
    assert properties(name) <= set(re.findall(r"`([a-z_]+)`", row[1]))


class TestOfAJob:
    def test_each_command(self, cli: Any, google: Any) -> None:
        job = google.job()
        for arguments in (["generate"], ["export"], ["verify"], ["token"], ["login"], ["logout"]):
            done = cli(*arguments, "--json", **job)
            assert done.returncode == 0, done.stderr
            found = validate(arguments[0], done.stdout)
        assert [Path(each).name for each in found["removed"]] == [
            "gcp_cred_config.json.boto",
            "oidc_token",
            "gcp_cred_config.json",
        ]
        assert validate("token", cli("token", "--json", **job).stdout)["token"] == job["CIRCLE_OIDC_TOKEN"]

    @pytest.mark.parametrize("flags", [["--direct"], ["--no-verify"], ["--no-verify", "--config-only"]])
    def test_login_in_parts(self, cli: Any, google: Any, flags: list[str]) -> None:
        done = cli("login", "--json", *flags, **google.job())
        assert done.returncode == 0, done.stderr
        validate("login", done.stdout)

    def test_login_of_an_authenticated_job(self, cli: Any) -> None:
        done = cli("login", "--json", CLOUDSDK_AUTH_ACCESS_TOKEN="x")
        assert validate("login", done.stdout)["already_authenticated"] is True

    @pytest.mark.parametrize("command", ["export", "login", "logout"])
    def test_two_results_do_not_share_stdout(self, cli: Any, google: Any, command: str) -> None:
        done = cli(command, "--json", "--to", "stdout", **google.job())
        assert done.returncode == 2
        assert validate("error", done.stdout)["error"]["code"] == "WIF110"


class TestOfAnAdmin:
    @pytest.fixture
    def folder(self, cli: Any, emulator: Emulator, tmp_path: Path) -> Path:
        before(emulator)
        cli.env |= emulator.environ()
        cli.cwd = tmp_path / "admin"
        cli.cwd.mkdir()
        (cli.cwd / "gcp-wif.toml").write_text(MANIFEST)
        return cli.cwd

    def test_from_plan_to_destroy(self, cli: Any, emulator: Emulator, folder: Path) -> None:
        assert validate("plan", cli("plan", "--json").stdout)["changes"]
        applied = cli("apply", "--json", "--yes", "--wait", "--token-env", "T", T=emulator.token())
        assert validate("apply", applied.stdout)["propagation"]["exchanged"] == ["deploy"]
        assert validate("apply", cli("apply", "--json", "--yes").stdout)["done"] == []
        narrowed = MANIFEST.replace(', "roles/run.viewer"]', "]").replace('display_name = "CircleCI"', "")
        (folder / "gcp-wif.toml").write_text(narrowed)
        assert validate("plan", cli("plan", "--json").stdout)["stale_grants"]
        rendered = cli("render", "terraform", "--json", "--output-file", "main.tf")
        assert validate("render", rendered.stdout)["output_file"] == str(folder / "main.tf")
        assert validate("destroy", cli("destroy", "--json", "--yes", "--accounts").stdout)["done"]
        assert validate("destroy", cli("destroy", "--json").stdout)["done"] == []

    def test_check(self, cli: Any, folder: Path) -> None:
        (folder / "bad.json").write_text('{"type": "service_account", "private_key": "x"}')
        done = cli("check", "--json", "gcp-wif.toml", "bad.json")
        assert (done.returncode, done.stderr) == (1, "")
        assert validate("check", done.stdout)["findings"]

    def test_doctor(self, cli: Any, emulator: Emulator, folder: Path) -> None:
        assert cli("apply", "--yes").returncode == 0
        (folder / "claims.json").write_text('{"iss": "https://x.example", "sub": "s", "aud": "a", "n": 1}')
        flags = ["--manifest", "gcp-wif.toml", "--identity", "deploy", "--claims", "claims.json"]
        done = cli("doctor", "--json", *flags)
        assert (done.returncode, validate("doctor", done.stdout)["broken"] is not None) == (1, True)
        live = cli("doctor", "--json", "--live", "--manifest", "gcp-wif.toml", "--identity", "deploy",
                   CIRCLE_OIDC_TOKEN=emulator.token())  # fmt: skip
        found = validate("doctor", live.stdout)
        assert (live.returncode, found["broken"]) == (0, None), found["findings"]
        assert found["trace"]

    @pytest.mark.parametrize("flags", [["--direct"], ["--service-account", "deploy@acme-prod.iam.gserviceaccount.com"]])
    def test_init(self, cli: Any, google: Any, folder: Path, flags: list[str]) -> None:
        more = ["--project-id", "acme-identity", "--manifest", "new.toml"]
        done = cli("init", "--json", *more, *flags, **google.job())
        assert done.returncode == 0, done.stderr
        assert validate("init", done.stdout)["manifest"] == str(folder / "new.toml")


def test_demo(cli: Any, tmp_path: Path) -> None:
    assert validate("demo", cli("demo", "--json", TMPDIR=str(tmp_path)).stdout)["ok"] is True


class TestErrors:
    @pytest.mark.parametrize("command", _COMMANDS)
    def test_an_unknown_flag(self, cli: Any, command: str) -> None:
        done = cli(command, "--json", "--nonsense")
        assert done.returncode == 2
        assert validate("error", done.stdout)["error"]["code"] == "WIF011"
        assert "No such option: --nonsense" in done.stderr

    def test_an_unknown_command(self, cli: Any) -> None:
        done = cli("logn", "--json")
        assert "'login'" in validate("error", done.stdout)["error"]["message"]

    def test_words_behind_two_dashes_are_no_flags(self, cli: Any) -> None:
        done = cli("login", "--nonsense", "--", "--json")
        assert (done.returncode, done.stdout) == (2, "")

    @pytest.mark.parametrize(
        ("arguments", "code", "exit_code"),
        [
            (["login"], "WIF132", 2),
            (["verify"], "WIF306", 2),
            (["plan"], "WIF125", 2),
            (["check"], "WIF450", 2),
            (["doctor"], "WIF918", 2),
            (["render", "nothing"], "WIF731", 2),
            (["emulator", "--project", "x"], "WIF120", 2),
        ],
    )
    def test_input(self, cli: Any, tmp_path: Path, arguments: list[str], code: str, exit_code: int) -> None:
        cli.cwd = tmp_path
        done = cli(*arguments, "--json")
        assert done.returncode == exit_code
        assert validate("error", done.stdout)["error"]["code"] == code
        assert f"error {code}: " in done.stderr

    def test_a_refusal_is_one_object_too(self, cli: Any, google: Any) -> None:
        google.provision(condition="false")
        done = cli("login", "--json", **google.job())
        assert done.returncode == 1
        assert validate("error", done.stdout)["error"]["code"] == "WIF508"

    def test_a_crash(self, cli: Any, tmp_path: Path) -> None:
        """A defect of ours, made on purpose."""
        (tmp_path / "sitecustomize.py").write_text(
            "import gcp_wif.job.target as target\ndef boom(*a): raise RuntimeError('geheim')\n"
            "target.resolve_target = boom\n"
        )
        done = cli("generate", "--json", PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path]))
        assert done.returncode == 2
        assert validate("error", done.stdout)["error"]["code"] == "WIF001"
        assert "geheim" not in done.stdout + done.stderr

    def test_where_nothing_can_be_read_from_stdin(self, cli: Any) -> None:
        """D22: a closed standard input was an unexpected error."""
        command = f'exec {sys.executable} -m gcp_wif generate --direct --json --token-stdin "$@" <&-'
        flags = ["--project-number=1", "--pool-id=circleci", "--provider-id=circleci"]
        done = subprocess.run(
            ["sh", "-c", command, "sh", *flags], env=cli.env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 2
        assert validate("error", done.stdout)["error"]["code"] == "WIF202", done.stderr
