import configparser
from pathlib import Path

import pytest

from gcp_wif.files import Roots
from gcp_wif.job.gsutil import forget_tokens, gsutil_for, search_path, why_not

FILE = Path("/home/u/gcp_cred_config.json.boto")


@pytest.mark.parametrize("config", ["/home/u/gcp_cred_config.json", "/home/u/a b/100% ü;#[x]=y.json"])
def test_boto_reads_the_paths_back(config: str) -> None:
    """As boto does: Python's own parser, with interpolation."""
    found = gsutil_for(Path(config), "/home/u")
    parser = configparser.ConfigParser()
    parser.read_string(found.content.decode())
    assert parser.get("Credentials", "gs_external_account_file") == config
    assert parser.get("GSUtil", "state_dir") == str(found.folder)
    assert found.file == Path(f"{config}.boto")


@pytest.mark.parametrize(
    ("config", "home"),
    [
        ("/home/a:b/c.json", "/home/u"),
        ("/home/u/a\nb.json", "/home/u"),
        ("/home/u/a\x85b.json", "/home/u"),
        ("/home/u/c.json ", "/home/u"),
        ("/home/u/\udcff.json", "/home/u"),
        ("/home/u/c.json", None),
        ("/home/u/c.json", ""),
        ("/home/u/c.json", "u"),
        ("/home/u/c.json", "/home/u:"),
    ],
)
def test_what_boto_cannot_be_told(config: str, home: str | None) -> None:
    assert gsutil_for(Path(config), home) is None
    assert "gsutil stays anonymous" in why_not(Path(config), home, {})


def test_each_config_has_a_folder_of_its_own() -> None:
    one, two = (gsutil_for(Path(f"/home/u/{name}"), "/home/u") for name in ("a.json", "b.json"))
    assert one.folder != two.folder


@pytest.mark.parametrize(
    ("environ", "value"),
    [
        ({}, f"/etc/boto.cfg:~/.boto:{FILE}"),
        ({"BOTO_PATH": ""}, f"/etc/boto.cfg:~/.boto:{FILE}"),
        ({"BOTO_PATH": "/theirs"}, f"/theirs:{FILE}"),
        ({"BOTO_PATH": f"/theirs:{FILE}"}, f"/theirs:{FILE}"),
        ({"BOTO_PATH": f"{FILE}:/later"}, f"/later:{FILE}"),
        ({"BOTO_CONFIG": "/theirs"}, None),
    ],
)
def test_our_file_comes_last_and_once(environ: dict[str, str], value: str | None) -> None:
    assert search_path(FILE, environ) == value


def test_tokens_are_forgotten_and_nothing_else(tmp_path: Path) -> None:
    home = tmp_path / "home"
    wanted = gsutil_for(home / "c.json", str(home))
    roots = Roots(str(home), str(tmp_path))
    forget_tokens(wanted.folder, roots)  # nothing there
    wanted.folder.mkdir(parents=True)
    for name in ("credstore2", "credstore2.lock", "tracker"):
        (wanted.folder / name).write_text("x")
    forget_tokens(wanted.folder, roots)
    assert [each.name for each in wanted.folder.iterdir()] == ["tracker"]
    (wanted.folder / "tracker").unlink()
    forget_tokens(wanted.folder, roots)
    assert list(home.iterdir()) == []


def test_no_link_is_followed_to_forget(tmp_path: Path) -> None:
    home, theirs = tmp_path / "home", tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "credstore2").write_text("kept")
    wanted = gsutil_for(home / "c.json", str(home))
    wanted.folder.parent.mkdir(parents=True)
    wanted.folder.symlink_to(theirs)
    forget_tokens(wanted.folder, Roots(str(home), str(tmp_path)))
    assert (theirs / "credstore2").read_text() == "kept"
