"""Exports as Azure Pipelines' agent reads them in a step's output: logging commands. Pure.

Sources: Microsoft's page "Logging commands"; azure-pipelines-task-lib, ``taskcommand.ts`` (what is escaped, and how),
azure-pipelines-agent, ``Command.cs`` (a command is one line, from ``##vso[`` to its end; ``%AZP25`` is read as ``%``
since March 2021).
"""

import os
import re
from collections.abc import Mapping

from gcp_wif.ci.export_format import Export, OutputFormat

__all__ = ["VSO", "vso_command"]

_DATA = {b"%": b"%AZP25", b"\r": b"%0D", b"\n": b"%0A"}


class _VsoFormat(OutputFormat):
    def printed(self, wanted: tuple[Export, ...], environ: Mapping[str, str]) -> bytes:
        """Each variable as a command; weak ones only where the variable is unset."""
        due = (export for export in wanted if not (export.weak and environ.get(export.name)))
        return b"".join(_set(export.name, export.value) for export in due)

    def unset(self, endings: tuple[Export, ...]) -> bytes:
        """What earlier steps have set gets the value that ends it: there is no command that takes a variable away."""
        return b"".join(_set(export.name, export.value) for export in endings)

    def left_over(self, names: tuple[str, ...]) -> bytes:
        """Emptied, for the same reason."""
        return b"".join(_set(name, "") for name in names)


VSO = _VsoFormat()
"""``##vso[task.setvariable …]`` lines on standard output."""


def vso_command(name: str, value: str) -> bytes:
    """A logging command on one line.

    Args:
        name: the area, the event and its properties; ours alone.
        value: any text.
    """
    data = re.sub(rb"[%\r\n]", lambda match: _DATA[match[0]], os.fsencode(value))
    return b"##vso[" + name.encode() + b"]" + data + b"\n"


def _set(name: str, value: str) -> bytes:
    return vso_command(f"task.setvariable variable={name}", value)
