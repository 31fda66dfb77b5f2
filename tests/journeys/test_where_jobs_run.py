"""Where jobs run: login, export, verify, a client and logout, on machines unlike a developer's own.

Where it cannot work, the exit code is 2, the error says what to do, and nothing is written.
"""

import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from google_setup import ACCOUNT
from namespaces import CLIENT, PYTHON, ROOM, busybox_image, image_shell, require_namespaces, run_in_namespace
from other_user import NAMELESS, commons, make
from unproven import unproven

WHOLE = """
"$PYTHON" -m gcp_wif login {flags}
{exports}
"$PYTHON" -m gcp_wif verify {config}
"$PYTHON" -c "$CLIENT"
"$PYTHON" -m gcp_wif logout {config} {to}
"""
"""One job, in one shell: everything that the others do in several steps."""


def whole(exports: str = '. "$BASH_ENV"', flags: str = "", config: str = "", to: str = "") -> str:
    return WHOLE.format(exports=exports, flags=flags, config=config, to=to)


@pytest.fixture
def job(google) -> dict[str, str]:
    return google.job() | {"PATH": os.environ["PATH"], "PYTHON": PYTHON, "CLIENT": CLIENT}


@pytest.fixture
def in_shell(cli, job) -> Callable[..., str]:
    """Runs a job's script under another shell or with another environment; answers both streams."""

    def run(script: str, *shell: str, prefix: tuple[str, ...] = (), **env: str | None) -> str:
        variables = cli.env | job | env
        done = subprocess.run(
            [*prefix, *(shell or ("sh",)), "-c", f"set -e; {script}"],
            env={name: value for name, value in variables.items() if value is not None},
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return run


def left(folder: Path) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file())


def client_worked(output: str) -> bool:
    return f"{ACCOUNT} acme-prod\n" in output


