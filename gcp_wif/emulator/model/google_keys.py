"""Google's own keys: those that sign its ID tokens, and one for each service account. RS256, made when first wanted."""

import base64
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from joserfc import jwk, jws

__all__ = ["GoogleKeys", "SigningKey"]

_VALID_YEARS = 20  # the emulator's clock may be far from the machine's


class SigningKey:
    """One RSA key under a key ID, with the certificate that Google publishes for it.

    Args:
        key_id: the ``kid``, which is ``keyId`` in IAM Credentials' answers.
        subject: the common name of the certificate.
    """

    def __init__(self, key_id: str, subject: str) -> None:
        self.key_id = key_id
        self._subject = subject
        self._private = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        pem = self._private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self._jwk = jwk.RSAKey.import_key(pem, {"kid": key_id, "use": "sig", "alg": "RS256"})

    def sign(self, data: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256, as ``signBlob`` does (Google, "serviceAccounts.signBlob")."""
        return self._private.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def sign_jwt(self, payload: str) -> str:
        """A JWT with exactly this payload."""
        header = {"alg": "RS256", "kid": self.key_id, "typ": "JWT"}
        return jws.serialize_compact(header, payload, self._jwk, algorithms=["RS256"])

    def verify_jwt(self, token: str) -> None:
        """Raise a `joserfc.errors.JoseError` where the token is not signed by this key."""
        jws.deserialize_compact(token, self._jwk, algorithms=["RS256"])

    def public_jwk(self) -> dict[str, Any]:
        """The JSON Web Key (RFC 7517)."""
        return dict(self._jwk.as_dict(private=False))

    def certificate(self) -> str:
        """A self-signed X.509 certificate, PEM."""
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._subject[:64])])
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self._private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=365 * _VALID_YEARS))
            .not_valid_after(now + timedelta(days=365 * _VALID_YEARS))
            .sign(self._private, hashes.SHA256())
        )
        return made.public_bytes(serialization.Encoding.PEM).decode()


class GoogleKeys:
    """All of them; a key is made when it is first asked for, and stays."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: dict[str, SigningKey] = {}

    @property
    def identity(self) -> SigningKey:
        """The key of ``https://accounts.google.com``."""
        return self._key("", "federated-signon.system.gserviceaccount.com")

    def of_account(self, unique_id: str, email: str) -> SigningKey:
        """The key that Google manages for a service account."""
        return self._key(unique_id, email)

    def _key(self, owner: str, subject: str) -> SigningKey:
        with self._lock:
            if owner not in self._keys:
                # Key IDs are 40 hexadecimal digits, as Google's are.
                key_id = base64.b16encode(f"emulator-{owner or 'google':<11}".encode()[:20]).decode().lower()
                self._keys[owner] = SigningKey(key_id, subject)
            return self._keys[owner]
