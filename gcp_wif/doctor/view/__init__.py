"""What the page shows: a diagnosis turned into texts, states and times that a template prints as they are. Pure."""

from gcp_wif.doctor.view.build import page_model
from gcp_wif.doctor.view.model import PageModel

__all__ = ["PageModel", "page_model"]
