"""The report as one self-contained page: no script, nothing loaded from elsewhere, every value escaped."""

from datetime import UTC, datetime

from gcp_wif import secrets
from gcp_wif.doctor.report import Report
from gcp_wif.templating import render_template

__all__ = ["page"]


def page(report: Report, now: float) -> str:
    """HTML, to keep as an artifact of a CI job.

    Args:
        report: what to show.
        now: seconds since 1970.
    """
    broken = report.broken
    title = f"broken at {broken.link}: {broken.message}" if broken else "no broken link was found"
    text = render_template(
        "doctor/report.html",
        {
            "title": title,
            "made": f"Made by gcp-wif doctor at {datetime.fromtimestamp(now, UTC):%Y-%m-%d %H:%M:%S} UTC.",
            "links": report.links,
            "findings": report.findings,
            "claims": sorted(report.claims.items()),
            "attributes": report.attributes,
            "trace": report.trace,
            "principals": report.principals,
            "accounts": sorted(report.accounts.items()),
        },
    )
    return secrets.hide(text)
