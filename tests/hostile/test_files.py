"""Files in hostile places: links that a repository brings, folders that other users share, files that others own.

Whoever controls the files of a repository, or is another user of the machine, must not decide where a token or a file
of ours is written, what it replaces, or whether a job can log in. Real processes and, where the row is about other
users, real other users; rows W12, W20 and D25 of the review.
"""

import fcntl
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from other_user import NAMELESS, NOBODY, commons, make, run_as

from gcp_wif.errors import InputError
from gcp_wif.files import Roots, write_new, write_private

PROVIDER = "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"
GENERATE = ("generate", PROVIDER, "--service-account=deploy@acme-prod.iam.gserviceaccount.com")
MANIFEST = """version = 1
[issuer]
kind = "circleci"
organization_id = "8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04"
[pool]
project_id = "acme-identity"
project_number = "123456789012"
id = "circleci"
[provider]
id = "circleci-acme"
[identities.deploy]
service_account = "deploy@acme-prod.iam.gserviceaccount.com"
project_id = "acme-prod"
allow = [{ project = "1b7e5a52-6a0b-4c7e-9d21-5b7f3e9a1c04" }]
"""


ERROR = "--error=Error code invalid_grant: ID Token issued at 1 is stale to sign-in."
COMMANDS = {
    "render": ["render", "orb", "--output-file=NAME"],
    "html": ["doctor", ERROR, "--html=NAME"],
    "junit": ["check", "gcp-wif.toml", "--junit=NAME"],
    "init": [
        *["init", PROVIDER, "--force", "--manifest=NAME", "--project-id=acme-identity", "--direct"],
        "--organization-id=8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04",
        "--circleci-project=1b7e5a52-6a0b-4c7e-9d21-5b7f3e9a1c04",
    ],
}


@pytest.fixture
def shared() -> Iterator[Path]:
    with commons() as folder:
        yield folder


def job(home: Path, make_jwt) -> dict[str, str]:
    return {"HOME": str(home), "PATH": os.environ["PATH"], "CIRCLE_OIDC_TOKEN": make_jwt()}


