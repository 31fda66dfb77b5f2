"""From TOML to values: every problem is collected, with its key and what is allowed there."""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import urlsplit

from gcp_wif.errors import shown
from gcp_wif.install import is_command
from gcp_wif.issuers import FALLBACK, Issuer, IssuerProfile, kinds, profile
from gcp_wif.limits import (
    LIFETIME_SECONDS,
    MAX_EXPRESSION,
    MAX_MANIFEST_BYTES,
    MAX_MANIFEST_PROBLEMS,
    MAX_TOML_KEY_PARTS,
)
from gcp_wif.manifest.model import (
    Identity,
    ManifestError,
    ManifestProblem,
    PoolSpec,
    ProviderSpec,
)
from gcp_wif.manifest.rules import RuleReader
from gcp_wif.manifest.tables import Table, is_value
from gcp_wif.names import (
    ImageName,
    PoolId,
    PoolName,
    ProjectId,
    ProjectNumber,
    ProviderId,
    ProviderName,
    ServiceAccountEmail,
)

__all__ = ["Manifest"]

_ROLE = re.compile(r"roles/[A-Za-z0-9_.]+|(?:projects|organizations)/[a-z0-9:.-]+/roles/[A-Za-z0-9_.]+")
_IDENTITY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_PRINCIPAL = re.compile(r"(?:subject|group|attribute\.[a-z0-9_]{1,100})/(.+)", re.DOTALL)
_HOST = re.compile(r"[a-z0-9._:-]+")
"""As tokens have it: another spelling of a host, such as ``%2e`` for a dot, would hide whose issuer it is."""
_TARGET = re.compile(r"(?:google|attribute)\..+")
_KEY_PART = r"""(?:[A-Za-z0-9_-]++|(?<!\\)"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-]){_KEY_PART}(?:[ \t]*+\.[ \t]*+{_KEY_PART}){{{MAX_TOML_KEY_PARTS},}}")

_TOP = ("version", "install", "issuer", "pool", "provider", "identities")
_ISSUER = ("kind", "url", "audience")
_NAMES = ("display_name", "description", "disabled")
_POOL = ("project_id", "project_number", "id", *_NAMES)
_PROVIDER = ("id", *_NAMES, "attribute_mapping", "attribute_condition")
_IDENTITY = (
    "service_account", "direct", "project_id", "create", "roles", "allow", "principals",
    "display_name", "description", "token_lifetime_seconds",
)  # fmt: skip


class Manifest(NamedTuple):
    """``gcp-wif.toml``, parsed and checked."""

    issuer: Issuer
    pool: PoolSpec
    provider: ProviderSpec
    identities: Mapping[str, Identity]
    install: str | None = None
    """The shell command that installs gcp-wif in what is rendered; ``None`` for `gcp_wif.install.install_command`."""

    @classmethod
    def parse(cls, data: str | bytes, *, origin: str) -> "Manifest":
        """Parse a manifest.

        Args:
            data: TOML; bytes are UTF-8, with or without a byte order mark.
            origin: the file's name, for errors.

        Raises:
            ManifestError: WIF700, with every problem at once.
        """
        reader = _Reader()
        found = reader.manifest(_toml(data, origin))
        if reader.problems or found is None:
            raise ManifestError(origin, _bounded(dict.fromkeys(reader.problems)))
        return found

    @property
    def pool_name(self) -> PoolName:
        """The pool's resource name."""
        return PoolName(self.pool.project_number, self.pool.id)

    @property
    def provider_name(self) -> ProviderName:
        """The provider's resource name."""
        return ProviderName(self.pool.project_number, self.pool.id, self.provider.id)

    @property
    def profile(self) -> IssuerProfile:
        """What is known of the kind of issuer."""
        return profile(self.issuer.kind)


def _bounded(problems: Iterable[ManifestProblem]) -> tuple[ManifestProblem, ...]:
    every = tuple(problems)
    if len(every) <= MAX_MANIFEST_PROBLEMS:
        return every
    more = ManifestProblem("", f"There are {len(every) - MAX_MANIFEST_PROBLEMS} more problems.", "WIF704")
    return (*every[:MAX_MANIFEST_PROBLEMS], more)


