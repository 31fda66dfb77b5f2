"""Which random examples a run tries.

Machines are shared: an example that took long says nothing about the code, so no profile has a deadline. Where a
landing hangs on it the examples are the same every time; everywhere else they are new ones, so that they go on finding
things. `make fuzz` asks for the profile ``new``: there the seed alone decides, not what an earlier run has found.
"""

import os

import hypothesis


def register() -> None:
    """Make the profiles known, and load the one for this run."""
    settings = hypothesis.settings
    settings.register_profile("gcp-wif", deadline=None, derandomize=os.environ.get("CI") == "true")
    settings.register_profile("new", deadline=None, derandomize=False, database=None)
    settings.load_profile("gcp-wif")
