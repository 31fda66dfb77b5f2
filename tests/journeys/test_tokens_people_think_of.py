"""The tokens that a person would think of, for each kind of issuer, through STS and impersonation on the emulator.

Each table is in ``tests/support/kinds/``, in the file of its kind.
"""

from collections.abc import Iterator

import kinds
import pytest
from becoming import becomes
from kinds.model import Row

from gcp_wif import issuers
from gcp_wif.emulator import Emulator
from gcp_wif.manifest import Manifest

ROWS = [(kind, row) for kind in kinds.names() for row in kinds.kind(kind).table.rows]


@pytest.fixture(scope="module")
def google() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.mark.parametrize(("kind", "row"), ROWS, ids=[f"{kind}: {row.says}" for kind, row in ROWS])
def test_a_token_becomes_what_a_person_would_say(google: Emulator, kind: str, row: Row) -> None:
    known = kinds.kind(kind)
    manifest = Manifest.parse(known.table.manifest, origin="gcp-wif.toml")
    google.reset()
    google.provision_as(manifest)
    audience = [*manifest.issuer.audiences, manifest.provider_name.default_audiences[1]][0]
    place = {"aud": audience, "iss": manifest.issuer.url}
    token = google.token(kind=known.name, **{**place, **row.options, **row.claims})
    assert becomes(google, token, manifest) == row.who


@pytest.mark.parametrize("kind", [each for each in issuers.kinds() if each not in ("circleci", issuers.FALLBACK)])
def test_each_kind_has_a_table_of_twelve_of_both_sorts(kind: str) -> None:
    rows = kinds.kind(kind).table.rows
    assert len(rows) >= 12
    assert sum(bool(row.who) for row in rows) >= 3
    assert sum(not row.who for row in rows) >= 6
