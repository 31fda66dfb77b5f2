"""Reading a file closes it, whatever is wrong with it: a doctor or a long-lived agent reads many."""

import os
from pathlib import Path

import pytest

from gcp_wif.errors import InputError
from gcp_wif.files import read_bounded


def descriptors() -> set[Path]:
    return set(Path("/dev/fd").iterdir())


@pytest.mark.parametrize("kind", ["whole", "too large", "a folder", "a pipe"])
def test_a_file_that_was_read_is_closed(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x"
    if kind == "a folder":
        path.mkdir()
    elif kind == "a pipe":
        os.mkfifo(path)
    else:
        path.write_bytes(b"x" * (4 if kind == "whole" else 5))
    before = descriptors()
    if kind == "whole":
        assert read_bounded(path, 4, origin="test") == b"xxxx"
    else:
        with pytest.raises(InputError) as caught:
            read_bounded(path, 4, origin="test")
        assert caught.value.code == "WIF307"
    assert descriptors() == before
