"""The admin's journey: what a manifest asks for, what Google has, the plan between them, and carrying it out.

`planning` decides and does no I/O; `observing` and `applying` act through `clients`. Whatever breaks, the next run
reads what is there and goes on from it, so that there is no state of our own to lose.
"""

from gcp_wif.provisioning.applying import Outcome, apply, wait_until_visible
from gcp_wif.provisioning.changes import Change, Observed, Plan, PolicyChange, ResourceChange
from gcp_wif.provisioning.clients import Clients
from gcp_wif.provisioning.credentials import admin_credentials
from gcp_wif.provisioning.importing import import_existing
from gcp_wif.provisioning.observing import observe
from gcp_wif.provisioning.planning import plan, plan_destroy
from gcp_wif.provisioning.retry import RetryPolicy

__all__ = [
    "Change",
    "Clients",
    "Observed",
    "Outcome",
    "Plan",
    "PolicyChange",
    "ResourceChange",
    "RetryPolicy",
    "admin_credentials",
    "apply",
    "import_existing",
    "observe",
    "plan",
    "plan_destroy",
    "wait_until_visible",
]
