"""Where exports go, and in which format: a file of a CI system never gets lines of a shell (review, G)."""

from pathlib import Path
from typing import Any

import pytest

from gcp_wif import ci
from gcp_wif.ci.export_format import CREDENTIALS_VARIABLES, Export, ExportFile, ExportOutput, FileFormat
from gcp_wif.ci.model import CiSystem
from gcp_wif.ci.shell_format import SHELL
from gcp_wif.ci.vso_format import VSO
from gcp_wif.errors import InputError
from gcp_wif.job.export import export, export_target, exports


class _Equals(FileFormat):
    def appended(self, content: bytes, wanted: tuple[Export, ...], environ: Any) -> bytes:
        return b"".join(f"{each.name}={each.value}\n".encode() for each in wanted)

    def ended(self, content: bytes, endings: Any) -> tuple[bytes, bytes]:
        return b"", b""


OWN = _Equals()


class _Other(CiSystem):
    kind, title, detected_by = "oidc", "Other", ("OTHER_CI",)
    no_exports = "Write `exports: on`."

    def export_target(self, environ: Any) -> ExportFile | None:
        return ExportFile(OWN, Path(environ["OTHER_FILE"])) if "OTHER_FILE" in environ else None


@pytest.fixture(autouse=True)
def _other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ci, "choose", lambda name, environ: _Other())


def test_the_systems_file_has_the_systems_format(run_context: Any, tmp_path: Path) -> None:
    context = run_context({"OTHER_FILE": "next"})
    target = export_target(None, context)
    assert target == ExportFile(OWN, tmp_path / "next")
    assert export_target("next", context) == target
    assert export_target(str(tmp_path / "next"), context) == target
    export(Path("/c"), exports(Path("/c"), None), target, {})
    assert b"export " not in (tmp_path / "next").read_bytes()


def test_any_other_file_is_a_shell_file(run_context: Any, tmp_path: Path) -> None:
    context = run_context({"OTHER_FILE": "next"})
    assert export_target("env", context) == ExportFile(SHELL, tmp_path / "env", f". {tmp_path}/env")
    assert export_target("stdout", context) == ExportOutput(SHELL)


def test_where_there_is_none_the_system_says_what_to_do(run_context: Any) -> None:
    with pytest.raises(InputError) as caught:
        export_target(None, run_context({}))
    assert (caught.value.code, caught.value.hint) == ("WIF308", "Write `exports: on`.")


def test_a_format_that_cannot_tell_logins_apart_ends_what_the_step_has() -> None:
    endings = (Export(CREDENTIALS_VARIABLES[0], ""),)
    assert OWN.ended_of(b"x", endings, {"/mine"}) == OWN.ended(b"x", endings)


def test_what_is_left_over_of_another_login_is_ended_in_the_formats_own_way() -> None:
    assert SHELL.left_over(("A", "B")) == b"unset A B\n"
    assert SHELL.left_over(()) == b""
    assert VSO.left_over(("A", "B")) == b"##vso[task.setvariable variable=A]\n##vso[task.setvariable variable=B]\n"
