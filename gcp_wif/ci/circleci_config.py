"""An existing ``.circleci/config.yml``: where it logs in to Google Cloud the old way.

Found are the inline commands of CircleCI's page on OpenID Connect tokens, under whatever name, by the gcloud commands
in them, and the step ``setup`` of the orb ``circleci/gcp-cli`` with ``use_oidc``. Pure.

The file may be anybody's. A part of it that has another form than CircleCI's is passed over, and every name in a
`Login` is somebody's text: whoever writes it somewhere quotes it for the language there.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gcp_wif.ci import bounded_yaml
from gcp_wif.errors import InputError, shown

__all__ = ["Login", "find_logins"]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MARKS = ("create-cred-config", "gcloud auth login")
_PARAMETERS = {
    "project_number": ("project_id", "google_project_number", "project_number"),
    "pool_id": ("workload_identity_pool_id", "gcp_oidc_wip_id", "wip_id"),
    "provider_id": ("workload_identity_pool_provider_id", "gcp_oidc_wip_provider_id", "wip_provider_id"),
    "service_account": ("service_account_email", "gcp_oidc_service_account_email"),
}
_DEFAULTS = {
    "inline": {
        "project_number": "GCP_PROJECT_ID",
        "pool_id": "GCP_WIP_ID",
        "provider_id": "GCP_WIP_PROVIDER_ID",
        "service_account": "GCP_SERVICE_ACCOUNT_EMAIL",
    },
    "orb": {
        "project_number": "GOOGLE_PROJECT_NUMBER",
        "pool_id": "OIDC_WIP_ID",
        "provider_id": "OIDC_WIP_PROVIDER_ID",
        "service_account": "OIDC_SERVICE_ACCOUNT_EMAIL",
    },
}


class Login(NamedTuple):
    """One job that logs in.

    Attributes:
        job: its name.
        how: the steps that do it, as they are called in the file.
        variables: the names of the environment variables, by ``project_number``, ``pool_id``, ``provider_id`` and
            ``service_account``.
        contexts: the contexts that workflows give it, by name.
        branches: the branches that workflows restrict it to; empty where some workflow does not.
        notes: what could not be read out of the file.
    """

    job: str
    how: tuple[str, ...]
    variables: Mapping[str, str]
    contexts: tuple[str, ...]
    branches: tuple[str, ...]
    notes: tuple[str, ...]


def find_logins(text: str, *, origin: str) -> list[Login]:
    """Every job of the config that logs in to Google Cloud with a token of CircleCI's.

    Raises:
        InputError: WIF123 where it is not a CircleCI config, WIF741 where it is beyond a limit.
        MissingExtraError: WIF002, the extra ``admin`` is not installed.
    """
    config = _load(text, origin)
    commands = {name: body for name, body in _table(config, "commands").items() if isinstance(body, dict)}
    logins = {name: body for name, body in commands.items() if _mentions(body.get("steps"))}
    orbs = {name for name, source in _table(config, "orbs").items() if _text(source).startswith("circleci/gcp-cli@")}
    found = []
    for job, body in _table(config, "jobs").items():
        steps = [_step(step) for step in _list(body.get("steps"))] if isinstance(body, dict) else []
        used = [(name, given) for name, given in steps if _logs_in(name, given, logins, orbs)]
        if used:
            found.append(_login(str(job), used, logins, config))
    return found


def _load(text: str, origin: str) -> Mapping[str, Any]:
    found = bounded_yaml.load(text, origin=origin, command="init --from-circleci")
    if not isinstance(found, dict) or not isinstance(found.get("jobs"), dict):
        raise InputError(f"{origin} is not a CircleCI config: it has no jobs.", code="WIF123")
    return found


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = document.get(name)
    return found if isinstance(found, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _step(step: object) -> tuple[str, Any]:
    if isinstance(step, dict) and len(step) == 1:
        name, given = next(iter(step.items()))
        return _text(name), given
    return _text(step), None


def _mentions(steps: object, depth: int = 0) -> bool:
    """Whether a shell command in ``steps`` logs in."""
    if isinstance(steps, str):
        return any(mark in steps for mark in _MARKS)
    inner = steps.values() if isinstance(steps, dict) else steps if isinstance(steps, list) else ()
    return depth < 20 and any(_mentions(each, depth + 1) for each in inner)


def _logs_in(name: str, given: object, logins: Mapping[str, Any], orbs: set[str]) -> bool:
    orb, _, command = name.partition("/")
    if orb in orbs and command == "setup":
        return isinstance(given, dict) and given.get("use_oidc") is True
    return name in logins or (name == "run" and _mentions(given))


def _login(job: str, used: list[tuple[str, Any]], logins: Mapping[str, Any], config: Mapping[str, Any]) -> Login:
    variables: dict[str, str] = {}
    notes: list[str] = []
    for name, given in used:
        kind = "orb" if "/" in name and name not in logins else "inline"
        body = logins.get(name)
        declared = _table(body, "parameters") if isinstance(body, dict) else {}
        defaults = {parameter: spec.get("default") for parameter, spec in declared.items() if isinstance(spec, dict)}
        values = defaults | (given if isinstance(given, dict) else {})
        for field, parameters in _PARAMETERS.items():
            chosen = next((values[each] for each in parameters if isinstance(values.get(each), str)), None)
            if chosen and _VARIABLE.fullmatch(chosen):
                variables[field] = chosen
                continue
            variables.setdefault(field, _DEFAULTS[kind][field])
            if chosen:
                notes.append(f"The job {shown(job)} gives {shown(chosen)} where the name of a variable is expected.")
    contexts: dict[str, None] = {}
    branches: dict[str, None] = {}
    unrestricted = False
    for entry in _uses(job, config):
        given = entry.get("context", [])
        contexts |= dict.fromkeys(each for each in [given, *_list(given)] if isinstance(each, str))
        only = _only(entry)
        unrestricted = unrestricted or not only
        for branch in only:
            if branch.startswith("/"):
                unrestricted = True
                notes.append(f"The branch filter {shown(branch)} of {shown(job)} is a pattern, which a rule cannot be.")
            else:
                branches[branch] = None
    return Login(
        job,
        tuple(dict.fromkeys(name for name, _ in used)),
        variables,
        tuple(contexts),
        () if unrestricted else tuple(branches),
        tuple(notes),
    )


def _uses(job: str, config: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every use of the job in a workflow."""
    for workflow in _table(config, "workflows").values():
        for name, given in map(_step, _list(workflow.get("jobs") if isinstance(workflow, dict) else None)):
            if name == job:
                yield given if isinstance(given, dict) else {}


def _only(entry: Mapping[str, Any]) -> list[str]:
    only = _table(_table(entry, "filters"), "branches").get("only", [])
    return [each for each in [only, *_list(only)] if isinstance(each, str)]
