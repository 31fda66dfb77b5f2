"""The report as one self-contained page, to keep as an artifact of a CI job."""

from gcp_wif.doctor.evidence import Evidence
from gcp_wif.doctor.report import Report
from gcp_wif.doctor.view import page_model
from gcp_wif.templating import render_page

__all__ = ["page"]


def page(evidence: Evidence, report: Report) -> str:
    """HTML: no script, nothing loaded from elsewhere, every value escaped, no token.

    Args:
        evidence: what the report was made from.
        report: what `gcp_wif.doctor.diagnose` made of it.
    """
    return render_page("doctor/report.html", page_model(evidence, report))
