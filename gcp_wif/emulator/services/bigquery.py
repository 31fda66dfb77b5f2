"""BigQuery, as far as it shows whether a client's login works: a project without datasets, for a valid token."""

from gcp_wif.emulator.model.errors import of_refusal
from gcp_wif.emulator.services.gateway import Answer, Call
from gcp_wif.refusals import RefusalKind

__all__ = ["list_datasets"]


def list_datasets(call: Call, project: str) -> Answer:  # noqa: ARG001 - every project has none
    """``GET /bigquery/v2/projects/PROJECT/datasets``.

    Raises:
        ApiError: UNAUTHENTICATED without a token.
    """
    if call.caller is None:
        raise of_refusal(RefusalKind.CREDENTIALS_UNACCEPTED)
    return {"kind": "bigquery#datasetList"}
