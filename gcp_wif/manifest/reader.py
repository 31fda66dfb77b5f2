"""From TOML to values: every problem is collected, with its key and what is allowed there."""

import itertools
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from urllib.parse import urlsplit

from gcp_wif.errors import shown
from gcp_wif.limits import MAX_MANIFEST_PROBLEMS, MAX_TOML_KEY_PARTS
from gcp_wif.manifest.model import (
    MAX_MANIFEST_BYTES,
    Identity,
    Issuer,
    Manifest,
    ManifestError,
    ManifestProblem,
    PoolSpec,
    ProviderSpec,
    Rule,
)
from gcp_wif.manifest.tables import LONGEST_VALUE, Fields, Table, is_value
from gcp_wif.names import PoolId, ProjectId, ProjectNumber, ProviderId, ServiceAccountEmail

__all__ = ["parse"]

_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ROLE = re.compile(r"roles/[A-Za-z0-9_.]+|(?:projects|organizations)/[a-z0-9:.-]+/roles/[A-Za-z0-9_.]+")
_IDENTITY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_PRINCIPAL = re.compile(r"(?:subject|group|attribute\.[a-z0-9_]{1,100})/(.+)", re.DOTALL)
_TARGET = re.compile(r"(?:google|attribute)\..+")
_KEY_PART = r"""(?:[A-Za-z0-9_-]++|(?<!\\)"(?:[^"\\\n]|\\.)*+"|'[^'\n]*+')"""
_LONG_KEY = re.compile(rf"(?<![A-Za-z0-9_-]){_KEY_PART}(?:[ \t]*+\.[ \t]*+{_KEY_PART}){{{MAX_TOML_KEY_PARTS},}}")
_LONGEST_EXPRESSION = 2048
_MOST_RULES = 2000

_TOP = ("version", "issuer", "pool", "provider", "identities")
_ISSUER = ("kind", "organization_id", "url", "audience")
_NAMES = ("display_name", "description", "disabled")
_POOL = ("project_id", "project_number", "id", *_NAMES)
_PROVIDER = ("id", *_NAMES, "attribute_mapping", "attribute_condition", "allow_ssh_rerun")
_IDENTITY = (
    "service_account", "direct", "project_id", "create", "roles", "allow", "principals", "allow_ssh_rerun",
    "display_name", "description", "token_lifetime_seconds",
)  # fmt: skip
_RULE = ("project", "context", "branch", "tag", "ref", "origin", "user", "pipeline_definition")
_IDS = frozenset({"project", "context", "user", "pipeline_definition"})
_REFS = {"branch": "refs/heads/", "tag": "refs/tags/", "ref": ""}
_NARROWING = ("project", "context", "origin", "pipeline_definition")


def parse(data: str | bytes, origin: str) -> Manifest:
    """See `Manifest.parse`."""
    reader = _Reader()
    found = reader.manifest(_toml(data, origin))
    if reader.problems or found is None:
        raise ManifestError(origin, _bounded(dict.fromkeys(reader.problems)))
    return found


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