def in_folder(cli, folder: Path, *arguments: str, umask: int = 0o022, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "gcp_wif", *arguments],
        env=cli.env | env,
        cwd=folder,
        umask=umask,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def contents(folder: Path) -> dict[str, object]:
    return {
        str(path): path.readlink() if path.is_symlink() else path.is_file() and path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


class TestFoldersThatAreLinks:
    @pytest.mark.parametrize("flag", ["--credential-source-file", "--output-file"])
    @pytest.mark.parametrize("below", ["out", "a/out", "out/deeper"])
    @pytest.mark.parametrize("root", ["home", "working folder", "working folder, absolute", "neither"])
    def test_nothing_is_written_through_a_folder_that_is_a_link(
        self, cli, make_jwt, tmp_path: Path, flag: str, below: str, root: str
    ) -> None:
        """W20: `~/out -> public` puts the token where others read. The link is named, and nothing is written."""
        public = tmp_path / "public"
        (public / "deeper").mkdir(parents=True)
        work = tmp_path / "work"
        work.mkdir()
        base = {"home": cli.home, "neither": tmp_path / "elsewhere"}.get(root, work)
        link = base / below.removesuffix("/deeper")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(public)
        before = contents(tmp_path)
        path = f"{below}/secret" if root == "working folder" else f"{base}/{below}/secret"
        done = in_folder(cli, work, *GENERATE, f"{flag}={path}", CIRCLE_OIDC_TOKEN=make_jwt())
        assert (done.returncode, "error WIF302" in done.stderr) == (2, True), done.stderr
        assert f"{link} is a symbolic link" in done.stderr
        assert contents(tmp_path) == before

    def test_a_link_above_home_or_the_working_folder_is_the_machines_own(self, cli, make_jwt, tmp_path: Path) -> None:
        """W20: machines have links on the way to $HOME; those are followed."""
        (tmp_path / "machine").symlink_to(tmp_path)
        home = tmp_path / "machine" / "home"
        done = in_folder(cli, tmp_path, *GENERATE, HOME=str(home), CIRCLE_OIDC_TOKEN=make_jwt())
        assert done.returncode == 0, done.stderr
        assert (cli.home / "oidc_token").is_file()

    def test_dots_do_not_lead_around_the_rule(self, cli, make_jwt, tmp_path: Path) -> None:
        """W20: `~/x/../out` is still below $HOME."""
        public = tmp_path / "public"
        public.mkdir()
        (cli.home / "x").mkdir()
        (cli.home / "out").symlink_to(public)
        path = f"--credential-source-file={cli.home}/x/../out/secret"
        done = in_folder(cli, tmp_path, *GENERATE, path, CIRCLE_OIDC_TOKEN=make_jwt())
        assert (done.returncode, "error WIF302" in done.stderr, list(public.iterdir())) == (2, True, [])

    @pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
    def test_missing_folders_are_private(self, cli, make_jwt, tmp_path: Path, umask: int) -> None:
        """W20: every folder that is made has mode 0700, whatever the umask (it was 0777 under 000)."""
        path = cli.home / "a" / "b" / "c" / "token"
        flags = [f"--credential-source-file={path}"]
        done = in_folder(cli, tmp_path, *GENERATE, *flags, umask=umask, CIRCLE_OIDC_TOKEN=make_jwt())
        assert done.returncode == 0, done.stderr
        assert {stat.S_IMODE(folder.stat().st_mode) for folder in list(path.parents)[:3]} == {0o700}
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_a_folder_that_becomes_a_link_meanwhile(self, tmp_path: Path) -> None:
        """W20: another process swaps the folder for a link and back, all the time; nothing lands behind the link."""
        home, public = tmp_path / "home", tmp_path / "public"
        (home / "out").mkdir(parents=True)
        public.mkdir()
        (home / "link").symlink_to(public)
        swapper = f"""
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
here, exchange = -100, 2  # AT_FDCWD, RENAME_EXCHANGE of renameat2(2): `out` is there at every moment
print("ready", flush=True)
while libc.renameat2(here, {bytes(home / "out")!r}, here, {bytes(home / "link")!r}, exchange) == 0:
    pass
raise SystemExit("no exchange: " + str(ctypes.get_errno()))
"""
        roots = Roots(str(home), None)
        outcomes = []
        process = subprocess.Popen([sys.executable, "-c", swapper], stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            process.stdout.readline()
            deadline = time.monotonic() + 60
            while (len(outcomes) < 400 or len(set(outcomes)) < 2) and time.monotonic() < deadline:
                try:
                    write_private({home / "out" / "token": b"secret"}, roots)
                    outcomes.append("written")
                except InputError as error:
                    outcomes.append(error.code)
                assert list(public.iterdir()) == []
        finally:
            process.kill()
            process.wait(10)
            process.stdout.close()
        assert {"written", "WIF302"} <= set(outcomes)  # both, or the race was not run
        assert set(outcomes) <= {"written", "WIF302", "WIF303"}  # 303: it was a folder again when it was looked at


class TestNewFiles:
    """Row W12: render, init, --html and --junit write files without a secret, often into a checkout."""

    def write(self, cli, command: str, checkout: Path, name: str) -> subprocess.CompletedProcess[str]:
        (checkout / "gcp-wif.toml").write_text(MANIFEST)
        return in_folder(cli, checkout, *[word.replace("NAME", name) for word in COMMANDS[command]])

    @pytest.mark.parametrize("command", COMMANDS)
    @pytest.mark.parametrize("planted", [".out.gcp-wif-new", ".out.gcp-wif-0123456789abcdef"])
    def test_a_link_in_place_of_the_unfinished_file(self, cli, tmp_path: Path, command: str, planted: str) -> None:
        """W12: a link that the repository brings under the name of the unfinished file overwrote ~/.bashrc."""
        profile = cli.home / ".bashrc"
        profile.write_text("precious")
        checkout = tmp_path / "checkout"
        checkout.mkdir()
        (checkout / planted).symlink_to(profile)
        done = self.write(cli, command, checkout, "out")
        assert (checkout / "out").stat().st_size > 0, done.stderr
        assert profile.read_text() == "precious"
        assert (checkout / planted).readlink() == profile

    @pytest.mark.parametrize("command", COMMANDS)
    @pytest.mark.parametrize("what", ["link", "dangling link", "link to a folder", "folder that is a link", "pipe"])
    def test_a_link_in_place_of_the_file_is_refused(self, cli, tmp_path: Path, command: str, what: str) -> None:
        """W12: neither followed nor replaced; a pipe or a device is not replaced either."""
        (cli.home / ".bashrc").write_text("precious")
        (cli.home / "folder").mkdir()
        checkout = tmp_path / "checkout"
        checkout.mkdir()
        targets = {"link": ".bashrc", "dangling link": ".profile", "link to a folder": "folder"}
        name = "out"
        if what == "pipe":
            os.mkfifo(checkout / "out")
        elif what in targets:
            (checkout / "out").symlink_to(cli.home / targets[what])
        else:
            (checkout / "docs").symlink_to(cli.home)
            name = "docs/out"
        (checkout / "gcp-wif.toml").write_text(MANIFEST)
        before = sorted(tmp_path.rglob("*"))
        done = self.write(cli, command, checkout, name)
        code = "WIF301" if what == "pipe" else "WIF302"
        assert (done.returncode, f"error {code}" in done.stderr) == (2, True), done.stderr
        assert sorted(tmp_path.rglob("*")) == before
        assert (cli.home / ".bashrc").read_text() == "precious"

    def test_the_unfinished_file_has_a_new_name_each_time(self, tmp_path: Path, monkeypatch) -> None:
        """W12: nobody can guess the name, and were it taken, it is not opened: O_EXCL and O_NOFOLLOW."""
        made = []
        real = os.open

        def spy(path, flags, *rest, **options):
            if flags & os.O_CREAT:
                made.append(path)
                assert flags & os.O_EXCL
                assert flags & os.O_NOFOLLOW
            return real(path, flags, *rest, **options)

        monkeypatch.setattr(os, "open", spy)
        for _ in range(3):
            write_new(tmp_path / "page", b"x", Roots(None, None), replace=True, origin="--html")
            write_private({tmp_path / "token": b"x"}, Roots(None, None))
        assert len(made) == len(set(made)) == 6
        assert sorted(path.name for path in tmp_path.iterdir()) == ["page", "token"]


class TestOtherUsers:
    """Row D25, and what another user can prepare in a folder that everybody may write to."""

    AT_ONCE = 10.0
    """Seconds: half of what waiting for a lock takes."""

    def timed(self, user: int, env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
        begin = time.monotonic()
        done = run_as(user, env, *arguments)
        assert time.monotonic() - begin < self.AT_ONCE
        return done

    @pytest.mark.parametrize(("user", "me"), [(NOBODY, "user nobody"), (NAMELESS, f"user {NAMELESS}")])
    def test_a_folder_of_somebody_else_is_named_with_its_owner(self, shared, make_jwt, user: int, me: str) -> None:
        """D25: which folder, whose it is, its mode, and who asked; without waiting."""
        home = make(shared / "home", owner=user, mode=0o700)
        locked = make(shared / "locked", owner=0, mode=0o755)
        done = self.timed(user, job(home, make_jwt), *GENERATE, f"--credential-source-file={locked}/token")
        assert (done.returncode, "error WIF303" in done.stderr) == (2, True), done.stderr
        for words in (str(locked), "belongs to user root (mode 0755)", f"this run is {me}"):
            assert words in done.stderr
        assert list(home.iterdir()) == []

    def test_a_folder_that_may_not_be_entered(self, shared, make_jwt) -> None:
        """D25: the folder that stops the way is named, not the file below it."""
        home = make(shared / "home", owner=NOBODY, mode=0o700)
        closed = make(shared / "closed", owner=0, mode=0o700)
        (closed / "inner").mkdir()
        done = self.timed(NOBODY, job(home, make_jwt), *GENERATE, f"--credential-source-file={closed}/inner/token")
        assert (done.returncode, "error WIF303" in done.stderr) == (2, True), done.stderr
        assert f"{closed} belongs to user root (mode 0700)" in done.stderr

    @pytest.mark.parametrize("name", [".token.gcp-wif-new", ".token.gcp-wif-0123456789abcdef"])
    def test_an_unfinished_file_of_somebody_else_is_in_nobodys_way(self, shared, make_jwt, name: str) -> None:
        """D25, W12: in a folder like /tmp another user leaves such a file, even locked: login works, at once."""
        home = make(shared / "home", owner=NOBODY, mode=0o700)
        sticky = make(shared / "tmp", owner=0, mode=0o1777)
        env = job(home, make_jwt)
        with (sticky / name).open("w") as theirs:
            fcntl.flock(theirs, fcntl.LOCK_EX)
            (sticky / name).chmod(0o600)
            done = self.timed(NOBODY, env, *GENERATE, f"--credential-source-file={sticky}/token")
        assert done.returncode == 0, done.stderr
        assert (sticky / "token").read_text() == env["CIRCLE_OIDC_TOKEN"]
        assert (sticky / name).exists()

    def test_an_unfinished_file_of_somebody_else_is_not_removed(self, cli, shared, make_jwt) -> None:
        """W12: not even by root, who could; it may be the only copy of what another user's run is about to write."""
        sticky = make(shared / "tmp", owner=0, mode=0o1777)
        theirs = sticky / ".token.gcp-wif-0123456789abcdef"
        theirs.write_text("half")
        os.chown(theirs, NOBODY, NOBODY)
        flag = f"--credential-source-file={sticky}/token"
        assert in_folder(cli, shared, *GENERATE, flag, CIRCLE_OIDC_TOKEN=make_jwt()).returncode == 0
        assert theirs.read_text() == "half"

    def test_a_file_of_somebody_else_in_a_shared_folder(self, shared, make_jwt) -> None:
        """D25: only its owner may replace it there. It is named, with its owner, and the config stays the earlier."""
        home = make(shared / "home", owner=NOBODY, mode=0o700)
        sticky = make(shared / "tmp", owner=0, mode=0o1777)
        (sticky / "token").write_text("theirs")
        done = self.timed(NOBODY, job(home, make_jwt), *GENERATE, f"--credential-source-file={sticky}/token")
        assert (done.returncode, "error WIF313" in done.stderr) == (2, True), done.stderr
        assert f"{sticky}/token belongs to user root" in done.stderr
        assert ((sticky / "token").read_text(), list(home.iterdir())) == ("theirs", [])

    @pytest.mark.parametrize("deeper", ["", "/missing"])
    def test_a_folder_that_somebody_else_made_in_a_shared_one(self, cli, shared, make_jwt, deeper: str) -> None:
        """W20: in /tmp anybody can make `out` first, and could then replace the config in it. Even for root."""
        sticky = make(shared / "tmp", owner=0, mode=0o1777)
        theirs = make(sticky / "out", owner=NOBODY, mode=0o777)
        done = in_folder(cli, shared, *GENERATE, f"--output-file={theirs}{deeper}/c.json", CIRCLE_OIDC_TOKEN=make_jwt())
        # The shared folder is the working folder here, so it holds the path.
        assert (done.returncode, "error WIF311" in done.stderr) == (2, True), done.stderr
        assert f"the folder {theirs} belongs to user nobody" in done.stderr
        assert (list(theirs.iterdir()), list(cli.home.iterdir())) == ([], [])

    def test_a_receipt_of_somebody_else_is_not_believed_and_stops_nobody(self, shared, make_jwt) -> None:
        """D25: after a login as root with the same HOME, the user's own login works and says whose receipt it is."""
        home = make(shared / "home", owner=NOBODY, mode=0o700)
        env = job(home, make_jwt)
        receipt = home / ".gcp-wif-receipt.json"
        receipt.write_text("{}")
        receipt.chmod(0o600)
        done = self.timed(NOBODY, env, *GENERATE)
        assert done.returncode == 0, done.stderr
        assert "warning" in done.stderr
        assert f"{receipt} belongs to user root" in done.stderr
        assert (home / "oidc_token").read_text() == env["CIRCLE_OIDC_TOKEN"]

    def test_a_shell_file_of_somebody_else(self, shared, make_jwt) -> None:
        """D25: $BASH_ENV that this user may not write is named with its owner."""
        home = make(shared / "home", owner=NOBODY, mode=0o700)
        env = job(home, make_jwt) | {"BASH_ENV": str(shared / "bash_env")}
        Path(env["BASH_ENV"]).write_text("")
        assert run_as(NOBODY, env, *GENERATE).returncode == 0
        done = self.timed(NOBODY, env, "export")
        assert (done.returncode, "error WIF303" in done.stderr) == (2, True), done.stderr
        assert f"{env['BASH_ENV']} belongs to user root (mode 0644)" in done.stderr
