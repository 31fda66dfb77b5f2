"""A manifest as text, with comments that teach. Pure."""

import json
from collections.abc import Iterable, Mapping
from typing import NamedTuple

__all__ = ["Draft", "DraftIdentity", "toml_text"]


class DraftIdentity(NamedTuple):
    """One identity to write down; ``rules`` and ``principals`` are mutually exclusive.

    Attributes:
        comment: lines above it.
        rules: each a mapping of a rule's keys to one value.
    """

    name: str
    service_account: str | None
    project_id: str | None
    create: bool = False
    roles: tuple[str, ...] = ()
    rules: tuple[Mapping[str, str], ...] = ()
    principals: tuple[str, ...] = ()
    comment: tuple[str, ...] = ()


class Draft(NamedTuple):
    """A manifest to write down.

    Attributes:
        origin: how it was made, for the first line.
        issuer: the fields of ``[issuer]``, in order.
        pool: those of ``[pool]``.
        provider: those of ``[provider]``, apart from the mapping.
        mapping: ``[provider.attribute_mapping]``.
        notes: lines at the end: what could not be taken over.
    """

    origin: str
    issuer: Mapping[str, object]
    pool: Mapping[str, object]
    provider: Mapping[str, object]
    identities: tuple[DraftIdentity, ...]
    mapping: Mapping[str, str] = {}
    notes: tuple[str, ...] = ()


def toml_text(draft: Draft) -> str:
    """The manifest, ending in a newline."""
    lines = [
        f"# Made by `{draft.origin}`.",
        "# `gcp-wif plan` shows what Google lacks, `gcp-wif apply` makes it so.",
        "version = 1",
        "",
        "[issuer]",
        *_fields(draft.issuer),
        "",
        "[pool]                                # best in a project of its own",
        *_fields(draft.pool),
        "",
        "[provider]                            # mapping and condition follow from the identities",
        *_fields(draft.provider),
    ]
    if draft.mapping:
        lines[-len(draft.provider) - 1] = "[provider]"
        lines += ["", "[provider.attribute_mapping]          # as it is in Google: identities name `principals`"]
        lines += [f"{_quoted(target)} = {_quoted(expression)}" for target, expression in draft.mapping.items()]
    for identity in draft.identities:
        lines += ["", *_identity(identity)]
    if draft.notes:
        lines += ["", *map(_comment, draft.notes)]
    return "\n".join(lines) + "\n"


def _identity(identity: DraftIdentity) -> Iterable[str]:
    yield from map(_comment, identity.comment)
    yield f"[identities.{identity.name}]"
    if identity.service_account:
        yield f"service_account = {_quoted(identity.service_account)}"
        yield f"create = {_value(identity.create)}" + (
            "" if identity.create else "    # true makes it where it is missing"
        )
    else:
        yield "direct = true                         # no account: the roles go to the principals"
        yield f"project_id = {_quoted(identity.project_id or '')}"
    if identity.roles:
        yield f"roles = {_value(list(identity.roles))}"
    else:
        yield '# roles = ["roles/run.developer"]    # granted on the project'
    if identity.principals:
        yield f"principals = {_value(list(identity.principals))}"
        return
    yield "allow = [                             # any of these; within one, all must hold"
    for rule in identity.rules:
        yield "  { " + ", ".join(f"{key} = {_quoted(text)}" for key, text in rule.items()) + " },"
    yield "]"


def _fields(fields: Mapping[str, object]) -> list[str]:
    return [f"{name} = {_value(value)}" for name, value in fields.items()]


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(each) for each in value) + "]"
    return _quoted(str(value))


def _comment(text: str) -> str:
    """A comment that ends with its line: texts in it may be those of somebody else's file."""
    return "# " + "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)


def _quoted(text: str) -> str:
    """A basic string (TOML 1.0): JSON's escapes are TOML's, and DEL, which JSON leaves alone, is escaped too."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
