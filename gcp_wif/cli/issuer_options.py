"""The flags of `init` that the kinds of issuers and CI systems bring: none is named here."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, NamedTuple

import typer

from gcp_wif import ci, issuers
from gcp_wif.cli.command import OptionGroup
from gcp_wif.errors import InputError, shown
from gcp_wif.subject_token import SubjectToken, UnverifiedClaims

__all__ = ["IssuerOptions", "Known", "known_of"]


def _fields() -> Iterator[tuple[str, Any, str, str]]:
    """Name, type, metavar and help of each flag: the keys of issuers, rule names with a flag of their own, CI files."""
    keys: dict[str, list[tuple[str, issuers.IssuerKey]]] = {}
    for kind in issuers.kinds():
        profile = issuers.profile(kind)
        for key in profile.keys:
            keys.setdefault(key.name, []).append((profile.title, key))
    for name, owners in keys.items():
        words = "; ".join(f"{title}: {key.words} ({key.where})" for title, key in owners)
        yield name, list[str] if owners[0][1].many else str, "VALUE", words
    for kind in ci.kinds():
        system = ci.system(kind)
        for flag, name in system.init_flags.items():
            yield flag, str, "VALUE", f"{system.title}: the rules' `{name}`. [default: the job's own]"
        if system.old_logins:
            words = f"From a config of {system.title} that logs in the old way; says what replaces it."
            yield f"from_{kind.replace('-', '_')}", str, "FILE", words


def _group() -> type[OptionGroup]:
    annotations: dict[str, Any] = {}
    for name, form, metavar, words in _fields():
        annotations[name] = Annotated[form | None, typer.Option(metavar=metavar, help=words)]
    return type("IssuerOptions", (OptionGroup,), {**dict.fromkeys(annotations), "__annotations__": annotations})


IssuerOptions = _group()
"""An `OptionGroup` with a field for each of these flags; ``None`` where it is not given."""


class Known(NamedTuple):
    """What is known of the issuer and of the job.

    Attributes:
        issuer: the fields of ``[issuer]``.
        rule: rule names with their values, for every identity.
        missing: the flags that give what is missing, with where a person finds it.
    """

    issuer: Mapping[str, object]
    rule: Mapping[str, str]
    missing: tuple[str, ...]


def known_of(
    options: OptionGroup,
    rules: list[str] | None,
    place: tuple[str | None, list[str] | None],
    system: tuple[str, ci.CiSystem],
    environ: Mapping[str, str],
) -> Known:
    """What flags, the job's environment and its token say, in this order.

    Args:
        options: an `IssuerOptions`.
        rules: each ``NAME=VALUE``.
        place: URL and audiences of the issuer.
        system: the kind, and the CI system whose environment this is.
        environ: the job's.

    Raises:
        InputError: WIF213 for a rule that is no pair.
    """
    kind, here = system
    profile = issuers.profile(kind)
    claims = _claims(here, environ)
    own = profile.keys_of_url(str(claims.get("iss"))) is not None
    keys = {**(profile.tenant_of(claims) if own else {}), **here.tenant(environ).keys}
    missing = []
    issuer: dict[str, object] = {"kind": kind}
    needed = (profile.url_required, profile.audience_required)
    for name, value, must in zip(("url", "audience"), place, needed, strict=True):
        if value or keys.get(name):
            issuer[name] = value or keys[name]
        elif must:
            missing.append(f"--{name} (of the issuer)")
    for key in profile.keys:
        found = getattr(options, key.name) or keys.get(key.name)
        if found:
            issuer[key.name] = found
        elif key.missing_in({each.name: getattr(options, each.name) or keys.get(each.name) for each in profile.keys}):
            missing.append(f"--{key.name.replace('_', '-')} ({profile.title}: {key.where})")
    rule = {name: value for name, value in profile.rule_of(claims).items() if own and name in profile.one_of}
    rule |= here.rule(environ)
    chosen = {name: given for flag, name in here.init_flags.items() if (given := getattr(options, flag))}
    chosen |= dict(_pair(text) for text in rules or ())
    meant = issuers.Issuer(kind, "", (), issuer)
    # What the job's environment tells may be nothing that tokens of this issuer say.
    rule = chosen if profile.rule_problem(frozenset(rule), meant) else rule | chosen
    if not any(name in profile.one_of or not profile.one_of for name in rule):
        missing.append(_rule_flag(profile, here))
    return Known(issuer, rule, tuple(missing))


def _rule_flag(profile: issuers.IssuerProfile, system: ci.CiSystem) -> str:
    for flag, name in system.init_flags.items():
        if name in profile.one_of:
            return f"--{flag.replace('_', '-')}" + (f" ({system.where[name]})" if name in system.where else "")
    names = [f"{each} ({system.where[each]})" if each in system.where else each for each in profile.one_of]
    return f"--rule NAME=VALUE (NAME is one of {', '.join(names)})" if names else "--rule CLAIM=VALUE"


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"--rule must read NAME=VALUE, but holds {shown(text)}.", code="WIF213")
    return name, value


def _claims(system: ci.CiSystem, environ: Mapping[str, str]) -> Mapping[str, Any]:
    """What the job's token says, where the environment holds one that can be read."""
    name = next((each for each in system.token_variables if environ.get(each)), None)
    return SubjectToken.parse(environ[name], origin=name).claims if name else UnverifiedClaims({})
