"""What a job hands to its next steps: the variables, and the interface of the formats that CI systems read. Pure."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "VARIABLES",
    "Export",
    "ExportFile",
    "ExportOutput",
    "ExportTarget",
    "FileFormat",
    "OutputFormat",
    "block_removed",
]

CREDENTIALS_VARIABLES = ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE")
PROJECT_VARIABLES = ("GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT", "GCLOUD_PROJECT")
ALLOW_VARIABLE = "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"
GSUTIL_VARIABLE = "BOTO_PATH"
METADATA_VARIABLES = ("GCE_METADATA_HOST", "GCE_METADATA_IP")
NO_PROXY_VARIABLES = ("NO_PROXY", "no_proxy")
"""They hold what somebody else has set, with loopback added. So what ends the exports takes our lines back and never
unsets them: a job behind a proxy needs them."""
VARIABLES = (
    *CREDENTIALS_VARIABLES, *PROJECT_VARIABLES, ALLOW_VARIABLE, GSUTIL_VARIABLE, *METADATA_VARIABLES,
    *NO_PROXY_VARIABLES,
)  # fmt: skip
"""All that gcp-wif ever exports, so that its own lines can be told from everybody else's."""


class Export(NamedTuple):
    """One variable; ``weak`` where it must not replace a value that somebody else has set."""

    name: str
    value: str
    weak: bool = False


class FileFormat(ABC):
    """How a file says variables. Each function is pure: bytes in, bytes out.

    Attributes:
        empties: whether what an earlier step has set can be emptied alone, by the step that wants it gone.
    """

    empties: bool = False

    @abstractmethod
    def appended(self, content: bytes, wanted: tuple[Export, ...], environ: Mapping[str, str]) -> bytes:
        """What must be appended to a file so that each wanted variable has its value in the steps that read it.

        Args:
            content: the file as it is.
            wanted: the exports.
            environ: the job's environment, which earlier steps may have set.
        """

    @abstractmethod
    def ended(self, content: bytes, endings: tuple[Export, ...]) -> tuple[bytes, bytes]:
        """The file without what `appended` has written, and what must be appended to end what earlier steps set.

        Args:
            content: the file as it is.
            endings: the variables of this very step that hold what was exported, with the value that each must get.
        """

    def ended_of(self, content: bytes, endings: tuple[Export, ...], configs: Collection[str]) -> tuple[bytes, bytes]:
        """As `ended`, for one login among several: the exports of the others stay.

        The default is for a file whose lines do not tell their login: ``endings`` are empty where the step has another
        login's variables.

        Args:
            content: the file as it is.
            endings: of this login.
            configs: the paths by which the login's credential config may be named.
        """
        return self.ended(content, endings)


class OutputFormat(ABC):
    """How the output of a step says variables. Each function is pure."""

    @abstractmethod
    def printed(self, wanted: tuple[Export, ...], environ: Mapping[str, str]) -> bytes:
        """The exports on standard output, for whoever reads that."""

    @abstractmethod
    def unset(self, endings: tuple[Export, ...]) -> bytes:
        """What ends them, on standard output; ``endings`` as for `FileFormat.ended`."""

    def left_over(self, names: tuple[str, ...]) -> bytes:
        """What ends these alone, on standard output; empty where the format cannot."""
        return b""


class ExportFile(NamedTuple):
    """The file that the exports of a job go to.

    Attributes:
        format: how they are written there.
        path: the file.
        now: what a person runs to have them in this step, too; empty where the next step alone can have them.
        warning: why the next steps may not read it, and what to do; empty where they do.
    """

    format: FileFormat
    path: Path
    now: str = ""
    warning: str = ""


class ExportOutput(NamedTuple):
    """The step's standard output, from which the CI system, or whoever runs ``eval``, reads the exports.

    Attributes:
        format: how they are written there.
        how: what a person does with them; empty where the CI system takes them by itself, or it was asked for.
    """

    format: OutputFormat
    how: str = ""


ExportTarget = ExportFile | ExportOutput
"""Where the exports of a job go."""


def block_removed(content: bytes, block: bytes) -> bytes:
    """The file without what one run appended; unchanged where that is not there as it was written.

    Args:
        content: the file as it is.
        block: what `FileFormat.appended` gave. Where somebody has appended behind it, the newline that ends a last
            line of theirs stays.
    """
    if not block or block not in content:
        return content
    before, _, after = content.rpartition(block)
    seam = block[: len(block) - len(block.lstrip(b"\n"))]
    return before + (seam if after else b"") + after
