"""The table: each sentence that is known, with its code, its place, its meaning and its fixes.

Sentences are Google's, documented or widely quoted, and those of its client libraries, from their sources. The rows
stand in a file for each that says them.
"""

from gcp_wif.refusals.api_rows import API
from gcp_wif.refusals.client_rows import CLIENTS
from gcp_wif.refusals.commands import NEEDED_APIS
from gcp_wif.refusals.iam_rows import IAM
from gcp_wif.refusals.model import Row
from gcp_wif.refusals.sts_rows import STS

__all__ = ["NEEDED_APIS", "TABLE"]

TABLE: tuple[Row, ...] = (*STS, *IAM, *API, *CLIENTS)
"""In the order of their codes."""
