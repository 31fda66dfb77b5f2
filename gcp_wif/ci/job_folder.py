"""A folder for one job's private files, where a system has none: below the temporary folder, by the job's ID. Pure.

It is made with mode 0700 when something is written into it. In a folder that everybody may write to, one that somebody
else has made under that name is refused (`gcp_wif.files`).
"""

import re
from collections.abc import Mapping

__all__ = ["folder_of_job"]

_ID = re.compile(r"[A-Za-z0-9-]{1,64}")


def folder_of_job(job: str, environ: Mapping[str, str]) -> str | None:
    """The folder of the job with this ID; ``None`` where the ID is not one."""
    return f"{environ.get('TMPDIR', '').rstrip('/') or '/tmp'}/gcp-wif-{job}" if _ID.fullmatch(job) else None  # noqa: S108 - see the module