class TestNamespaces:
    """The machine is made for the test: see `namespaces`."""

    @pytest.fixture(autouse=True)
    def _namespaces(self) -> None:
        require_namespaces("that a job runs on a read-only root, in a busybox image and in a container")

    def test_a_read_only_root_with_a_tmpfs(self, job) -> None:
        mounts = f"mount -t tmpfs tmpfs {ROOM}; mkdir {ROOM}/home; mount -o remount,bind,ro /"
        env = job | {"HOME": f"{ROOM}/home", "BASH_ENV": f"{ROOM}/bash_env"}
        output = run_in_namespace(mounts, f"! touch /anywhere\n{whole()}\nfind {ROOM} -type f -size +0", env)
        assert client_worked(output)
        assert "Read-only file system" in output
        assert output.rstrip().endswith(f"exports removed    {ROOM}/bash_env")

    def test_a_home_on_the_read_only_root(self, job, tmp_path: Path) -> None:
        mounts = f"mount -t tmpfs tmpfs {ROOM}; mount -o remount,bind,ro /"
        env = job | {"HOME": "/opt", "BASH_ENV": f"{ROOM}/bash_env", "TMPDIR": ROOM}
        output = run_in_namespace(
            mounts, f'"$PYTHON" -m gcp_wif login || echo "exit code $?"; find {ROOM} -type f\n{self._elsewhere()}', env
        )
        first, _, second = output.partition("exit code 2\n")
        assert "error WIF303: --output-file: /opt is on a read-only file system" in first
        assert "HOME leads there" in first
        assert 'HOME="$(mktemp -d)"' in first
        assert second.startswith(("credential config", "warning"))
        assert client_worked(second)

    @staticmethod
    def _elsewhere() -> str:
        """What the error says."""
        return f'export HOME="$(mktemp -d)"\n{whole()}'

    def test_a_temporary_folder_that_is_noexec(self, job) -> None:
        mounts = f"mount -t tmpfs -o noexec tmpfs {ROOM}; mkdir {ROOM}/home"
        env = job | {"HOME": f"{ROOM}/home", "BASH_ENV": f"{ROOM}/bash_env", "TMPDIR": f"{ROOM}"}
        script = f"cp /bin/true {ROOM}/x; ! {ROOM}/x; rm {ROOM}/x\n{whole()}\nfind {ROOM} -type f -size +0"
        output = run_in_namespace(mounts, script, env)
        assert client_worked(output)
        assert output.rstrip().endswith(f"exports removed    {ROOM}/bash_env")

    def test_a_read_only_checkout(self, job, cli, tmp_path: Path) -> None:
        checkout = tmp_path / "checkout"
        checkout.mkdir()
        mounts = f"mount --bind {checkout} {checkout}; mount -o remount,bind,ro {checkout}; cd {checkout}"
        output = run_in_namespace(mounts, f"! touch here\n{whole()}", cli.env | job)
        assert client_worked(output)
        assert left(checkout) == []
        refused = '"$PYTHON" -m gcp_wif login --output-file=c || echo "exit code $?"'
        output = run_in_namespace(mounts, refused, cli.env | job)
        assert "is on a read-only file system" in output
        assert "exit code 2" in output

    def test_a_shell_file_that_is_mounted_read_only(self, job, cli) -> None:
        shell = Path(cli.env["BASH_ENV"])
        shell.write_text("")
        mounts = f"mount --bind {shell} {shell}; mount -o remount,bind,ro {shell}"
        output = run_in_namespace(mounts, '"$PYTHON" -m gcp_wif login || echo "exit code $?"', cli.env | job)
        assert "error WIF303" in output
        assert "--to stdout" in output
        assert "exit code 2" in output
        assert left(cli.home) == []

    @pytest.mark.parametrize("way", ["file", "eval", "bash_env"])
    def test_an_image_with_busybox_alone(self, job, tmp_path: Path, require_client, way: str) -> None:
        """No bash: exports by a file that is sourced, by eval, or by the file of BASH_ENV, which nothing reads here."""
        busybox = require_client("busybox", proves="that a job runs in an image whose only shell is busybox")
        exports, flags, to = {
            "file": (f". {ROOM}/env", f"--to {ROOM}/env", f"--to {ROOM}/env"),
            "eval": ('eval "$("$PYTHON" -m gcp_wif export --to stdout)"', f"--to {ROOM}/unused", f"--to {ROOM}/unused"),
            "bash_env": ('. "$BASH_ENV"', "", ""),
        }[way]
        env = (
            job | {"HOME": f"{ROOM}/home", "PATH": "/bin"} | ({"BASH_ENV": f"{ROOM}/env"} if way == "bash_env" else {})
        )
        script = f"! command -v bash; mkdir {ROOM}/home\n{whole(exports, flags, to=to)}\nfind {ROOM} -type f -size +0"
        root = tmp_path / "image"
        root.mkdir()
        output = run_in_namespace(busybox_image(root, busybox), script, env, shell=image_shell(root))
        assert client_worked(output)
        assert ("warning: There is no bash on the PATH" in output) == (way == "bash_env")
        assert output.rstrip().splitlines()[-1].startswith("exports removed")

    def test_an_image_without_bash_and_without_bash_env_says_what_to_do(self, job, tmp_path, require_client) -> None:
        busybox = require_client("busybox", proves="what a job is told in an image without bash")
        root = tmp_path / "image"
        root.mkdir()
        script = f'mkdir {ROOM}/home; "$PYTHON" -m gcp_wif login || echo "exit code $?"; find {ROOM}/home -type f'
        env = job | {"HOME": f"{ROOM}/home", "PATH": "/bin"}
        output = run_in_namespace(busybox_image(root, busybox), script, env, shell=image_shell(root))
        assert "error WIF308" in output
        assert "--to stdout" in output
        assert output.endswith("exit code 2\n")

    def test_a_container_sees_the_folder_elsewhere(self, job, cli, tmp_path: Path) -> None:
        """`docker run -v FOLDER:/creds --env-file …`, with the namespace as the container."""
        folder = tmp_path / "for the container"
        flags = ["--output-file", f"{folder}/config.json", "--path-in-container", "/mnt/creds"]
        before = cli.env.pop("BASH_ENV")
        done = cli("login", *flags, **job)
        assert done.returncode == 0, done.stderr
        assert f"docker run --env-file '{folder}/config.json.env' -v '{folder}:/mnt/creds:ro' IMAGE" in done.stderr
        assert "access token       valid until" in done.stderr
        assert not Path(before).exists()
        verified = cli("verify", *flags, **job)
        assert (verified.returncode, ACCOUNT in verified.stdout) == (0, True), verified.stderr
        lines = (folder / "config.json.env").read_text().splitlines()
        container = dict(line.split("=", 1) for line in lines) | {
            "PATH": job["PATH"],
            "PYTHON": PYTHON,
            "CLIENT": CLIENT,
        }
        container |= {"HOME": "/mnt/home"}
        here = shlex.quote(str(folder))
        mounts = (
            f"mount -t tmpfs tmpfs /mnt; mkdir /mnt/creds /mnt/home; mount --bind {here} /mnt/creds; "
            f"mount -o remount,bind,ro /mnt/creds; mount -t tmpfs tmpfs {here}"
        )
        output = run_in_namespace(mounts, '"$PYTHON" -c "$CLIENT"; "$PYTHON" -m gcp_wif verify --output-file '
                                          "$GOOGLE_APPLICATION_CREDENTIALS", container | _emulator(job))  # fmt: skip
        assert client_worked(output)
        assert cli("logout", "--output-file", f"{folder}/config.json").returncode == 0
        assert left(tmp_path) == []


