"""The token issuer that the emulator plays: every kind's, and any other https issuer that a test asks for.

Real keys, RS256 and ES256, made at each start. One key set serves every issuer, so that a provider for any ``iss``
trusts the tokens that are issued here, unless it has a JWKS of its own.
"""

import json
from collections.abc import Mapping
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from gcp_wif.issuers import DEFAULT, profile

__all__ = ["JWS", "TokenIssuer", "uploaded_keys"]

_HOUR = 3600

JWS = jws.JWSRegistry(algorithms=["RS256", "ES256"], strict_check_header=False)
"""How tokens are signed and verified; header fields that nobody knows are ignored (RFC 7515, section 4)."""


class TokenIssuer:
    """Signs tokens, and publishes the keys that verify them. A stranger's key signs what nobody should believe."""

    def __init__(self) -> None:
        self._keys: dict[str, RSAKey | ECKey] = {
            "RS256": RSAKey.generate_key(2048, {"kid": "issuer-rs256", "use": "sig", "alg": "RS256"}),
            "ES256": ECKey.generate_key("P-256", {"kid": "issuer-es256", "use": "sig", "alg": "ES256"}),
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
        kind: str = DEFAULT,
        stranger: bool = False,
        **options: Any,
    ) -> str:
        """A signed token, shaped as those of ``kind``.

        Args:
            overrides: claims to set; ``None`` as a value takes the claim out. Each kind has shorthands that shape
                several claims together: see its ``sample``.
            now: seconds since 1970.
            header: JOSE header fields to set or, with ``None``, to take out; ``alg`` chooses the key.
            kind: of `gcp_wif.issuers`.
            stranger: sign with a key that no issuer publishes, under the key ID of one that it does.
            options: of the kind, its ``sample_options``.

        Raises:
            KeyError: there is no such kind.
        """
        claims = profile(kind).sample(overrides or {}, int(now), **options)
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
            "claims_supported": ["aud", "sub", "iss", "iat", "exp"],
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
