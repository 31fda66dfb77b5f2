"""The ``external_account`` credential config: its sources and formats, to and from JSON.

The document is AIP-4117's. What is written equals, byte for byte, what gcloud 528 writes for the same input: the key
order of `_document` and ``json.dumps(…, indent=2)`` without a final newline (observed with gcloud 528; the goldens
under ``tests/golden/credential_config`` hold its bytes). What is read is held to the forms that google-auth, Node's
google-auth-library and gcloud accept.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Never

from gcp_wif import secrets
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import InputError, shown
from gcp_wif.names import ProviderName, ServiceAccountEmail

__all__ = [
    "DEFAULT_EXECUTABLE_TIMEOUT_MILLIS",
    "DEFAULT_TOKEN_TYPE",
    "MAX_CONFIG_BYTES",
    "CredentialConfig",
    "CredentialSource",
    "ExecutableSource",
    "FileSource",
    "TokenFormat",
    "UrlSource",
]

DEFAULT_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:jwt"  # noqa: S105 - a type's name, not a token
DEFAULT_EXECUTABLE_TIMEOUT_MILLIS = 30_000
"""What gcloud writes when no timeout is given."""

MAX_CONFIG_BYTES = 64 * 1024
"""The largest file that is read as a config; real ones have about 1 KiB."""


class TokenFormat(NamedTuple):
    """How the token stands in its file or response: bare, or as one top-level field of a JSON object."""

    type: Literal["text", "json"]
    field_name: str | None = None

    def document(self) -> dict[str, str]:
        """The ``format`` object of the config."""
        if self.field_name is None:
            return {"type": self.type}
        return {"type": self.type, "subject_token_field_name": self.field_name}

    def encode(self, token: str) -> bytes:
        """What the token file must hold so that every client reads exactly ``token`` back out of it.

        No newline is added: Python, Node and gcloud would send it as ``%0A`` (observed), only Go trims.
        """
        if self.field_name is None:
            return token.encode()
        return json.dumps({self.field_name: token}).encode()


class FileSource(NamedTuple):
    """The token is read from a file. ``format`` is ``None`` where the config names none, which means text."""

    file: str
    format: TokenFormat | None = None

    @property
    def effective_format(self) -> TokenFormat:
        """The format that clients assume."""
        return self.format or TokenFormat("text")

    def document(self) -> dict[str, Any]:
        """The ``credential_source`` object."""
        return {"file": self.file} | _format_entry(self.format)


class UrlSource(NamedTuple):
    """The token is fetched by a GET request, with ``headers`` in the order in which they were given."""

    url: str
    headers: tuple[tuple[str, str], ...] = ()
    format: TokenFormat | None = None

    def document(self) -> dict[str, Any]:
        """The ``credential_source`` object."""
        headers = {"headers": dict(self.headers)} if self.headers else {}
        return {"url": self.url} | headers | _format_entry(self.format)


class ExecutableSource(NamedTuple):
    """The token is printed by a program, which runs only where GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES is 1."""

    command: str
    timeout_millis: int = DEFAULT_EXECUTABLE_TIMEOUT_MILLIS
    output_file: str | None = None

    def document(self) -> dict[str, Any]:
        """The ``credential_source`` object."""
        output = {"output_file": self.output_file} if self.output_file is not None else {}
        return {"executable": {"command": self.command, "timeout_millis": self.timeout_millis} | output}


CredentialSource = FileSource | UrlSource | ExecutableSource


def _format_entry(token_format: TokenFormat | None) -> dict[str, Any]:
    return {"format": token_format.document()} if token_format else {}


class CredentialConfig(NamedTuple):
    """A credential config. It holds no secret: only where the token is and whom to ask.

    ``token_info_url`` stands in configs without impersonation, ``impersonation_url`` in the others.
    """

    universe_domain: str
    audience: str
    subject_token_type: str
    token_url: str
    source: CredentialSource
    impersonation_url: str | None = None
    token_lifetime_seconds: int | None = None
    token_info_url: str | None = None

    @classmethod
    def build(
        cls,
        provider: ProviderName,
        source: CredentialSource,
        endpoints: Endpoints,
        *,
        service_account: ServiceAccountEmail | None = None,
        token_lifetime_seconds: int | None = None,
        subject_token_type: str = DEFAULT_TOKEN_TYPE,
    ) -> "CredentialConfig":
        """The config for ``provider``; without ``service_account`` it is one for direct federation."""
        return cls(
            universe_domain=endpoints.universe,
            audience=provider.audience,
            subject_token_type=subject_token_type,
            token_url=endpoints.token_url,
            source=source,
            impersonation_url=endpoints.impersonation_url(service_account) if service_account else None,
            token_lifetime_seconds=token_lifetime_seconds if service_account else None,
            token_info_url=None if service_account else endpoints.token_info_url,
        )

    def document(self) -> dict[str, Any]:
        """The config as JSON data, keys in gcloud's order."""
        result: dict[str, Any] = {
            "universe_domain": self.universe_domain,
            "type": "external_account",
            "audience": self.audience,
            "subject_token_type": self.subject_token_type,
            "token_url": self.token_url,
            "credential_source": self.source.document(),
        }
        if self.impersonation_url is not None:
            result["service_account_impersonation_url"] = self.impersonation_url
            if self.token_lifetime_seconds is not None:
                result["service_account_impersonation"] = {"token_lifetime_seconds": self.token_lifetime_seconds}
        elif self.token_info_url is not None:
            result["token_info_url"] = self.token_info_url
        return result

    def to_json(self) -> str:
        """The file's exact text: gcloud's, without a final newline."""
        return json.dumps(self.document(), indent=2)

    @property
    def service_account(self) -> ServiceAccountEmail | None:
        """The account that is impersonated, ``None`` for direct federation."""
        if self.impersonation_url is None:
            return None
        name = self.impersonation_url.rpartition("/serviceAccounts/")[2].removesuffix(":generateAccessToken")
        return ServiceAccountEmail.parse(name, origin="service_account_impersonation_url")

    @property
    def provider(self) -> ProviderName:
        """The provider that the audience names."""
        return ProviderName.parse(self.audience, origin="audience")

    def misdirected_urls(self, endpoints: Endpoints) -> tuple[tuple[str, str], ...]:
        """The fields whose URL is not the one that ``endpoints`` has for it, each with that field's value.

        A config decides where the subject token and the federated token are sent; google-auth checks none of it
        (observed), and Google asks that configs from outside be validated.
        """
        account = self.service_account
        wanted = {
            "token_url": (self.token_url, endpoints.token_url),
            "token_info_url": (self.token_info_url, endpoints.token_info_url),
            "service_account_impersonation_url": (
                self.impersonation_url,
                endpoints.impersonation_url(account) if account else None,
            ),
        }
        return tuple((field, found) for field, (found, right) in wanted.items() if found is not None and found != right)

    @classmethod
    def from_json(cls, text: str | bytes, *, origin: str) -> "CredentialConfig":
        """Parse a config and refuse what no client could use, with the reason.

        Raises:
            InputError: WIF401 not JSON or not such a document, WIF402 a form that clients refuse, WIF403 the wrong
                kind of credential (a service account key, for one).
        """
        return _Reader(origin).config(text)


