"""What Google says when it refuses: its exact sentences, what each means, and what fixes it.

One table (`table`) is read by everybody: the emulator answers with its sentences, `federation` names the row that
stopped a token, `verify` and the admin's commands explain what came back, the doctor recognises a pasted error and
knows which link of the chain it is about, and `gcp_wif.codes` takes its rows for them from it.

The table holds for tokens of any issuer. What is peculiar to a CI system is said by its profile.
"""

from gcp_wif.refusals.model import Link, RefusalKind, Row, Service
from gcp_wif.refusals.parts import Parts
from gcp_wif.refusals.recognition import ErrorText, Refusal, read_error, recognise, row_of
from gcp_wif.refusals.table import NEEDED_APIS, TABLE

__all__ = [
    "NEEDED_APIS", "TABLE", "ErrorText", "Link", "Parts", "Refusal", "RefusalKind", "Row", "Service", "read_error",
    "recognise", "row_of",
]  # fmt: skip
