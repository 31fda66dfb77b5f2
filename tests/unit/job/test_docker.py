"""Which registries are Google's: a token is sent to them, and to no other."""

import stat
from pathlib import Path

import pytest

from gcp_wif.errors import InputError
from gcp_wif.job.docker import DEFAULT_HOSTS, configure, parse_hosts, registry_host

OURS = [
    *DEFAULT_HOSTS,
    "mirror.gcr.io",
    "us-docker.pkg.dev",
    "docker.me-west1.rep.pkg.dev",
    "europe-west1-docker.pkg.dev",
]
STRANGERS = [
    "",
    "evil.example",
    "gcr.io.evil.example",
    "evilgcr.io",
    "gcr-io",
    "a.gcrxio",
    "a.pkgxdev",
    "evil-gcr.io",
    "pkg.dev",
    "evilpkg.dev",
    "pkg.dev.evil.example",
    "a.b.gcr.io",
    ".gcr.io",
    "gcr.io.",
    "-x.gcr.io",
    "gcr.io@evil.example",
    "evil.example#.gcr.io",
    "evil.example/gcr.io",
    "evil.example/.pkg.dev",
    "gcr.io\\.evil.example",
    "gcr.io:80",
    "gcr.io:443@evil.example",
    "localhost",
    "127.0.0.1",
    "docker.io",
    "ｇcr.io",
    "gcr。io",
    "gcr.io\nevil.example",
    "evil.example\ngcr.io",
    "gcr.io\0",
    "*.gcr.io",
    "x_y.gcr.io",
    "a.b.c.d.pkg.dev",
]


@pytest.mark.parametrize("host", OURS)
def test_a_registry_of_googles(host: str) -> None:
    assert parse_hosts(host) == (host,)
    for server in (
        host,
        f"https://{host}",
        f"https://{host}/",
        f"https://{host}/v2/",
        f"{host}:443",
        host.upper(),
        f" {host}\n",
    ):
        assert registry_host(server) == host


@pytest.mark.parametrize("host", STRANGERS)
def test_no_registry_of_googles(host: str) -> None:
    assert registry_host(host) is None
    assert registry_host(f"https://{host}") is None
    with pytest.raises(InputError) as caught:
        parse_hosts(host)
    assert caught.value.code == "WIF145"


@pytest.mark.parametrize(
    "server", ["http://gcr.io", "https://user@gcr.io", "https://gcr.io:8443", "ftp://gcr.io", "https:gcr.io"]
)
def test_another_way_to_a_registry_of_googles(server: str) -> None:
    """In http somebody on the way could read the token."""
    assert registry_host(server) is None


@pytest.mark.parametrize("text", ["https://gcr.io", "GCR.IO", "gcr.io,", "gcr.io/project"])
def test_the_command_line_takes_hosts_alone(text: str) -> None:
    with pytest.raises(InputError):
        parse_hosts(text)


def test_hosts_are_taken_once() -> None:
    assert parse_hosts("gcr.io, eu.gcr.io,gcr.io") == ("gcr.io", "eu.gcr.io")


class TestFile:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "home/.docker/config.json"

    def test_it_is_made_with_its_folder(self, run_context, path: Path) -> None:
        done = configure(("gcr.io",), run_context())
        assert done == (path, ("gcr.io",), ("gcr.io",), {})
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    def test_docker_config_names_the_folder(self, run_context, tmp_path: Path) -> None:
        assert configure(("gcr.io",), run_context({"DOCKER_CONFIG": "here"})).path == tmp_path / "here/config.json"
        assert configure(("gcr.io",), run_context({"DOCKER_CONFIG": ""})).path == tmp_path / "home/.docker/config.json"

    @pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
    def test_its_mode_stays(self, run_context, path: Path, mode: int) -> None:
        path.parent.mkdir(parents=True)
        path.write_text("{}")
        path.chmod(mode)
        configure(("gcr.io",), run_context())
        assert stat.S_IMODE(path.stat().st_mode) == mode

    def test_a_link_is_followed_and_stays(self, run_context, path: Path, tmp_path: Path) -> None:
        """People keep their config among their dotfiles; it is theirs."""
        path.parent.mkdir(parents=True)
        (tmp_path / "dotfiles.json").write_text('{"x": 1}')
        path.symlink_to(tmp_path / "dotfiles.json")
        configure(("gcr.io",), run_context())
        assert path.readlink() == tmp_path / "dotfiles.json"
        assert (tmp_path / "dotfiles.json").read_text() == '{"x": 1,"credHelpers": {"gcr.io": "gcp-wif"}}'

    @pytest.mark.parametrize("content", [b"{", b"\xff", b"[]", b'{"credHelpers": 1}', b" " * (2 << 20)])
    def test_a_broken_one_is_kept(self, run_context, path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True)
        path.write_bytes(content)
        before = path.stat()
        with pytest.raises(InputError) as caught:
            configure(("gcr.io",), run_context())
        assert caught.value.code in {"WIF320", "WIF307"}
        assert (path.read_bytes(), path.stat().st_ino, [each.name for each in path.parent.iterdir()]) == (
            content,
            before.st_ino,
            ["config.json"],
        )

    def test_what_is_no_file_is_refused(self, run_context, path: Path) -> None:
        path.mkdir(parents=True)
        with pytest.raises(InputError) as caught:
            configure(("gcr.io",), run_context())
        assert caught.value.code == "WIF301"

    def test_a_folder_that_cannot_be_made(self, run_context, path: Path) -> None:
        path.parent.parent.mkdir()
        path.parent.write_text("a file")
        with pytest.raises(InputError) as caught:
            configure(("gcr.io",), run_context())
        assert caught.value.code == "WIF303"

    def test_nothing_is_written_where_nothing_is_new(self, run_context, path: Path) -> None:
        configure(("gcr.io",), run_context())
        before = path.stat()
        configure(("gcr.io",), run_context())
        assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    def test_without_a_home(self, run_context) -> None:
        context = run_context()._replace(environ={})
        with pytest.raises(InputError) as caught:
            configure(("gcr.io",), context)
        assert caught.value.code == "WIF101"
