"""What the client matrix shares: the emulator as Google's own hosts, the logins of one job, and one run of a client."""

import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google_setup import Google

from gcp_wif.emulator import Emulator

SOURCES = ("file", "executable")
ACCOUNTS = ("impersonation", "direct")
COLUMNS = [f"{source}, {account}" for source in SOURCES for account in ACCOUNTS]
REGISTRY = "a registry of the test's"
OBJECT, CONTENT = "hello.txt", "what Storage holds"
_TOKEN = re.compile(r"ya29\.[A-Za-z0-9._-]+")


@dataclass
class Client:
    """One client, unmodified, and how it shows that it is logged in.

    Attributes:
        name: as README has it.
        commands: what it runs, in turn; ``{…}`` are the places of `Matrix.fill`.
        needs: the programs that must be there, besides the first word of each command.
        stdin: for each command.
        files: what stands in its folder.
        api: it asks this API of Google's, or `REGISTRY`; empty where it prints an access token instead.
        says: what it must print.
        cannot: the words with which it refuses, where it cannot work whatever the config says.
    """

    name: str
    commands: tuple[str, ...]
    needs: tuple[str, ...] = ()
    stdin: str = ""
    files: tuple[tuple[str, str], ...] = ()
    api: str = ""
    says: str = ""
    cannot: str = ""

    @property
    def programs(self) -> list[str]:
        first = [shlex.split(command)[0] for command in self.commands]
        return [*self.needs, *(name for name in dict.fromkeys(first) if not name.startswith("{"))]


class Matrix:
    """One Google, and one job that has logged in in four ways."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        self.google = Google(emulator)
        self.google.provision()
        self.folder = folder
        self.places: dict[str, str] = {"python": sys.executable, "object": OBJECT}
        self.admitted: set[str] = set()
        self._runs = 0
        self._logins = {column: self._login(*column.split(", ")) for column in COLUMNS}

    def _login(self, source: str, account: str) -> dict[str, str]:
        """The environment of the steps after `gcp-wif login`: what it exported, and nothing else of ours."""
        place = self.folder / f"{source}-{account}"
        (place / "home").mkdir(parents=True)
        job = {name: value for name, value in self.google.job().items() if not name.startswith("GCP_WIF_EMULATOR")}
        flags = ["--to", f"{place}/env", "--output-file", f"{place}/config.json"]
        if account == "direct":
            del job["GCP_SERVICE_ACCOUNT_EMAIL"]
            flags += ["--direct", "--project-id", "acme-prod"]
        if source == "file":
            flags += ["--credential-source-file", f"{place}/token"]
        else:
            program = Path(sys.executable).with_name("gcp-wif")
            flags += ["--executable-command", f"{program} token --executable-response"]
        google = self.google.emulator.environ(real_hosts=True)
        base = {"HOME": f"{place}/home", "PATH": os.environ["PATH"]} | google
        command = [str(Path(sys.executable).with_name("gcp-wif")), "login", *flags]
        done = subprocess.run(command, env=base | job, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        script = f"set -a; . {shlex.quote(f'{place}/env')}; exec env -0"
        shown = subprocess.run(["bash", "-c", script], env=base, capture_output=True, timeout=20, check=True).stdout
        exported = dict(line.split("=", 1) for line in shown.decode().split("\0") if line)
        assert "127.0.0.1" not in Path(exported["GOOGLE_APPLICATION_CREDENTIALS"]).read_text()
        # An executable source asks the CI system each time; here that is the token in the job's environment.
        return exported | ({"CIRCLE_OIDC_TOKEN": job["CIRCLE_OIDC_TOKEN"]} if source == "executable" else {})

    def run(self, client: Client, column: str, **more: str) -> str | None:
        """Run the client in a step of its own; ``None`` where it is logged in as who it should be, else why not."""
        self._runs += 1
        home = self.folder / f"run{self._runs}"
        home.mkdir()
        places = self.places | {"folder": str(home), "bucket": f"bucket-{self._runs}"}
        self.google.emulator.state.objects.put(places["bucket"], OBJECT, CONTENT.encode(), "text/plain")
        for name, text in client.files:
            (home / name).write_text(_filled(text, places))
        # A HOME of its own: gcloud keeps access tokens there, so that a later run would ask nobody.
        env = self._logins[column] | {"HOME": str(home), "CLOUDSDK_CORE_DISABLE_PROMPTS": "1"} | more
        self.google.emulator.gateway.clear_log()
        self.admitted.clear()
        output = ""
        for command in client.commands:
            words = [_filled(word, places) for word in shlex.split(command)]
            done = subprocess.run(
                words, env=env, input=_filled(client.stdin, places), capture_output=True, text=True, timeout=120,
                cwd=home, check=False,
            )  # fmt: skip
            if client.cannot:
                refused = done.returncode != 0 and client.cannot in done.stderr
                return None if refused else f"it was to refuse: {done.stdout}{done.stderr}"
            if done.returncode != 0:
                return f"exit code {done.returncode}: {done.stdout[-1500:]}{done.stderr[-1500:]}\n{self._asked()}"
            output += done.stdout
        assert self.google.emulator.crashes == []
        return self._judge(client, column, output)

    def _judge(self, client: Client, column: str, output: str) -> str | None:
        wanted = "federated" if column.endswith("direct") else "service account"
        if client.says not in output:
            return f"{client.says!r} is not in {output[-1500:]!r}"
        if client.api == REGISTRY:
            callers = self.admitted
        elif client.api:
            callers = {
                each["caller"] for each in self.google.emulator.requests() if each["call"].startswith(f"{client.api}.")
            }
        else:
            found = _TOKEN.search(output)
            grant = self.google.emulator.state.grant(found[0]) if found else None
            callers = {grant.kind} if grant else set()
        return None if callers == {wanted} else f"asked as {callers}, not as {wanted}\n{self._asked()}"

    def admits(self, token: str) -> bool:
        """Whether a registry lets somebody with this access token in."""
        grant = self.google.emulator.state.grant(token)
        self.admitted |= {grant.kind} if grant else {"nobody"}
        return grant is not None

    def _asked(self) -> str:
        return "\n".join(
            f"{each['method']} {each['path']} {each['status']}" for each in self.google.emulator.requests()
        )


def _filled(text: str, places: dict[str, Any]) -> str:
    for name, value in places.items():
        text = text.replace("{" + name + "}", value)
    return text


def table(results: dict[str, dict[str, str]]) -> list[str]:
    """The matrix for people."""
    columns = [*COLUMNS, "agent", "its own way"]
    width = max(map(len, [*results, "client"]))
    lines = ["  ".join([f"{'client':{width}}", *columns])]
    for name, found in results.items():
        cells = [f"{found.get(column, '-'):{len(column)}}" for column in columns]
        lines.append("  ".join([f"{name:{width}}", *cells]).rstrip())
    return lines