class _Reader(Fields):
    def manifest(self, document: Table) -> Manifest | None:
        self._known(document, "", _TOP)
        if document.get("version") != 1 or isinstance(document.get("version"), bool):
            self._say("version", "must be 1, the only version that there is.", "WIF703")
        issuer = self._issuer(self._table(document, "issuer"))
        pool = self._pool(self._table(document, "pool"))
        ssh, provider = self._provider(self._table(document, "provider"))
        kind = self._table(document, "issuer", required=False).get("kind")
        identities = self._identities(self._table(document, "identities"), kind, ssh_default=ssh)
        if kind == "oidc" and (ssh or any(identity.allow_ssh_rerun for identity in identities.values())):
            where = "provider" if ssh else next(f"identities.{n}" for n, i in identities.items() if i.allow_ssh_rerun)
            self._say(f"{where}.allow_ssh_rerun", "belongs to the kind circleci.", "WIF705")
        if issuer is None or pool is None or provider is None or self.problems:
            return None
        self._check_principals(identities, provider)
        return Manifest(issuer, pool, provider, MappingProxyType(identities))

    # Tables

    def _issuer(self, table: Table) -> Issuer | None:
        self._known(table, "issuer", _ISSUER)
        kind = self._text(table, "issuer.kind", required=True)
        url = self._text(table, "issuer.url", required=kind == "oidc")
        audiences = self._texts(table, "issuer.audience")
        organization = self._text(table, "issuer.organization_id", required=kind == "circleci")
        if kind not in (None, "circleci", "oidc"):
            self._say("issuer.kind", f'must be "circleci" or "oidc", but is {shown(kind)}.')
        if organization is not None and not _UUID.fullmatch(organization):
            self._say("issuer.organization_id", f"must be a UUID in lower case, but is {shown(organization)}.")
        if kind == "oidc":
            if organization is not None:
                self._say("issuer.organization_id", "belongs to the kind circleci.", "WIF705")
            if "audience" not in table:
                what = "is needed: what the tokens say in `aud`; [] for the provider's own name"
                self._say("issuer.audience", f"{what}.", "WIF703")
        if url is not None and not _is_issuer(url):
            self._say("issuer.url", f"must be an https URL without query, as in `iss`, but is {shown(url)}.")
        if len(audiences) > 10 or any(len(each) > 256 for each in audiences):
            self._say("issuer.audience", "may have at most 10 values of at most 256 characters.")
        if url is not None and not _is_issuer(url):
            return None
        if kind == "circleci" and organization is not None:
            return _circleci_issuer(organization, url, audiences if "audience" in table else (organization,))
        return Issuer(kind, url, audiences) if kind and url else None

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

    def _provider(self, table: Table) -> tuple[bool, ProviderSpec | None]:
        self._known(table, "provider", _PROVIDER)
        provider_id = self._parsed(table, "provider.id", ProviderId.parse)
        names = self._names(table, "provider")
        mapping = self._mapping(self._table(table, "provider.attribute_mapping", required=False))
        condition = self._text(table, "provider.attribute_condition", empty=True)
        ssh = self._bool(table, "provider.allow_ssh_rerun")
        if provider_id is None:
            return ssh, None
        return ssh, ProviderSpec(provider_id, *names, MappingProxyType(mapping), condition)

    def _mapping(self, table: Table) -> dict[str, str]:
        """Targets to expressions; ``google.subject = …`` without quotes, a table to TOML, is understood as well."""
        found: dict[str, str] = {}
        for name, value in table.items():
            inner = value.items() if isinstance(value, dict) and name in ("google", "attribute") else ()
            for target, expression in [(f"{name}.{key}", each) for key, each in inner] or [(name, value)]:
                key = f"provider.attribute_mapping.{target}"
                if not _TARGET.fullmatch(target):
                    self._say(key, "is no target; it reads google.subject, google.groups or attribute.NAME.")
                elif not isinstance(expression, str) or not 0 < len(expression) <= _LONGEST_EXPRESSION:
                    self._say(key, f"must be a CEL expression in quotes, of at most {_LONGEST_EXPRESSION} characters.")
                elif target in found:
                    self._say(key, "is given twice.", "WIF705")
                else:
                    found[target] = expression
        return found

    def _identities(self, table: Table, kind: object, *, ssh_default: bool) -> dict[str, Identity]:
        found: dict[str, Identity] = {}
        for name in table:
            key = f"identities.{name}"
            if not _IDENTITY_NAME.fullmatch(name):
                self._say(key, "a name has letters, digits, - and _, at most 63.")
            identity = self._identity(name, self._table(table, key), kind, ssh_default=ssh_default)
            if identity is not None:
                found[name] = identity
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

    def _identity(self, name: str, table: Table, kind: object, *, ssh_default: bool) -> Identity | None:
        key = f"identities.{name}"
        self._known(table, key, _IDENTITY)
        account = self._parsed(table, f"{key}.service_account", ServiceAccountEmail.parse, required=False)
        direct, create = self._bool(table, f"{key}.direct"), self._bool(table, f"{key}.create")
        roles = self._texts(table, f"{key}.roles")
        self._check_kind(table, key, account, direct=direct, create=create)
        for role in roles:
            if not _ROLE.fullmatch(role):
                self._say(
                    f"{key}.roles", f"{shown(role)} is no role; a role reads roles/NAME or projects/ID/roles/NAME."
                )
        project = self._project(table, key, account, needed=bool(direct or create or roles))
        lifetime = table.get("token_lifetime_seconds")
        if lifetime is not None and (type(lifetime) is not int or not 600 <= lifetime <= 43_200):
            self._say(f"{key}.token_lifetime_seconds", "must be a number of seconds from 600 to 43200.")
        ssh = self._bool(table, f"{key}.allow_ssh_rerun", default=ssh_default)
        allow = self._rules(table, key, kind)
        principals = self._texts(table, f"{key}.principals")
        for principal in principals:
            match = _PRINCIPAL.fullmatch(principal)
            if match is None or not is_value(match[1]) or match[1] == "*":
                what = "must read subject/VALUE, group/VALUE or attribute.NAME/VALUE, each for one value"
                self._say(f"{key}.principals", f"{what}, but holds {shown(principal)}.")
        if bool(allow) == bool(principals) and not any(each.key.startswith(f"{key}.allow") for each in self.problems):
            self._say(f"{key}.allow", "is needed: at least one rule (or `principals`, but not both).", "WIF703")
        display, description, _ = self._names(table, key, display_limit=100)
        return Identity(
            name, account, project, create, tuple(dict.fromkeys(roles)), allow, principals, ssh, display, description,
            lifetime if isinstance(lifetime, int) else None,
        )  # fmt: skip

    def _check_kind(
        self, table: Table, key: str, account: ServiceAccountEmail | None, *, direct: bool, create: bool
    ) -> None:
        if direct and "service_account" in table:
            self._say(f"{key}.direct", "and service_account are mutually exclusive.", "WIF705")
        if not direct and "service_account" not in table:
            self._say(f"{key}.service_account", "is needed, or `direct = true` for direct federation.", "WIF703")
        if direct:
            for name in ("create", "token_lifetime_seconds", "display_name", "description"):
                if name in table:
                    self._say(f"{key}.{name}", "needs a service account; this identity is direct.", "WIF705")
        if create and account is not None and account.project_id is None:
            self._say(f"{key}.create", "only NAME@PROJECT.iam.gserviceaccount.com can be created.", "WIF705")

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

    # Rules

    def _rules(self, table: Table, key: str, kind: object) -> tuple[Rule, ...]:
        given = table.get("allow", [])
        if not isinstance(given, list) or not all(isinstance(each, dict) for each in given):
            self._say(f"{key}.allow", 'must be a list of rules such as { project = "…", branch = "main" }.')
            return ()
        rules: list[Rule] = []
        for index, rule in enumerate(given):
            where = f"{key}.allow[{index}]"
            terms = self._oidc_terms(rule, where) if kind == "oidc" else self._terms(rule, where)
            choices = [[(claim, value) for value in values] for claim, values in terms]
            combined = itertools.product(*choices)
            rules.extend(Rule(tuple(sorted(each))) for each in itertools.islice(combined, _MOST_RULES + 1) if each)
            if len(rules) > _MOST_RULES:
                self._say(where, f"lists make more than {_MOST_RULES} rules.")
                return ()
        return tuple(dict.fromkeys(rules))

    def _terms(self, rule: Table, where: str) -> list[tuple[str, tuple[str, ...]]]:
        self._known(rule, where, _RULE)
        terms: list[tuple[str, tuple[str, ...]]] = []
        refs = [name for name in _REFS if name in rule]
        if len(refs) > 1:
            self._say(where, f"{' and '.join(refs)} are mutually exclusive.", "WIF705")
        for name in _RULE:
            if name not in rule:
                continue
            values = self._values(rule, where, name, ids=name in _IDS, pattern="*?[")
            if name in _REFS:
                values = tuple(self._ref(name, value, f"{where}.{name}") for value in values)
            terms.append(("ref" if name in _REFS else name, values))
        if not any(name in rule for name in _NARROWING):
            self._say(
                where,
                f"must name at least one of {', '.join(_NARROWING)}; else it would admit the whole organisation.",
                "WIF706",
            )
        return terms

    def _oidc_terms(self, rule: Table, where: str) -> list[tuple[str, tuple[str, ...]]]:
        if not rule:
            self._say(where, "must name at least one claim: an empty rule would admit everybody.", "WIF706")
        for claim in rule:
            if not re.fullmatch(r"[\x21-\x7e]{1,200}", claim) or "'" in claim or "\\" in claim:
                self._say(f"{where}.{claim}", "is no claim's name.")
        return [(claim, self._values(rule, where, claim, pattern="*")) for claim in rule]

    def _values(self, rule: Table, rule_key: str, name: str, *, ids: bool = False, pattern: str) -> tuple[str, ...]:
        where = f"{rule_key}.{name}"
        values = self._texts(rule, where, name=name)
        for value in values:
            if ids and not _UUID.fullmatch(value):
                self._say(where, f"must be a UUID in lower case, as tokens have it, but is {shown(value)}.")
            elif not is_value(value):
                what = f"must have 1 to {LONGEST_VALUE} printable characters and no blanks"
                self._say(where, f"{what}, but is {shown(value)}.")
            elif any(letter in value for letter in pattern):
                self._say(
                    where,
                    f"{shown(value)} looks like a pattern. A principal set matches one exact value: list the values, "
                    "or map an attribute of your own in [provider] and use `principals`.",
                )
        if rule[name] == []:
            self._say(where, "must not be empty: it would admit nobody.")
        return values

    def _ref(self, name: str, value: str, where: str) -> str:
        prefix = _REFS[name]
        if prefix and value.startswith("refs/"):
            self._say(where, f"is the bare name; write ref = {shown(value)} for a whole ref.")
        if not prefix and not value.startswith("refs/"):
            self._say(where, f'begins with refs/, as in "refs/heads/main", but is {shown(value)}.')
        return prefix + value

    def _check_principals(self, identities: Mapping[str, Identity], provider: ProviderSpec) -> None:
        literal = [name for name, identity in identities.items() if identity.principals]
        if not literal:
            return
        if len(literal) < len(identities):
            rest = next(name for name in identities if name not in literal)
            self._say(
                f"identities.{rest}.allow",
                f"and the `principals` of identities.{literal[0]} are mutually exclusive: mapping and condition are "
                "either compiled for all identities or written by hand for all.",
                "WIF705",
            )
        if "google.subject" not in provider.attribute_mapping:
            self._say(
                "provider.attribute_mapping", "must map google.subject where identities use `principals`.", "WIF703"
            )


def _is_issuer(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = bool(parts.hostname) and not (parts.query or parts.fragment or parts.username or parts.password)
    return parts.scheme == "https" and plain and port != 0 and is_value(url)


def _circleci_issuer(organization: str, url: str | None, audiences: tuple[str, ...]) -> Issuer:
    base = url or f"https://oidc.circleci.com/org/{organization}"
    shared = base == "https://oidc.circleci.com"
    if not shared and urlsplit(base).path in ("", "/"):
        base = f"{base.rstrip('/')}/org/{organization}"
    return Issuer("circleci", base, audiences, organization)