def _emulator(job: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in job.items() if name.startswith("GCP_WIF_EMULATOR")}


class TestShells:
    @pytest.mark.parametrize("shell", ["dash", "busybox sh", "bash --posix"])
    def test_exports_in_the_present_shell(self, in_shell, require_client, cli, shell: str) -> None:
        words = shell.split()
        require_client(words[0], proves=f"that exports reach {shell}")
        script = """
        exports="$("$PYTHON" -m gcp_wif login --to stdout)"; eval "$exports"
        "$PYTHON" -c "$CLIENT"
        eval "$("$PYTHON" -m gcp_wif logout --to stdout)"
        echo "left: ${GOOGLE_APPLICATION_CREDENTIALS-none}"
        """
        output = in_shell(script, *words, BASH_ENV=None)
        assert client_worked(output)
        assert output.endswith("left: none\n")
        assert left(cli.home) == []

    def test_a_refused_login_stops_a_script(self, in_shell, google) -> None:
        google.provision(condition="false")
        script = 'exports="$("$PYTHON" -m gcp_wif login --to stdout)" || { echo "exit code $?"; exit 0; }; echo went on'
        assert in_shell(script, "dash", BASH_ENV=None).endswith("exit code 1\n")


class TestHome:
    def test_no_home(self, in_shell, cli, tmp_path: Path) -> None:
        """The paths must be named, both of them; what cannot be proven stays, and that is said."""
        told = in_shell('"$PYTHON" -m gcp_wif login || echo "exit code $?"', HOME=None)
        assert "error WIF101" in told
        assert all(flag in told for flag in ("--output-file", "--credential-source-file"))
        assert told.endswith("exit code 2\n")
        flags = f"--output-file={tmp_path}/c --credential-source-file={tmp_path}/t"
        told = in_shell(whole(flags=flags, config=f"--output-file={tmp_path}/c"), HOME=None)
        assert client_worked(told)
        assert "`gcp-wif logout` will leave these files" in told

    def test_a_home_that_is_missing_is_made_private(self, in_shell, tmp_path: Path) -> None:
        home = tmp_path / "no" / "home"
        mode = 'stat -c %a "$HOME"'
        output = in_shell(whole(f'. "$BASH_ENV"; {mode}'), HOME=str(home))
        assert client_worked(output)
        assert "\n700\n" in output
        assert left(home) == []


