"""The admin's journey: what a manifest asks for, what Google has, the plan between them, and carrying it out.

`planning` decides and does no I/O; `observing` and `applying` act through `clients`. Whatever breaks, the next run
reads what is there and goes on from it, so that there is no state of our own to lose.
"""

from gcp_wif.provisioning.adopting import adopt
from gcp_wif.provisioning.applying import Outcome, apply, wait_until_shown
from gcp_wif.provisioning.clients import Clients
from gcp_wif.provisioning.credentials import admin_credentials
from gcp_wif.provisioning.desired import desired_of
from gcp_wif.provisioning.observing import observe
from gcp_wif.provisioning.patience import Patience
from gcp_wif.provisioning.planning import destruction, plan
from gcp_wif.provisioning.values import Change, Desired, Grant, Observed, Plan, PolicyChange, ResourceChange

__all__ = [
    "Change",
    "Clients",
    "Desired",
    "Grant",
    "Observed",
    "Outcome",
    "Patience",
    "Plan",
    "PolicyChange",
    "ResourceChange",
    "admin_credentials",
    "adopt",
    "apply",
    "desired_of",
    "destruction",
    "observe",
    "plan",
    "wait_until_shown",
]
