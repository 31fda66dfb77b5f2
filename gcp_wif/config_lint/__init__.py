"""`check`: committed credential configs and manifests, offline. Pure, and quick to load: it runs before each commit.

A config decides where a token is sent, and may run a program: Google asks that configs from outside be validated.
The document is walked field by field, so that one error hides no other.
"""

from gcp_wif.config_lint.finding import LintFinding
from gcp_wif.config_lint.texts import check_text

__all__ = ["LintFinding", "check_text"]