def _toml(data: str | bytes, origin: str) -> Table:
    import tomllib

    try:
        if len(data) > MAX_MANIFEST_BYTES:
            raise ManifestError(
                origin, (ManifestProblem("", f"It is larger than {MAX_MANIFEST_BYTES} bytes.", "WIF701"),)
            )
        text = data.decode("utf-8-sig") if isinstance(data, bytes) else data.removeprefix("\ufeff")
        if _LONG_KEY.search(text):
            what = f"A key in it has more than {MAX_TOML_KEY_PARTS} parts."
            raise ManifestError(origin, (ManifestProblem("", what, "WIF701"),))
        return tomllib.loads(text.replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        what = f"It is not UTF-8 (byte {error.start})."
    except tomllib.TOMLDecodeError as error:
        what = f"It is not TOML: {error}"
    except RecursionError:
        what = "It is nested too deeply."
    except ValueError:  # Python refuses to read integers of more than 4,300 digits
        what = "It holds a number of thousands of digits."
    raise ManifestError(origin, (ManifestProblem("", what, "WIF701"),)) from None


class _Reader(RuleReader):
    def manifest(self, document: Table) -> Manifest | None:
        self._known(document, "", _TOP)
        if document.get("version") != 1 or isinstance(document.get("version"), bool):
            code = "WIF704" if "version" in document else "WIF703"
            self._say("version", "must be 1, the only version that there is: version = 1", code)
        install = self._text(document, "install")
        if install is not None and not is_command(install):
            self._say("install", "must be one line of a shell script, the command that installs gcp-wif.")
        table = self._table(document, "issuer")
        kind, named = self._profile(table)
        issuer = self._issuer(table, kind) if named else None
        pool = self._pool(self._table(document, "pool"))
        lifted, provider = self._provider(self._table(document, "provider"), kind)
        identities = self._identities(self._table(document, "identities"), kind, issuer, lifted)
        if issuer is None or pool is None or provider is None or self.problems:
            return None
        self._check_principals(identities, provider, issuer)
        self._check_images(identities, provider, issuer)
        return Manifest(issuer, pool, provider, MappingProxyType(identities), install)

    # Tables

    def _profile(self, table: Table) -> tuple[IssuerProfile, bool]:
        """The kind's profile; where it is none, the likeliest one, so that the rest is still looked at."""
        kind = self._text(table, "issuer.kind", required=True)
        if kind is None:
            return profile(FALLBACK), False
        if kind in kinds():
            return profile(kind), True
        import difflib

        listed = ", ".join(f'"{each}"' for each in kinds())
        self._say("issuer.kind", f"must be one of {listed}, but is {shown(kind)}.")
        near = difflib.get_close_matches(kind.lower(), kinds(), 1, 0.5)
        return profile(near[0] if near else FALLBACK), bool(near)

    def _issuer(self, table: Table, kind: IssuerProfile) -> Issuer | None:
        keys = {each.name: each for each in kind.keys}
        self._known_or_foreign(table, "issuer", (*_ISSUER, *keys), kind)
        url = self._text(table, "issuer.url", required=kind.url_required)
        audiences = self._texts(table, "issuer.audience")
        found: dict[str, str | tuple[str, ...]] = {}
        for name, each in keys.items():
            where = f"issuer.{name}"
            needed = each.missing_in(table) and each.name not in table
            given = self._texts(table, where) if each.many else self._text(table, where)
            if needed:
                self._say(where, f"is needed, or {each.instead}." if each.instead else "is needed.", "WIF703")
            values = given if isinstance(given, tuple) else (given,) if given else ()
            wrong = next((value for value in values if not each.form.fullmatch(value)), None)
            if wrong is not None:
                self._say(where, f"must be {each.words}, but is {shown(wrong)}.")
            elif given:
                found[name] = given
        if kind.audience_required and "audience" not in table:
            what = "is needed: what the tokens say in `aud`; [] for the provider's own name"
            self._say("issuer.audience", f"{what}.", "WIF703")
        if url is not None and not _is_issuer(url):
            self._say("issuer.url", f"must be an https URL without query, as in `iss`, but is {shown(url)}.")
            return None
        if len(audiences) > 10 or any(len(each) > 256 for each in audiences):
            self._say("issuer.audience", "may have at most 10 values of at most 256 characters.")
        missing = [each.name for each in kind.keys if each.missing_in(found)]
        if missing or (kind.url_required and url is None):
            return None
        return kind.issuer(found, url, audiences if "audience" in table else None)

    def _known_or_foreign(self, table: Table, key: str, names: tuple[str, ...], kind: IssuerProfile) -> None:
        """Refuse unknown keys; one that belongs to another kind is said to."""
        foreign = {}
        for name in table.keys() - set(names):
            owners = [each for each in kinds() if each != kind.kind and name in _own_keys(profile(each), key)]
            if owners:
                foreign[name] = owners
                self._say(f"{key}.{name}", f"belongs to the kind {' or '.join(owners)}.", "WIF705")
        self._known({name: value for name, value in table.items() if name not in foreign}, key, names)

    def _pool(self, table: Table) -> PoolSpec | None:
        self._known(table, "pool", _POOL)
        if isinstance(table.get("project_number"), int):
            self._say("pool.project_number", "must be in quotes, as a string.")
            table = {key: value for key, value in table.items() if key != "project_number"} | {"project_number": "1"}
        project = self._parsed(table, "pool.project_id", ProjectId.parse)
        number = self._parsed(table, "pool.project_number", ProjectNumber.parse)
        pool_id = self._parsed(table, "pool.id", PoolId.parse)
        names = self._names(table, "pool")
        return PoolSpec(project, number, pool_id, *names) if project and number and pool_id else None

    def _provider(self, table: Table, kind: IssuerProfile) -> tuple[frozenset[str], ProviderSpec | None]:
        self._known_or_foreign(table, "provider", (*_PROVIDER, *_own_keys(kind, "provider")), kind)
        provider_id = self._parsed(table, "provider.id", ProviderId.parse)
        names = self._names(table, "provider")
        mapping = self._mapping(self._table(table, "provider.attribute_mapping", required=False))
        condition = self._text(table, "provider.attribute_condition", empty=True)
        lifted = self._lifted(table, "provider", kind, frozenset())
        if provider_id is None:
            return lifted, None
        return lifted, ProviderSpec(provider_id, *names, MappingProxyType(mapping), condition)

    def _lifted(self, table: Table, key: str, kind: IssuerProfile, default: frozenset[str]) -> frozenset[str]:
        found = {
            each.name: self._bool(table, f"{key}.{each.key}", default=each.name in default) for each in kind.guards
        }
        return frozenset(name for name, is_lifted in found.items() if is_lifted)

    def _mapping(self, table: Table) -> dict[str, str]:
        """Targets to expressions; ``google.subject = …`` without quotes, a table to TOML, is understood as well."""
        found: dict[str, str] = {}
        for name, value in table.items():
            inner = value.items() if isinstance(value, dict) and name in ("google", "attribute") else ()
            for target, expression in [(f"{name}.{key}", each) for key, each in inner] or [(name, value)]:
                key = f"provider.attribute_mapping.{target}"
                if not _TARGET.fullmatch(target):
                    self._say(key, "is not a valid target: google.subject, google.groups or attribute.NAME.")
                elif not isinstance(expression, str) or not 0 < len(expression) <= MAX_EXPRESSION:
                    self._say(key, f"must be a CEL expression in quotes, of at most {MAX_EXPRESSION} characters.")
                elif target in found:
                    self._say(key, "is given twice.", "WIF705")
                else:
                    found[target] = expression
        return found

    def _identities(
        self, table: Table, kind: IssuerProfile, issuer: Issuer | None, lifted: frozenset[str]
    ) -> dict[str, Identity]:
        found: dict[str, Identity] = {}
        for name in table:
            key = f"identities.{name}"
            if not _IDENTITY_NAME.fullmatch(name):
                self._say(key, "a name has letters, digits, - and _, at most 63.")
            found[name] = self._identity(name, self._table(table, key), kind, issuer, lifted)
        if not table and not any(problem.key == "identities" for problem in self.problems):
            self._say("identities", "is needed: at least one table such as [identities.deploy].", "WIF703")
        owners: dict[str, str] = {}
        for name, identity in found.items():
            if identity.service_account and (other := owners.setdefault(identity.service_account, name)) != name:
                self._say(
                    f"identities.{name}.service_account",
                    f"is that of identities.{other} too. One table per account: put all its rules into `allow`.",
                    "WIF705",
                )
        return found

    def _identity(
        self, name: str, table: Table, kind: IssuerProfile, issuer: Issuer | None, lifted: frozenset[str]
    ) -> Identity:
        key = f"identities.{name}"
        self._known_or_foreign(table, key, (*_IDENTITY, *_own_keys(kind, key)), kind)
        account = self._parsed(table, f"{key}.service_account", ServiceAccountEmail.parse, required=False)
        direct, create = self._bool(table, f"{key}.direct"), self._bool(table, f"{key}.create")
        roles = self._texts(table, f"{key}.roles")
        self._check_kind(table, key, account, direct=direct, create=create)
        for role in roles:
            if not _ROLE.fullmatch(role):
                self._say(f"{key}.roles", f"{shown(role)} is not a valid role: roles/NAME or projects/ID/roles/NAME.")
        project = self._project(table, key, account, needed=bool(direct or create or roles))
        lifetime = table.get("token_lifetime_seconds")
        if lifetime is not None and (type(lifetime) is not int or lifetime not in LIFETIME_SECONDS):
            least, most = LIFETIME_SECONDS[0], LIFETIME_SECONDS[-1]
            self._say(f"{key}.token_lifetime_seconds", f"must be a number of seconds from {least} to {most}.")
        own_lifted = self._lifted(table, key, kind, lifted)
        allow = self._rules(table, key, kind, issuer)
        self._check_guards(allow, key, kind, own_lifted)
        principals = self._texts(table, f"{key}.principals")
        for principal in principals:
            match = _PRINCIPAL.fullmatch(principal)
            if match is None or not is_value(match[1]) or match[1] == "*":
                what = "must read subject/VALUE, group/VALUE or attribute.NAME/VALUE, each for one value"
                self._say(f"{key}.principals", f"{what}, but holds {shown(principal)}.")
        if bool(allow) == bool(principals) and not any(each.key.startswith(f"{key}.allow") for each in self.problems):
            self._say(f"{key}.allow", "is needed: at least one rule (or `principals`, but not both).", "WIF703")
        display, description, _ = self._names(table, key, display_limit=100)
        image = self._parsed(table, f"{key}.image", ImageName.parse, required=False) if kind.pulls_images else None
        return Identity(
            name, account, project, create, tuple(dict.fromkeys(roles)), allow, principals, own_lifted, display,
            description, lifetime if isinstance(lifetime, int) else None, image,
        )  # fmt: skip

    def _check_kind(
        self, table: Table, key: str, account: ServiceAccountEmail | None, *, direct: bool, create: bool
    ) -> None:
        if direct and "service_account" in table:
            self._say(f"{key}.direct", "and service_account are mutually exclusive.", "WIF705")
        if not direct and "service_account" not in table:
            self._say(f"{key}.service_account", "is needed, or `direct = true` for direct federation.", "WIF703")
        if direct:
            for name in ("create", "token_lifetime_seconds", "display_name", "description", "image"):
                if name in table:
                    self._say(f"{key}.{name}", "needs a service account; this identity is direct.", "WIF705")
        if create and account is not None and account.project_id is None:
            self._say(f"{key}.create", "only NAME@PROJECT.iam.gserviceaccount.com can be created.", "WIF705")

    def _check_images(self, identities: Mapping[str, Identity], provider: ProviderSpec, issuer: Issuer) -> None:
        problem = profile(issuer.kind).pull_problem(issuer, provider.attribute_mapping.get("google.subject"))
        for name, identity in identities.items():
            if identity.image is not None and problem is not None:
                self._say(f"identities.{name}.image", problem, "WIF705")

    def _project(
        self, table: Table, key: str, account: ServiceAccountEmail | None, *, needed: bool
    ) -> ProjectId | None:
        given = self._parsed(table, f"{key}.project_id", ProjectId.parse, required=False)
        own = account.project_id if account else None
        if given and own and given != own:
            self._say(f"{key}.project_id", f"is {given}, but the account is in {own}.", "WIF705")
        if not (given or own) and needed and "project_id" not in table:
            self._say(f"{key}.project_id", "is needed: where the roles are granted.", "WIF703")
        return given or own

    def _names(self, table: Table, key: str, display_limit: int = 32) -> tuple[str | None, str | None, bool]:
        display = self._text(table, f"{key}.display_name", empty=True, limit=display_limit)
        description = self._text(table, f"{key}.description", empty=True, limit=256)
        return display, description, self._bool(table, f"{key}.disabled")


def _own_keys(kind: IssuerProfile, key: str) -> tuple[str, ...]:
    """The keys that a kind adds to the table ``key``."""
    if key == "issuer":
        return tuple(each.name for each in kind.keys)
    image = ("image",) if kind.pulls_images and key.startswith("identities.") else ()
    return (*(each.key for each in kind.guards), *image)


def _is_issuer(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = bool(_HOST.fullmatch(parts.hostname or "")) and not re.search("[?#@]", url)
    return parts.scheme == "https" and plain and port != 0 and is_value(url)