class TestUsers:
    """Root is who runs most of the other tests of this file."""

    @pytest.fixture
    def nameless(self, job, tmp_path: Path, require_client) -> Callable[..., str]:
        """As a user number without a name, in an image that has no /etc/passwd: `docker run --user 54321`."""
        require_namespaces("that a job runs as a user without a name")
        if os.geteuid() != 0:
            unproven("there is no root", proves="that a job runs as a user without a name")
        busybox = require_client("busybox", proves="that a job runs as a user without a name")
        root = tmp_path / "image"
        root.mkdir()
        shell = image_shell(root, NAMELESS)
        mounts = busybox_image(root, busybox)
        return lambda script, **env: run_in_namespace(mounts, script, job | {"PATH": "/bin"} | env, shell=shell)

    def test_a_user_without_a_name(self, nameless) -> None:
        script = f"mkdir {ROOM}/home; ! whoami\n{whole()}\nfind {ROOM} -type f -size +0"
        output = nameless(script, HOME=f"{ROOM}/home", BASH_ENV=f"{ROOM}/home/env")
        assert client_worked(output)
        assert output.rstrip().endswith(f"exports removed    {ROOM}/home/env")

    def test_a_home_that_is_not_writable(self, nameless) -> None:
        """HOME=/ is what such a container has."""
        env = {"HOME": "/", "BASH_ENV": f"{ROOM}/env"}
        told = nameless(f'"$PYTHON" -m gcp_wif login || echo "exit code $?"; find {ROOM} -type f', **env)
        assert "error WIF303: --output-file: / is not writable by this user" in told
        assert f"this run is user {NAMELESS}" in told
        assert 'HOME="$(mktemp -d)"' in told
        assert told.endswith("exit code 2\n")
        assert client_worked(nameless(f'export HOME="$(mktemp -d)"\n{whole()}', **env))
        flags = f"--output-file={ROOM}/c --credential-source-file={ROOM}/t"
        told = nameless(whole(flags=flags, config=f"--output-file={ROOM}/c"), **env)
        assert client_worked(told)
        assert "`gcp-wif logout` will leave these files" in told

    @pytest.mark.parametrize("umask", ["0", "077", "0777"])
    def test_a_umask(self, in_shell, cli, umask: str) -> None:
        check = 'stat -c %a "$HOME/oidc_token" "$HOME/gcp_cred_config.json" "$HOME/.gcp-wif-receipt.json"'
        Path(cli.env["BASH_ENV"]).touch()  # a file of its own would get no right at all by the last umask
        script = whole(f'. "$BASH_ENV"; {check}')
        output = in_shell(f"umask {umask}\n{script}")
        assert client_worked(output)
        assert "600\n600\n600\n" in output
        assert left(cli.home) == []