class _Reader:
    """Reads one document; every refusal names ``origin`` and the field."""

    def __init__(self, origin: str) -> None:
        self._origin = origin

    def _refuse(self, what: str, hint: str | None = None, code: str = "WIF402") -> Never:
        raise InputError(f"{self._origin}: {what}", hint=hint, code=code)

    def config(self, text: str | bytes) -> CredentialConfig:
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            self._refuse("not a JSON object, so not a credential config.", code="WIF401")
        secrets.remember_in(document)
        kind = document.get("type")
        if kind != "external_account":
            self._refuse(
                f"`type` is {shown(kind) if isinstance(kind, str) else 'missing'}, not 'external_account'.",
                "A service account key or a user's credentials are long-lived secrets; gcp-wif neither reads nor "
                "removes them. `gcp-wif generate` writes a credential config.",
                code="WIF403",
            )
        impersonation = document.get("service_account_impersonation", {})
        if not isinstance(impersonation, dict):
            self._refuse("`service_account_impersonation` must be an object.")
        lifetime = impersonation.get("token_lifetime_seconds")
        if lifetime is not None and (isinstance(lifetime, bool) or not isinstance(lifetime, int)):
            self._refuse("`token_lifetime_seconds` must be a whole number of seconds.")
        config = CredentialConfig(
            universe_domain=self._text(document, "universe_domain", "googleapis.com"),
            audience=self._text(document, "audience"),
            subject_token_type=self._text(document, "subject_token_type"),
            token_url=self._text(document, "token_url"),
            source=self._source(document.get("credential_source")),
            impersonation_url=self._optional_text(document, "service_account_impersonation_url"),
            token_lifetime_seconds=lifetime,
            token_info_url=self._optional_text(document, "token_info_url"),
        )
        ProviderName.parse(config.audience, origin=f"{self._origin}: audience")
        if config.impersonation_url is not None:
            _ = config.service_account
        return config

    def _text(self, document: Mapping[str, Any], field: str, default: str | None = None) -> str:
        value = document.get(field, default)
        if not isinstance(value, str) or not value:
            self._refuse(f"`{field}` must be a non-empty string.")
        return value

    def _optional_text(self, document: Mapping[str, Any], field: str) -> str | None:
        return self._text(document, field) if document.get(field) is not None else None

    def _source(self, source: object) -> CredentialSource:
        if not isinstance(source, dict):
            self._refuse("`credential_source` must be an object with `file`, `url` or `executable`.")
        kinds = [kind for kind in ("file", "url", "executable") if kind in source]
        if len(kinds) != 1:
            self._refuse(
                f"`credential_source` must have exactly one of `file`, `url`, `executable`; it has {kinds or 'none'}.",
                "google-auth would silently pick one of them." if kinds else None,
            )
        if kinds == ["executable"]:
            return self._executable(source["executable"])
        token_format = self._format(source.get("format"))
        if kinds == ["file"]:
            return FileSource(self._text(source, "file"), token_format)
        headers = source.get("headers", {})
        if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
            self._refuse("`headers` must be an object of strings.")
        return UrlSource(self._text(source, "url"), tuple(headers.items()), token_format)

    def _executable(self, executable: object) -> ExecutableSource:
        if not isinstance(executable, dict):
            self._refuse("`executable` must be an object with `command`.")
        timeout = executable.get("timeout_millis", DEFAULT_EXECUTABLE_TIMEOUT_MILLIS)
        if isinstance(timeout, bool) or not isinstance(timeout, int):
            self._refuse("`timeout_millis` must be a whole number of milliseconds.")
        return ExecutableSource(
            self._text(executable, "command"), timeout, self._optional_text(executable, "output_file")
        )

    def _format(self, value: object) -> TokenFormat | None:
        if value is None:
            return None
        if not isinstance(value, dict):
            self._refuse('`format` must be an object such as {"type": "text"}.')
        if "path" in value:
            self._refuse(
                "`format` has `path`, which google-auth, Node's google-auth-library and gcloud all refuse.",
                "The key is `subject_token_field_name`, and it names a top-level field only. For a nested token use "
                "`gcp-wif generate --token-response FILE --token-response-field response.id_token "
                "--credential-source-type json`, which writes the token flat.",
            )
        if value.get("type") == "text":
            return TokenFormat("text")
        if value.get("type") == "json":
            return TokenFormat("json", self._text(value, "subject_token_field_name"))
        self._refuse("`format.type` must be 'text' or 'json'.")
