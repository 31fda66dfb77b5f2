"""The steps of a CircleCI job, run as CircleCI runs them: commands put in, each step in a bash of its own."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

from google_setup import Google

__all__ = ["Job", "expanded"]


def expanded(step: Any, commands: dict[str, Any]) -> list[str]:
    """The shell text of one step, its parameters put in (CircleCI, "Configuration reference", commands)."""
    name, given = next(iter(step.items())) if isinstance(step, dict) else (step, {})
    if name == "run":
        return [_shell(given) if isinstance(given, dict) else given]
    if name not in commands:
        return []  # of an orb: gcp-cli/install
    values = {key: each.get("default") for key, each in commands[name]["parameters"].items()} | given
    texts = [text for inner in commands[name]["steps"] for text in expanded(inner, commands)]
    put = [re.sub(r"(?<!\\)<<\s*parameters\.(\w+)\s*>>", lambda match: values[match[1]], text) for text in texts]
    return [text.replace("\\<<", "<<") for text in put]


def _shell(run: dict[str, Any]) -> str:
    """The command, with its environment, which is put in as it is."""
    environment = run.get("environment", {})
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items()) + run["command"]


class Job:
    """One job's steps, each in a bash of its own, as CircleCI runs them."""

    def __init__(self, folder: Path, google: Google) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self.env = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(self.home),
            "BASH_ENV": str(folder / "bash_env"),
            "CLOUDSDK_CONFIG": str(folder / "gcloud"),
            "CLOUDSDK_CORE_DISABLE_PROMPTS": "1",
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM": f"{google.emulator.http}/",
        } | google.job()
        Path(self.env["BASH_ENV"]).touch()

    def run(self, text: str) -> subprocess.CompletedProcess[str]:
        here = text.replace("/home/circleci", str(self.home))
        shell = ["bash", "-eo", "pipefail", "-c", here]
        return subprocess.run(shell, env=self.env, capture_output=True, text=True, timeout=120, check=False)
