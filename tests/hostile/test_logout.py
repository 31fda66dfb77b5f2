"""`logout` among files that others prepared: it removes what the receipt in $HOME proves, and no other file.

The attacker owns the repository: its credential config, its files, a forged receipt in it. The attacker does not own
$HOME. Row W13 of the review: a config that named `.vault-token` or `package.json` made `logout` delete them.
"""

import hashlib
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from other_user import NOBODY, commons, make, run_as

from gcp_wif.credential_config import CredentialConfig

PROVIDER = "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"
GENERATE = ("generate", PROVIDER, "--service-account=deploy@acme-prod.iam.gserviceaccount.com")
RECEIPT = ".gcp-wif-receipt.json"
JWT = "urn:ietf:params:oauth:token-type:jwt"
SAML = "urn:ietf:params:oauth:token-type:saml2"


def config_text(token: Path, token_type: str = JWT, form: dict | None = None) -> str:
    """A credential config in the very bytes that gcp-wif writes, naming a file of somebody else."""
    document = {
        "universe_domain": "googleapis.com",
        "type": "external_account",
        "audience": f"//iam.googleapis.com/{PROVIDER}",
        "subject_token_type": token_type,
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {"file": str(token)} | ({"format": form} if form else {}),
    }
    return CredentialConfig.from_json(json.dumps(document).encode(), origin="test").to_json()


