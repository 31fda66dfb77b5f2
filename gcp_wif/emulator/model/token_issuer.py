"""The token issuer that the emulator plays: CircleCI's, and any other https issuer that a test asks for.

Real keys, RS256 and ES256, made at each start. One key set serves every issuer, so that a provider for any ``iss``
trusts the tokens that are issued here, unless it has a JWKS of its own.
"""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

__all__ = ["JWS", "ORGANIZATION_ID", "PROJECT_ID", "USER_ID", "TokenIssuer", "circleci_claims", "uploaded_keys"]

ORGANIZATION_ID = "8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04"
PROJECT_ID = "1b7e2f90-3c4d-4e5f-8a6b-7c8d9e0f1a2b"
USER_ID = "c0ffee00-1234-4abc-9def-0123456789ab"

_HOUR = 3600

JWS = jws.JWSRegistry(algorithms=["RS256", "ES256"], strict_check_header=False)
"""How tokens are signed and verified; header fields that nobody knows are ignored (RFC 7515, section 4)."""


class TokenIssuer:
    """Signs tokens, and publishes the keys that verify them. A stranger's key signs what nobody should believe."""

    def __init__(self) -> None:
        self._keys: dict[str, RSAKey | ECKey] = {
            "RS256": RSAKey.generate_key(2048, {"kid": "circleci-rs256", "use": "sig", "alg": "RS256"}),
            "ES256": ECKey.generate_key("P-256", {"kid": "circleci-es256", "use": "sig", "alg": "ES256"}),
        }
        self._strangers: dict[str, RSAKey | ECKey] = {}

    @property
    def key_set(self) -> KeySet:
        """The public keys."""
        return KeySet([*self._keys.values()])

    def jwks(self) -> dict[str, Any]:
        """The JWKS document."""
        return {"keys": [key.as_dict(private=False) for key in self._keys.values()]}

    def sign(
        self,
        overrides: Mapping[str, Any] | None = None,
        *,
        now: float,
        header: Mapping[str, Any] | None = None,
        version: int = 1,
        stranger: bool = False,
    ) -> str:
        """A signed token, CircleCI-shaped by default.

        Args:
            overrides: claims to set; ``None`` as a value takes the claim out. ``org``, ``project`` and ``user`` are
                shorthands that shape ``iss``, ``aud``, ``sub`` and CircleCI's claims together.
            now: seconds since 1970.
            header: JOSE header fields to set or, with ``None``, to take out; ``alg`` chooses the key.
            version: 2 for CircleCI's V2 token, whose ``sub`` goes on with the repository and the ref.
            stranger: sign with a key that no issuer publishes, under the key ID of one that it does.
        """
        claims = circleci_claims(overrides or {}, now, version)
        return self._serialize(claims, header or {}, stranger=stranger)

    def sign_claims(self, claims: Mapping[str, Any], *, now: float) -> str:
        """A token with exactly ``claims``, valid for one hour from ``now``."""
        return self._serialize({**claims, "iat": int(now), "exp": int(now) + _HOUR}, {})

    def _serialize(self, claims: Mapping[str, Any], header: Mapping[str, Any], *, stranger: bool = False) -> str:
        fields: dict[str, Any] = {"alg": "RS256", "typ": "JWT", **header}
        algorithm = str(fields["alg"]) if fields["alg"] in self._keys else "RS256"
        fields["alg"] = algorithm
        fields.setdefault("kid", self._keys[algorithm].kid)
        protected = {name: value for name, value in fields.items() if value is not None}
        key = self._stranger(algorithm) if stranger else self._keys[algorithm]
        return jws.serialize_compact(protected, json.dumps(claims), key, registry=JWS)

    def _stranger(self, algorithm: str) -> RSAKey | ECKey:
        if algorithm not in self._strangers:  # made when it is first wanted: an RSA key takes a tenth of a second
            made = RSAKey.generate_key(2048) if algorithm == "RS256" else ECKey.generate_key("P-256")
            self._strangers[algorithm] = made
        return self._strangers[algorithm]

    @staticmethod
    def discovery(issuer: str, keys: str) -> dict[str, Any]:
        """The OpenID Connect discovery document of ``issuer``, whose keys are at the URL ``keys``."""
        return {
            "issuer": issuer,
            "jwks_uri": keys,
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public", "pairwise"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "claims_supported": ["aud", "sub", "iss", "iat", "exp", "oidc.circleci.com/project-id"],
            "scopes_supported": ["openid"],
        }


def uploaded_keys(text: str) -> KeySet:
    """The keys of a JWKS document, RSA and EC alone, which is what Google takes.

    Raises:
        ValueError: it is no such document.
    """
    try:
        documents = json.loads(text)["keys"]
        if not all(each["kty"] in ("RSA", "EC") for each in documents):  # joserfc warns of other kinds on stderr
            raise ValueError("a key is neither RSA nor EC")
        return KeySet.import_key_set({"keys": documents})
    except (JoseError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(type(error).__name__) from None


def circleci_claims(overrides: Mapping[str, Any], now: float, version: int = 1) -> dict[str, Any]:
    """Claims as CircleCI's page on OpenID Connect tokens lists them, with ``overrides`` in place.

    Args:
        overrides: as for `TokenIssuer.sign`.
        now: seconds since 1970.
        version: 1, or 2 for the longer ``sub``; without vcs claims both are the same.
    """
    given = dict(overrides)
    organization = str(given.pop("org", ORGANIZATION_ID))
    project = str(given.pop("project", PROJECT_ID))
    user = str(given.pop("user", USER_ID))
    claims: dict[str, Any] = {
        "iss": f"https://oidc.circleci.com/org/{organization}",
        "aud": organization,
        "sub": f"org/{organization}/project/{project}/user/{user}",
        "iat": int(now),
        "exp": int(now) + _HOUR,
        "oidc.circleci.com/org-id": organization,
        "oidc.circleci.com/project-id": project,
        "oidc.circleci.com/context-ids": [],
        "oidc.circleci.com/job-id": str(uuid.UUID(int=1)),
        "oidc.circleci.com/workflow-id": str(uuid.UUID(int=2)),
        "oidc.circleci.com/pipeline-id": str(uuid.UUID(int=3)),
        "oidc.circleci.com/pipeline-definition-id": str(uuid.UUID(int=4)),
        "oidc.circleci.com/vcs-origin": "github.com/acme/app",
        "oidc.circleci.com/vcs-ref": "refs/heads/main",
        "oidc.circleci.com/ssh-rerun": False,
    } | given
    origin, ref = claims["oidc.circleci.com/vcs-origin"], claims["oidc.circleci.com/vcs-ref"]
    if version == 2 and origin and ref and "sub" not in given:
        claims["sub"] += f"/vcs-origin/{origin}/vcs-ref/{ref}"
    return {name: value for name, value in claims.items() if value is not None}
