"""Nobody gets in who should not, and nobody stays out who should not: random manifests and tokens, through STS, then
impersonation of every account and every role of direct federation.

``GCP_WIF_SEED`` repeats a run; without it CI takes the same seed each time, and everybody else a new one.
"""

import os
import random
from collections import Counter
from collections.abc import Iterator

import kinds
import pytest
from becoming import becomes
from strangers import Setup, setup, tokens, toml

from gcp_wif import issuers
from gcp_wif.emulator import Emulator
from gcp_wif.errors import InputError
from gcp_wif.manifest import Manifest, ManifestError

MANIFESTS = 2_000
TOKENS = 6


@pytest.fixture(scope="module")
def google() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


def _seed() -> int:
    given = os.environ.get("GCP_WIF_SEED")
    if given:
        return int(given)
    return 20_261_124 if os.environ.get("CI") == "true" else random.SystemRandom().randrange(1 << 32)


def test_a_token_becomes_what_the_rules_say_and_nothing_else(google: Emulator) -> None:
    """W1, W6, W7."""
    seed = _seed()
    print(f"\nGCP_WIF_SEED={seed}")
    dice = random.Random(seed)
    counts = dict.fromkeys(("manifests", "refused", "too many", "tokens", "admitted", "wider", "narrower"), 0)
    admitted: Counter[str] = Counter()
    while counts["manifests"] < MANIFESTS:
        made = setup(dice)
        text = toml(made.document)
        told = f"GCP_WIF_SEED={seed}\n{text}"
        try:
            manifest = Manifest.parse(text, origin="gcp-wif.toml")
        except ManifestError as error:
            assert made.refused, f"{told}\n{error.hint}"
            assert {problem.code for problem in error.problems} == {"WIF707"}, told
            counts["refused"] += 1
            continue
        assert not made.refused, f"a rule without a tenant was taken: {told}"
        google.reset()
        try:
            google.provision_as(manifest)
        except InputError as error:  # several combinations with contexts share one expression, whose length is bounded
            assert "google.groups must have 1 to 2048" in error.message, told
            counts["too many"] += 1
            continue
        counts["manifests"] += 1
        for claims, malformed in tokens(dice, made, TOKENS):
            token = google.issuer.sign_claims(claims, now=google.state.clock.now())
            granted, wanted = becomes(google, token, manifest), made.expected(claims)
            counts["tokens"] += 1
            counts["admitted"] += bool(granted)
            admitted[manifest.issuer.kind] += bool(granted)
            counts["wider"] += bool(granted - wanted)
            owed = wanted if malformed is None else wanted & made.untouched_by(malformed)
            counts["narrower"] += bool(owed - granted)
            assert granted <= wanted, f"wider: {granted - wanted}\n{claims}\n{told}"
            assert owed <= granted, f"narrower: {owed - granted}; malformed: {malformed}\n{claims}\n{told}"
    print(", ".join(f"{name} {count}" for name, count in counts.items()))
    print("admitted:", ", ".join(f"{name} {count}" for name, count in sorted(admitted.items())))
    assert (
        set(admitted)
        == set(issuers.kinds())
        == {"circleci", "oidc", *(kinds.kind(each).name for each in kinds.names())}
    )
    assert min(admitted.values()) > 20
    assert counts["admitted"] > counts["tokens"] / 20  # else the tokens prove nothing


def test_the_plain_reading_tells_strangers_apart() -> None:
    """The oracle itself: what it must never confuse."""
    document = {"identities": {"deploy": {"allow": [{"repository_owner_id": "11", "ref": "refs/heads/main"}]}}}
    made = Setup(document, "https://token.actions.githubusercontent.com", ("gcp",), None, ("repository_owner_id",))
    ours = {"iss": made.url, "aud": "gcp", "repository_owner_id": "11", "ref": "refs/heads/main"}
    assert made.expected(ours) == {"deploy"}
    for change in ({"repository_owner_id": "12"}, {"repository_owner_id": 11}, {"ref": "refs/tags/main"}, {"aud": "x"}):
        assert made.expected(ours | change) == set()