class TestTheShellFile:
    """It is looked at first: a login whose exports can go nowhere writes nothing."""

    def refused(self, cli, job, code: str) -> str:
        done = cli("login", **job)
        assert (done.returncode, f"error {code}" in done.stderr, left(cli.home)) == (2, True, []), done.stderr
        return done.stderr

    def test_in_a_folder_that_is_missing(self, cli, job, tmp_path: Path) -> None:
        cli.env["BASH_ENV"] = f"{tmp_path}/no/env"
        assert "--to stdout" in self.refused(cli, job, "WIF303")

    @pytest.mark.parametrize("kind", ["folder", "device"])
    def test_that_is_no_file(self, cli, job, tmp_path: Path, kind: str) -> None:
        cli.env["BASH_ENV"] = str(tmp_path) if kind == "folder" else os.devnull
        self.refused(cli, job, "WIF301")

    def test_that_is_missing_is_made(self, cli, job) -> None:
        assert cli("login", **job).returncode == 0
        assert stat.S_ISREG(Path(cli.env["BASH_ENV"]).stat().st_mode)

    @pytest.mark.parametrize("there", [True, False])
    def test_of_another_user(self, job, there: bool) -> None:
        with commons() as folder:
            home = make(folder / "home", owner=NAMELESS, mode=0o755)
            if there:
                (folder / "env").touch(mode=0o644)
            env = job | {"HOME": str(home), "BASH_ENV": f"{folder}/env"}
            setpriv = [shutil.which("setpriv"), f"--reuid={NAMELESS}", f"--regid={NAMELESS}", "--clear-groups"]
            done = subprocess.run(
                [*setpriv, sys.executable, "-m", "gcp_wif", "login"], env=env, capture_output=True, text=True,
                timeout=60, check=False,
            )  # fmt: skip
            assert (done.returncode, "error WIF303" in done.stderr, left(home)) == (2, True, [])
            assert "belongs to user root" in done.stderr


class TestPathInContainer:
    FLAG = "--path-in-container=/creds"

    @pytest.mark.parametrize(
        ("flags", "says"),
        [
            ((), "needs --output-file"),
            (("--output-file=x/c", "--credential-source-file=y/t"), "needs the token file in the folder"),
            (("--output-file=x/c", "--executable-command=/p"), "is for a token file that is written here"),
            (("--output-file=x/c", "--credential-source-url=https://a.example"), "is for a token file"),
            (("--output-file=x/c", "--config-only"), "is for a token file that is written here"),
            (("--name=a",), "needs --output-file"),
        ],
    )
    def test_what_does_not_go_together(self, cli, job, tmp_path: Path, flags: tuple[str, ...], says: str) -> None:
        cli.cwd = tmp_path
        done = cli("generate", self.FLAG, *flags, **job)
        assert (done.returncode, "error WIF110" in done.stderr, says in done.stderr) == (2, True, True), done.stderr
        assert left(tmp_path) == []

    def test_login_has_no_exports_of_its_own(self, cli, job, tmp_path: Path) -> None:
        both = cli("login", self.FLAG, f"--output-file={tmp_path}/x/c", "--to=stdout", **job)
        assert (both.returncode, "WIF110" in both.stderr, left(tmp_path)) == (2, True, [])
        done = cli("login", self.FLAG, f"--output-file={tmp_path}/x/c", "--json", **job)
        result = json.loads(done.stdout)
        assert (result["export"], result["generate"]["env_file"]) == (None, f"{tmp_path}/x/c.env")
        assert left(tmp_path / "x") == ["c", "c.env", "oidc_token"]
        assert {stat.S_IMODE(each.stat().st_mode) for each in (tmp_path / "x").iterdir()} == {0o600}
        assert json.loads((tmp_path / "x" / "c").read_text())["credential_source"] == {"file": "/creds/oidc_token"}

    def test_only_the_path_differs(self, cli, job, tmp_path: Path) -> None:
        path = f"--output-file={tmp_path}/x/c"
        assert cli("generate", self.FLAG, path, **job).returncode == 0
        seen = (tmp_path / "x" / "c").read_text()
        assert cli("generate", path, f"--credential-source-file={tmp_path}/x/oidc_token", **job).returncode == 0
        assert (tmp_path / "x" / "c").read_text() == seen.replace("/creds/", f"{tmp_path}/x/")

    def test_verify_and_export_on_the_machine_say_what_is_missing(self, cli, job, tmp_path: Path) -> None:
        path = f"--output-file={tmp_path}/x/c"
        assert cli("login", self.FLAG, path, **job).returncode == 0
        assert "WIF306" in cli("verify", path, **job).stderr
        assert "WIF110" in cli("verify", path, "--path-in-container=/other", **job).stderr
        assert "Was it written for a container" in cli("export", path, **job).stderr
