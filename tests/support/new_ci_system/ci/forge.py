"""Jobs of Forge: tokens are asked for, exports are lines of its own, files live in a folder of its own."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gcp_wif.ci.asking import ask_program
from gcp_wif.ci.export_format import Export, ExportFile, FileFormat
from gcp_wif.ci.model import CiSystem, MissingToken, TokenRequest
from gcp_wif.issuers import Tenant


class _Lines(FileFormat):
    def appended(self, content: bytes, wanted: tuple[Export, ...], environ: Mapping[str, str]) -> bytes:
        lines = [f"set {each.name} {json.dumps(each.value)}\n".encode() for each in wanted]
        return b"".join(line for line in lines if line not in content)

    def ended(self, content: bytes, endings: tuple[Export, ...]) -> tuple[bytes, bytes]:
        return b"".join(line for line in content.splitlines(True) if not line.startswith(b"set GOOGLE_")), b""


class _ForgeJob(CiSystem):
    kind = "forge"
    title = "Forge"
    detected_by = ("FORGE_JOB",)
    asked = "`forge token`"
    cannot_ask = ""
    folder_variable = "FORGE_SAFE"
    init_flags = MappingProxyType({"forge_repo": "repo"})
    where = MappingProxyType({"repo": "Repository > About"})

    def tenant(self, environ: Mapping[str, str]) -> Tenant:
        return (
            Tenant(self.kind, {"team_id": environ["FORGE_TEAM"]}, "FORGE_TEAM") if "FORGE_TEAM" in environ else Tenant()
        )

    def can_ask(self, environ: Mapping[str, str]) -> bool:
        return environ.get("FORGE_TOKENS") == "on"

    def ask(self, request: TokenRequest, environ: Mapping[str, str], run: Any) -> str:
        command = ["forge", "token", request.audience, *request.claims]
        return ask_program(command, run, name="forge token", missing="Update the runner.", failed="See Forge's log.")

    def missing_token(self, environ: Mapping[str, str]) -> MissingToken:
        return MissingToken("FORGE_TOKENS is not `on`", "Write `tokens: on` into forge.yml.")

    def mask(self, secret: str) -> str:
        return f"forge!mask {secret}"

    def export_target(self, environ: Mapping[str, str]) -> ExportFile | None:
        return ExportFile(_Lines(), Path(environ["FORGE_NEXT"])) if "FORGE_NEXT" in environ else None


SYSTEM = _ForgeJob()
