"""What cannot be tried on this machine: it is skipped loudly, and in CI, which must prove it all, it fails."""

import os
from typing import NoReturn

import pytest


def unproven(lacking: str, *, proves: str, obtainable: bool = True) -> NoReturn:
    """End the test: ``lacking`` is not here, so ``proves`` stays unproven.

    Args:
        lacking: with its verb, as the beginning of a sentence.
        proves: what the test would show.
        obtainable: whether CI can have it; else the test is skipped there, too.
    """
    message = f"{lacking}, so this is NOT proven: {proves}"
    if obtainable and os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)
