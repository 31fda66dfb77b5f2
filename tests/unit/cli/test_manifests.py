"""Where the manifest of a command is found when no flag names it."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from provisioned import MANIFEST

from gcp_wif.cli import manifests
from gcp_wif.cli.manifests import find_manifest, read_manifest
from gcp_wif.errors import InputError
from gcp_wif.job.context import Context


@pytest.fixture
def context_in(run_context: Callable[..., Context], tmp_path: Path) -> Callable[..., Context]:
    """The world of a command that runs in this folder, which is made."""

    def make(folder: str, **environ: str) -> Context:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        return run_context(environ)._replace(cwd=str(tmp_path / folder))

    return make


def refusal(context: Context) -> InputError:
    with pytest.raises(InputError) as caught:
        find_manifest(context)
    return caught.value


def test_the_nearest_one(context_in: Any, tmp_path: Path) -> None:
    context = context_in("repository/a/b")
    outer, inner = tmp_path / "repository" / "gcp-wif.toml", tmp_path / "repository" / "a" / "gcp-wif.toml"
    outer.write_text(MANIFEST)
    assert find_manifest(context) == outer
    inner.write_text(MANIFEST)
    assert find_manifest(context) == inner
    assert find_manifest(context._replace(cwd=str(inner.parent))) == inner


@pytest.mark.parametrize("kind", ["folder", "file"])  # a worktree's `.git` is a file
def test_not_beyond_the_top_of_the_repository(context_in: Any, tmp_path: Path, kind: str) -> None:
    context = context_in("above/repository/a")
    (tmp_path / "above" / "gcp-wif.toml").write_text(MANIFEST)
    git = tmp_path / "above" / "repository" / ".git"
    git.mkdir() if kind == "folder" else git.write_text("gitdir: elsewhere")
    error = refusal(context)
    assert error.code == "WIF125"
    assert f"in {tmp_path}/above/repository/a, nor in a folder above it up to {git.parent}." in error.message
    assert "gcp-wif init" in (error.hint or "")
    (git.parent / "gcp-wif.toml").write_text(MANIFEST)
    assert find_manifest(context) == git.parent / "gcp-wif.toml"


def test_not_beyond_home(context_in: Any, tmp_path: Path) -> None:
    context = context_in("above/home/a", HOME=str(tmp_path / "above" / "home"))
    (tmp_path / "above" / "gcp-wif.toml").write_text(MANIFEST)
    assert f"up to {tmp_path}/above/home." in refusal(context).message


def test_where_only_the_working_folder_was_looked_into(context_in: Any, tmp_path: Path) -> None:
    context = context_in("home", HOME=str(tmp_path / "home"))
    assert refusal(context).message == f"There is no gcp-wif.toml in {tmp_path}/home."


def test_a_folder_of_that_name_is_no_manifest(context_in: Any, tmp_path: Path) -> None:
    context = context_in("a/b/gcp-wif.toml")
    (tmp_path / "a" / "gcp-wif.toml").write_text(MANIFEST)
    assert find_manifest(context._replace(cwd=str(tmp_path / "a" / "b"))) == tmp_path / "a" / "gcp-wif.toml"


def test_somebody_elses_is_refused(context_in: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a shared machine anybody can put a manifest into /tmp, and it would decide who may become whom."""
    context = context_in("shared/mine")
    planted = tmp_path / "shared" / "gcp-wif.toml"
    planted.write_text(MANIFEST)
    real = Path.stat

    def stat(self: Path, **options: Any) -> os.stat_result:
        found = real(self, **options)
        return os.stat_result((*found[:4], 4242, *found[5:])) if self == planted else found

    monkeypatch.setattr(Path, "stat", stat)
    error = refusal(context)
    assert error.code == "WIF126"
    assert str(planted) in error.message
    assert "4242" in error.message
    assert f"--manifest {planted}" in (error.hint or "")
    # Of the working folder itself: whoever may write there decides anyway.
    assert find_manifest(context._replace(cwd=str(planted.parent))) == planted
    # Where the checkout belongs to another user altogether, as for root in a container.
    monkeypatch.setattr(manifests.os, "geteuid", lambda: 4242)
    assert find_manifest(context) == planted


def test_problems_are_told_with_the_path_from_here(context_in: Any, tmp_path: Path) -> None:
    context = context_in("a/b")
    (tmp_path / "gcp-wif.toml").write_text("version = 2")
    with pytest.raises(InputError, match=r"^\.\./\.\./gcp-wif\.toml has "):
        read_manifest(None, context)


def test_a_flag_names_exactly_one_file(context_in: Any, tmp_path: Path) -> None:
    context = context_in("a")
    (tmp_path / "gcp-wif.toml").write_text(MANIFEST)
    with pytest.raises(InputError) as caught:
        read_manifest("gcp-wif.toml", context)
    assert (caught.value.code, str(tmp_path / "a" / "gcp-wif.toml") in caught.value.message) == ("WIF306", True)
    assert read_manifest("../gcp-wif.toml", context).pool.id == "circleci"
