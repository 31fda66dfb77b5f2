"""The source of the CircleCI orb, made from the commands of `gcp-wif render orb`; run, it writes it into ``orb/src``.

The rules of a registry's orb (`review.bats` of circleci/orb-tools) want names with underscores and scripts in files of
their own. `circleci orb pack` puts these in place as they are: a ``<<`` in one is text, no parameter. So each parameter
goes through a variable of the step, as the kit's own template does it, and `circleci env subst` puts variables into a
path such as ``$HOME/token``, as the shell does with the inline command. `packed` is that program's documented work.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from gcp_wif.rendering.ci_config import render_snippet

__all__ = ["SOURCE", "made", "packed"]

SOURCE = Path(__file__).parents[2] / "orb" / "src"
_INCLUDE = re.compile(r"<<\s*include\(([-\w/.]+)\)?\s*>>")
_REQUIRED = re.compile(r"\$\{<< parameters\.(\w+) >>:\?")
_TEXT = re.compile(r"<< parameters\.(\w+) >>")
_MADE = "# Made by `make orb`, from what `gcp-wif render orb` is made of.\n"


def made() -> dict[str, str]:
    """Each file that is not written by hand, by its path below ``orb/src``."""
    commands = yaml.safe_load(render_snippet("orb"))["commands"]
    return dict(each for name, command in commands.items() for each in _files(name.replace("-", "_"), command))


def packed(source: Path = SOURCE) -> dict[str, Any]:
    """As `circleci orb pack`: folders and files are keys, and a script stands where it is included, ``<<`` escaped."""
    found: dict[str, Any] = yaml.safe_load((source / "@orb.yml").read_text())
    for folder in ("commands", "jobs", "executors", "examples"):
        files = sorted((source / folder).glob("*.yml"))
        if files:
            found[folder] = {path.stem: yaml.safe_load(path.read_text()) for path in files}
    return found | {key: _included(found[key], source) for key in ("commands", "jobs", "executors") if key in found}


def _files(name: str, command: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    (step,) = command["steps"]
    parameters, run = command["parameters"], step["run"]
    script = f"scripts/{name}.sh"
    environment = {f"PARAM_{each.upper()}": f"<< parameters.{each} >>" for each in parameters}
    step = {"run": {"name": run["name"], "environment": environment, "command": f"<<include({script})>>"}}
    text = yaml.safe_dump({**command, "steps": [step]}, sort_keys=False, width=200)
    yield f"commands/{name}.yml", _MADE + text
    yield script, "#!/bin/sh\n" + _MADE + "".join(map(_value, parameters, parameters.values())) + _body(run["command"])


def _value(name: str, parameter: Mapping[str, Any]) -> str:
    given = f'"${{PARAM_{name.upper()}}}"'
    named = parameter["type"] == "env_var_name"
    return f'{name}="$(' + (f"printenv {given} || true" if named else f"circleci env subst {given}") + ')"\n'


def _body(text: str) -> str:
    """The inline command, its parameters read from variables; where one is not set, its own name is said."""
    text = _REQUIRED.sub(lambda match: f"${{{match[1]}:?${{PARAM_{match[1].upper()}}} ", text)
    return _TEXT.sub(r"${\1}", text)


def _included(value: Any, source: Path) -> Any:
    if isinstance(value, dict):
        return {key: _included(each, source) for key, each in value.items()}
    if isinstance(value, list):
        return [_included(each, source) for each in value]
    if isinstance(value, str):
        return _INCLUDE.sub(lambda match: (source / match[1]).read_text().replace("<<", "\\<<"), value)
    return value


if __name__ == "__main__":
    for name, text in made().items():
        path = SOURCE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
