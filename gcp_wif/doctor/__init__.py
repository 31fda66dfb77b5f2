"""Why did Google say no? The chain from token to account, link by link, and the first that breaks.

`diagnose` is pure: `Evidence` in, a `Report` out, by the same code as the emulator decides. What was not seen is
reported as unknown, with the command whose output would settle it, never as fine.
"""

from gcp_wif.doctor.diagnosis import diagnose
from gcp_wif.doctor.evidence import Evidence
from gcp_wif.doctor.report import Finding, Report

__all__ = ["Evidence", "Finding", "Report", "diagnose"]
