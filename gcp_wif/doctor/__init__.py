"""Why did Google say no? The chain from token to account, link by link, and the first that breaks.

`examine` is pure: a `Case` in, a `Report` out, by the same code as the emulator decides. What was not seen is reported
as unknown, with the command whose output would settle it, never as fine.
"""

from gcp_wif.doctor.examining import examine
from gcp_wif.doctor.explanations import explain
from gcp_wif.doctor.values import Case, Finding, Report

__all__ = ["Case", "Finding", "Report", "examine", "explain"]
