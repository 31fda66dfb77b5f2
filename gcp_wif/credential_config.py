"""The ``external_account`` credential config: its sources and formats, to and from JSON.

The document is AIP-4117's. What is written equals, byte for byte, what gcloud 528 writes for the same input: the key
order of `_document` and ``json.dumps(…, indent=2)`` without a final newline (observed with gcloud 528; the goldens
under ``tests/golden/credential_config`` hold its bytes). What is read is held to the forms that google-auth, Node's
google-auth-library and gcloud accept.
"""

import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from gcp_wif import secrets
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import InputError, shown
from gcp_wif.limits import MAX_CONFIG_BYTES
from gcp_wif.names import ProviderName, ServiceAccountEmail

__all__ = [
    "DEFAULT_EXECUTABLE_TIMEOUT_MILLIS",
    "DEFAULT_TOKEN_TYPE",
    "MAX_CONFIG_BYTES",
    "ConfigProblem",
    "CredentialConfig",
    "CredentialSource",
    "ExecutableSource",
    "FileSource",
    "TokenFormat",
    "UrlSource",
    "read_document",
]

DEFAULT_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:jwt"  # noqa: S105 - a type's name, not a token
DEFAULT_EXECUTABLE_TIMEOUT_MILLIS = 30_000
"""What gcloud writes when no timeout is given."""


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
        """The fields whose URL is not one that ``endpoints`` has for it, each with that field's value.

        A config decides where the subject token and the federated token are sent; google-auth checks none of it
        (observed with 2.62), and Google asks that configs from outside be validated. Regional endpoints and those of
        private service connect are Google's too.
        """
        urls = {
            "token_url": self.token_url,
            "token_info_url": self.token_info_url,
            "service_account_impersonation_url": self.impersonation_url,
        }
        return tuple((field, url) for field, url in urls.items() if url is not None and endpoints.fault_of(field, url))

    @classmethod
    def from_json(cls, text: str | bytes, *, origin: str) -> "CredentialConfig":
        """Parse a config and refuse what no client could use, with the reason.

        Raises:
            InputError: WIF401 not JSON or not such a document, WIF402 a form that clients refuse, WIF403 the wrong
                kind of credential (a service account key, for one), WIF104 to WIF108 for a name in it.
        """
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            document = None
        config, problems = read_document(document)
        if config is None or problems:
            first = problems[0]
            raise InputError(f"{origin}: {first.message}", hint=first.hint, code=first.code)
        return config


class ConfigProblem(NamedTuple):
    """One thing that keeps a document from being a credential config.

    Attributes:
        path: the keys from the top to the field.
        message: what is wrong, beginning with the field.
    """

    path: tuple[str, ...]
    message: str
    hint: str | None
    code: str


def read_document(document: object) -> tuple[CredentialConfig | None, tuple[ConfigProblem, ...]]:
    """Read a parsed JSON document: the config, or everything that is wrong with its form, in the document's order."""
    reader = _Reader()
    config = reader.config(document)
    return (None if reader.problems else config), tuple(reader.problems)