def entry(path: Path, config: Path) -> dict[str, object]:
    """What a true receipt would say of the file."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return {"path": str(path), "config": str(config), "inode": path.stat().st_ino, "sha256": digest}


def receipt_text(*entries: dict[str, object]) -> str:
    return json.dumps({"version": 1, "files": entries})


VICTIMS = {
    "a vault token": (".vault-token", "hvs.CAESIJ", SAML, None),
    "an opaque secret": (".netrc", "machine x login y password z", SAML, None),
    "a package": (
        "package.json",
        '{"id_token": "x", "name": "app"}',
        SAML,
        {"type": "json", "subject_token_field_name": "name"},
    ),
    "an ADC file": (
        ".config/gcloud/application_default_credentials.json",
        '{"type": "authorized_user", "refresh_token": "1//x"}',
        SAML,
        {"type": "json", "subject_token_field_name": "refresh_token"},
    ),
    "another service's JWT": ("other_token", None, JWT, None),
}


@pytest.mark.parametrize("name", VICTIMS)
@pytest.mark.parametrize("where", ["the default config", "a committed config"])
def test_a_config_proves_nothing(cli, make_jwt, tmp_path: Path, name: str, where: str) -> None:
    """W13: a config in gcp-wif's own bytes names a file of somebody else; both stay, with a warning."""
    relative, content, token_type, form = VICTIMS[name]
    victim = cli.home / relative
    victim.parent.mkdir(parents=True, exist_ok=True)
    victim.write_text(content if content is not None else make_jwt())
    config = cli.home / "gcp_cred_config.json" if where == "the default config" else tmp_path / "checkout.json"
    config.write_text(config_text(victim, token_type, form))
    done = cli("logout", f"--output-file={config}", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["removed"] == []
    assert "nothing proves that login wrote them" in done.stderr
    assert victim.exists()
    assert config.exists()


@pytest.mark.parametrize("name", VICTIMS)
def test_a_config_that_is_changed_after_login_proves_nothing(cli, make_jwt, name: str) -> None:
    """W13: after a real login the config is rewritten to name another file: that stays, the token of login goes."""
    relative, content, token_type, form = VICTIMS[name]
    victim = cli.home / relative
    victim.parent.mkdir(parents=True, exist_ok=True)
    victim.write_text(content if content is not None else make_jwt())
    assert cli(*GENERATE, CIRCLE_OIDC_TOKEN=make_jwt()).returncode == 0
    config = cli.home / "gcp_cred_config.json"
    config.write_text(config_text(victim, token_type, form))
    done = cli("logout")
    assert done.returncode == 0, done.stderr
    assert f"{config} stays: it was changed since login wrote it" in done.stderr
    assert victim.exists()
    assert config.exists()
    assert not (cli.home / "oidc_token").exists()
    assert not (cli.home / RECEIPT).exists()


class TestForgedReceipts:
    @pytest.mark.parametrize("place", ["working folder", "folder of the config"])
    def test_a_receipt_outside_home_is_not_read(self, cli, tmp_path: Path, place: str) -> None:
        """W13: the repository brings a receipt that fits a file in $HOME letter by letter."""
        victim = cli.home / "precious"
        victim.write_text("x")
        checkout = tmp_path / "checkout"
        (checkout / "ci").mkdir(parents=True)
        config = checkout / "ci" / "config.json"
        config.write_text(config_text(victim))
        folder = checkout if place == "working folder" else checkout / "ci"
        (folder / RECEIPT).write_text(receipt_text(entry(victim, config), entry(config, config)))
        (folder / RECEIPT).chmod(0o600)
        done = subprocess.run(
            [sys.executable, "-m", "gcp_wif", "logout", "--output-file=ci/config.json"],
            env=cli.env,
            cwd=checkout,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert victim.exists()
        assert config.exists()

    @pytest.mark.parametrize(
        "how", ["link", "mode 0644", "mode 0620", "wrong inode", "wrong content", "no inode", "junk", "huge", "pipe"]
    )
    def test_a_receipt_in_home_that_is_not_as_login_writes_it(self, cli, tmp_path: Path, how: str) -> None:
        """W13: where the repository is $HOME itself, git brings no file of mode 0600 and no inode; links neither."""
        victim = cli.home / "precious"
        victim.write_text("x")
        config = cli.home / "gcp_cred_config.json"
        config.write_text(config_text(victim))
        true = entry(victim, config)
        forged = {
            "wrong inode": receipt_text(true | {"inode": 1}),
            "wrong content": receipt_text(true | {"sha256": "0" * 64}),
            "no inode": receipt_text({name: value for name, value in true.items() if name != "inode"}),
            "junk": "[" * 100_000,
            "huge": receipt_text(true) + " " * (1 << 20),
        }.get(how, receipt_text(true))
        receipt = cli.home / RECEIPT
        if how == "pipe":
            os.mkfifo(receipt, 0o600)
        else:
            receipt.write_text(forged)
            receipt.chmod({"mode 0644": 0o644, "mode 0620": 0o620}.get(how, 0o600))
        if how == "link":
            receipt.rename(tmp_path / "forged")
            receipt.symlink_to(tmp_path / "forged")
        done = cli("logout")
        assert "WIF001" not in done.stderr, done.stderr
        assert done.returncode == (2 if how == "link" else 0)
        assert "precious" in done.stderr or str(config) in done.stderr or "WIF302" in done.stderr
        assert victim.exists()
        assert config.exists()

    def test_a_receipt_of_another_user_is_not_believed_by_root(self, make_jwt) -> None:
        """W13: in a HOME that root borrows (`sudo -E`), its owner cannot have root's files removed."""
        with commons() as folder:
            home = make(folder / "home", owner=NOBODY, mode=0o755)
            victim = folder / "precious"
            victim.write_text("x")
            config = home / "gcp_cred_config.json"
            config.write_text(config_text(victim))
            (home / RECEIPT).write_text(receipt_text(entry(victim, config)))
            (home / RECEIPT).chmod(0o600)
            os.chown(home / RECEIPT, NOBODY, NOBODY)
            done = run_as(0, {"HOME": str(home), "PATH": os.environ["PATH"]}, "logout")
            assert done.returncode == 0, done.stderr
            assert "belongs to user nobody" in done.stderr
            assert victim.exists()

    def test_the_way_to_a_file_of_login_that_became_a_link(self, cli, make_jwt, tmp_path: Path) -> None:
        """W13: the folder is moved and a link put in its place; what is behind it is not removed through it."""
        (cli.home / "out").mkdir()
        flag = f"--credential-source-file={cli.home}/out/token"
        assert cli(*GENERATE, flag, CIRCLE_OIDC_TOKEN=make_jwt()).returncode == 0
        (cli.home / "out").rename(tmp_path / "moved")
        (cli.home / "out").symlink_to(tmp_path / "moved")
        done = cli("logout")
        assert done.returncode == 0, done.stderr
        assert "symbolic link" in done.stderr
        assert (tmp_path / "moved" / "token").exists()


class TestWhatLoginWrote:
    """What must still be removed, by a later process that knows nothing but $HOME."""

    def left(self, cli) -> list[str]:
        return sorted(str(path.relative_to(cli.home)) for path in cli.home.rglob("*") if not path.is_dir())

    def test_the_receipt_is_private_and_holds_no_secret(self, cli, make_jwt) -> None:
        """W13: mode 0600, paths and hashes alone; it goes with the last file that it names."""
        token = make_jwt()
        assert cli(*GENERATE, CIRCLE_OIDC_TOKEN=token).returncode == 0
        receipt = cli.home / RECEIPT
        assert stat.S_IMODE(receipt.stat().st_mode) == 0o600
        assert not any(part in receipt.read_text() for part in token.split("."))
        assert cli("logout").returncode == 0
        assert self.left(cli) == []

    def test_custom_paths(self, cli, make_jwt, tmp_path: Path) -> None:
        """W13: config and token at paths of one's own, inside and outside $HOME."""
        config, token = cli.home / "a" / "config.json", tmp_path / "elsewhere" / "token"
        flags = [f"--output-file={config}", f"--credential-source-file={token}"]
        assert cli(*GENERATE, *flags, CIRCLE_OIDC_TOKEN=make_jwt()).returncode == 0
        done = cli("logout", f"--output-file={config}", "--json")
        assert json.loads(done.stdout)["removed"] == [str(token), f"{config}.boto", str(config)]
        assert not token.exists()
        assert self.left(cli) == []

    def test_a_token_that_another_login_refreshed(self, cli, make_jwt) -> None:
        """W13: the second login's token is as much ours as the first one's."""
        for user in ("1", "2"):
            token = make_jwt(**{"oidc.circleci.com/user-id": user})
            assert cli(*GENERATE, CIRCLE_OIDC_TOKEN=token).returncode == 0
        assert cli("logout").returncode == 0
        assert self.left(cli) == []

    def test_the_tokens_of_all_logins_of_a_config(self, cli, make_jwt) -> None:
        """W13: a token file that an earlier login of this config left elsewhere is a secret, too."""
        for name in ("one", "two"):
            flag = f"--credential-source-file={cli.home}/{name}"
            assert cli(*GENERATE, flag, CIRCLE_OIDC_TOKEN=make_jwt()).returncode == 0
        assert cli("logout").returncode == 0
        assert self.left(cli) == []

    def test_two_identities_are_logged_out_one_by_one(self, cli, make_jwt) -> None:
        """W13: what belongs to the other config stays, and is removed when its turn comes."""
        for name in ("one", "two"):
            flags = [f"--output-file={cli.home}/{name}.json", f"--credential-source-file={cli.home}/{name}"]
            assert cli(*GENERATE, *flags, CIRCLE_OIDC_TOKEN=make_jwt()).returncode == 0
        assert cli("logout", f"--output-file={cli.home}/one.json").returncode == 0
        assert self.left(cli) == [RECEIPT, "two", "two.json", "two.json.boto"]
        assert cli("logout", f"--output-file={cli.home}/two.json").returncode == 0
        assert self.left(cli) == []

    @pytest.mark.parametrize("how", ["rewritten", "replaced", "the same content in another file"])
    def test_a_token_that_somebody_else_changed_stays(self, cli, make_jwt, how: str) -> None:
        """W13: it is not what login wrote any more; a warning says so, and the config goes."""
        assert cli(*GENERATE, CIRCLE_OIDC_TOKEN=make_jwt()).returncode == 0
        token = cli.home / "oidc_token"
        if how == "rewritten":
            token.write_text(make_jwt(sub="another"))
        else:
            copy = cli.home / "copy"
            copy.write_text(token.read_text() if how != "replaced" else "theirs")
            copy.rename(token)
        done = cli("logout")
        assert done.returncode == 0, done.stderr
        assert f"warning: {token} stays: it was changed since login wrote it" in done.stderr
        assert self.left(cli) == ["oidc_token"]

    def test_a_config_to_commit_stays(self, cli, make_jwt) -> None:
        """W13: `--config-only` makes a file of the repository, which logout does not take away."""
        assert cli(*GENERATE, "--config-only").returncode == 0
        done = cli("logout")
        assert (done.returncode, "stays" in done.stderr) == (0, True)
        assert self.left(cli) == ["gcp_cred_config.json"]

    def test_what_a_killed_run_left_goes_too(self, cli, make_jwt) -> None:
        """W13: an unfinished token beside the token is a secret as well."""
        assert cli(*GENERATE, CIRCLE_OIDC_TOKEN=make_jwt()).returncode == 0
        (cli.home / ".oidc_token.gcp-wif-0123456789abcdef").write_text("half")
        assert cli("logout").returncode == 0
        assert self.left(cli) == []

    def test_without_a_receipt_login_works_and_says_what_that_means(self, cli, make_jwt, tmp_path: Path) -> None:
        """W13: without HOME nothing can be proven later; login says so, and logout leaves the files."""
        del cli.env["HOME"]
        flags = [f"--output-file={tmp_path}/config", f"--credential-source-file={tmp_path}/token"]
        done = cli(*GENERATE, *flags, CIRCLE_OIDC_TOKEN=make_jwt())
        assert done.returncode == 0, done.stderr
        assert "`gcp-wif logout` will leave these files" in done.stderr
        done = cli("logout", flags[0])
        assert (done.returncode, "HOME is not set" in done.stderr) == (0, True), done.stderr
        assert (tmp_path / "token").exists()