class _Reader:
    """Reads one document, and goes on after a problem: one error hides no other."""

    def __init__(self) -> None:
        self.problems: list[ConfigProblem] = []

    def _say(self, path: tuple[str, ...], message: str, hint: str | None = None, code: str = "WIF402") -> None:
        self.problems.append(ConfigProblem(path, message, hint, code))

    def config(self, document: object) -> CredentialConfig | None:
        if not isinstance(document, dict):
            self._say((), "not a JSON object, so not a credential config.", code="WIF401")
            return None
        secrets.remember_in(document)
        kind = document.get("type")
        if kind != "external_account":
            self._say(
                ("type",),
                f"`type` is {shown(kind) if isinstance(kind, str) else 'missing'}, not 'external_account'.",
                "A service account key or a user's credentials are long-lived secrets; gcp-wif neither reads nor "
                "removes them. `gcp-wif generate` writes a credential config.",
                code="WIF403",
            )
        universe = self._text(document, ("universe_domain",), default="googleapis.com")
        audience = self._text(document, ("audience",))
        subject_token_type = self._text(document, ("subject_token_type",))
        token_url = self._text(document, ("token_url",))
        source = self._source(document.get("credential_source"))
        config = CredentialConfig(
            universe_domain=universe or "",
            audience=audience or "",
            subject_token_type=subject_token_type or "",
            token_url=token_url or "",
            source=source or FileSource(""),
            impersonation_url=self._optional_text(document, ("service_account_impersonation_url",)),
            token_lifetime_seconds=self._lifetime(document.get("service_account_impersonation", {})),
            token_info_url=self._optional_text(document, ("token_info_url",)),
        )
        for field, name in (("audience", "provider"), ("service_account_impersonation_url", "service_account")):
            if document.get(field) and not any(problem.path == (field,) for problem in self.problems):
                try:
                    getattr(config, name)
                except InputError as error:
                    self._say((field,), error.message, error.hint, error.code)
        return config

    def _text(self, table: Mapping[str, Any], path: tuple[str, ...], default: str | None = None) -> str | None:
        field = path[-1]
        value = table.get(field, default)
        if not isinstance(value, str) or not value:
            self._say(path, f"`{field}` must be a non-empty string.")
        elif not _is_unicode(value):
            self._say(path, f"`{field}` holds half of a surrogate pair, which is no text that could be sent or opened.")
        else:
            return value
        return None

    def _optional_text(self, table: Mapping[str, Any], path: tuple[str, ...]) -> str | None:
        return self._text(table, path) if table.get(path[-1]) is not None else None

    def _number(self, value: object, path: tuple[str, ...], unit: str) -> int | None:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        self._say(path, f"`{path[-1]}` must be a whole number of {unit}.")
        return None

    def _lifetime(self, impersonation: object) -> int | None:
        path = ("service_account_impersonation",)
        if not isinstance(impersonation, dict):
            self._say(path, "`service_account_impersonation` must be an object.")
            return None
        lifetime = impersonation.get("token_lifetime_seconds")
        return None if lifetime is None else self._number(lifetime, (*path, "token_lifetime_seconds"), "seconds")

    def _source(self, source: object) -> CredentialSource | None:
        path = ("credential_source",)
        if not isinstance(source, dict):
            self._say(path, "`credential_source` must be an object with `file`, `url` or `executable`.")
            return None
        kinds = [kind for kind in ("file", "url", "executable") if kind in source]
        if len(kinds) != 1:
            self._say(
                path,
                f"`credential_source` must have exactly one of `file`, `url`, `executable`; it has {kinds or 'none'}.",
                "google-auth would silently pick one of them." if kinds else None,
            )
        found: CredentialSource | None = None
        if "executable" in source:
            found = self._executable(source["executable"])
        token_format = self._format(source.get("format"))
        if "file" in source:
            found = FileSource(self._text(source, (*path, "file")) or "", token_format)
        if "url" in source:
            headers = source.get("headers", {})
            if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
                self._say((*path, "headers"), "`headers` must be an object of strings.")
                headers = {}
            found = UrlSource(self._text(source, (*path, "url")) or "", tuple(headers.items()), token_format)
        return found

    def _executable(self, executable: object) -> ExecutableSource | None:
        path = ("credential_source", "executable")
        if not isinstance(executable, dict):
            self._say(path, "`executable` must be an object with `command`.")
            return None
        timeout = executable.get("timeout_millis", DEFAULT_EXECUTABLE_TIMEOUT_MILLIS)
        return ExecutableSource(
            self._text(executable, (*path, "command")) or "",
            self._number(timeout, (*path, "timeout_millis"), "milliseconds") or 0,
            self._optional_text(executable, (*path, "output_file")),
        )

    def _format(self, value: object) -> TokenFormat | None:
        path = ("credential_source", "format")
        if value is None:
            return None
        if not isinstance(value, dict):
            self._say(path, '`format` must be an object such as {"type": "text"}.')
            return None
        if "path" in value:
            self._say(
                (*path, "path"),
                "`format` has `path`, which google-auth, Node's google-auth-library and gcloud all refuse.",
                "The key is `subject_token_field_name`, and it names a top-level field only. For a nested token use "
                "`gcp-wif generate --token-response FILE --token-response-field response.id_token "
                "--credential-source-type json`, which writes the token flat.",
            )
        elif value.get("type") == "text":
            return TokenFormat("text")
        elif value.get("type") == "json":
            return TokenFormat("json", self._text(value, (*path, "subject_token_field_name")))
        else:
            self._say((*path, "type"), "`format.type` must be 'text' or 'json'.")
        return None


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
