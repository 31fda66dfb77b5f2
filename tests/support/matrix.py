"""What the client matrix shares: the emulator as Google's own hosts, the logins of one job, and one run of a client."""

import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from google_setup import Google
from long_job import LongJob

from gcp_wif.ci.export_format import NO_PROXY_VARIABLES
from gcp_wif.emulator import Emulator
from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION as ORGANIZATION_ID
from gcp_wif.refusals import RefusalKind, recognise

SOURCES = ("file", "executable", "agent")
ACCOUNTS = ("impersonation", "direct")
COLUMNS = [f"{source}, {account}" for source in SOURCES for account in ACCOUNTS]
REGISTRY = "a registry of the test's"
HOUR = 3600
TOKEN_SECONDS = 3600
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
    """One Google, and one job that has logged in in several ways. Use it in a ``with``: its agents end with it."""

    def __init__(self, emulator: Emulator, folder: Path, columns: list[str] = COLUMNS) -> None:
        self.google = Google(emulator)
        self.google.provision()
        self.folder = folder
        self.job = LongJob(self.google, folder / "job", real_hosts=True)
        self.places: dict[str, str] = {"python": sys.executable, "object": OBJECT}
        self.admitted: set[str] = set()
        self._runs = 0
        try:
            self._logins = {column: self._login(*column.split(", ")) for column in columns}
        except BaseException:
            self.job.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.job.__exit__()

    def _login(self, source: str, account: str) -> dict[str, str]:
        """The environment of the steps after `gcp-wif login`: what it exported, and nothing else of ours."""
        place = self.folder / f"{source}-{account}"
        place.mkdir()
        flags = ["--to", f"{place}/env", "--output-file", f"{place}/config.json"]
        # Behind a proxy that refuses whatever is not Google's, loopback too, as those of companies do.
        base = {name: value for name, value in self.job.env.items() if name not in NO_PROXY_VARIABLES}
        if account == "direct":
            del base["GCP_SERVICE_ACCOUNT_EMAIL"]
            flags += ["--direct", "--project-id", "acme-prod"]
        if source == "file":
            flags += ["--credential-source-file", f"{place}/token"]
        elif source == "agent":
            flags += ["--keep-fresh", "--max-hours", "168"]
        else:
            # The recipe of README: the program asks the CI system each time.
            command = f"{self.job.python} -I -m gcp_wif token --executable-response --audience {ORGANIZATION_ID}"
            flags += ["--executable-command", command]
        command = [self.job.python, "-m", "gcp_wif", "login", *flags]
        done = subprocess.run(command, env=base, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        given = {"HOME", "PATH", *(self.google.emulator.environ(real_hosts=True).keys() - {*NO_PROXY_VARIABLES})}
        step = {name: value for name, value in base.items() if name in given}
        script = f"set -a; . {shlex.quote(f'{place}/env')}; exec env -0"
        shown = subprocess.run(["bash", "-c", script], env=step, capture_output=True, timeout=20, check=True).stdout
        exported = dict(line.split("=", 1) for line in shown.decode().split("\0") if line)
        config = Path(exported["GOOGLE_APPLICATION_CREDENTIALS"]).read_text()
        assert config.count("127.0.0.1") == (1 if source == "agent" else 0)
        # A job of the CI system is what the program needs besides.
        return exported | ({"CIRCLECI": "true"} if source == "executable" else {})

    def through_six_hours(self, client: Client, **more: str) -> dict[str, str | None]:
        """Run the client in each column, and why it does not do what it should; six hours pass meanwhile.

        With a token file it runs a minute before the token ends; two minutes after, it must fail. With a program and
        with an agent it runs at the end of the six hours.
        """
        for account in ACCOUNTS:  # as the login that such a job does at its beginning
            Path(self.folder, f"file-{account}", "token").write_text(self.google.emulator.token())
        self.job.advance(TOKEN_SECONDS - 60)
        found = {column: self.run(client, column, **more) for column in COLUMNS if column.startswith("file")}
        self.job.advance(180)
        for column in [] if client.cannot else list(found):
            found[column] = found[column] or self._fails_by_its_token(client, column, **more)
            break  # with or without a service account, it is the same exchange that fails
        self.job.advance(6 * HOUR - TOKEN_SECONDS - 120)
        return found | {column: self.run(client, column, **more) for column in COLUMNS if column not in found}

    def _fails_by_its_token(self, client: Client, column: str, **more: str) -> str | None:
        """``None`` where the client fails, and the doctor knows that the token has expired.

        From the client's words, or where it keeps Google's to itself (gsutil), from what it finds in the job.
        """
        reason = self.run(client, column, **more)
        if reason is None:
            return "it works with a token that has expired"
        known = recognise(reason)
        if known and known.kind is RefusalKind.TOKEN_STALE:
            return None
        config = Path(self._logins[column]["GOOGLE_APPLICATION_CREDENTIALS"])
        told = self.job("doctor", f"--output-file={config}").stdout
        return (
            None if "Google does not accept the token's times" in told else f"the doctor says not why: {told}\n{reason}"
        )

    def run(self, client: Client, column: str, **more: str) -> str | None:
        """Run the client in a step of its own; ``None`` where it is logged in as who it should be, else why not."""
        self._runs += 1
        home = self.folder / f"run{self._runs}"
        home.mkdir()
        places = self.places | {"folder": str(home), "bucket": f"bucket-{self._runs}"}
        self.google.emulator.state.objects.put(places["bucket"], OBJECT, CONTENT.encode(), "text/plain")
        for name, text in client.files:
            (home / name).write_text(_filled(text, places))
        # A HOME of its own: gcloud keeps access tokens there, so that a later run would ask nobody. gsutil keeps them
        # where login says.
        shutil.rmtree(self.job.home / ".gcp-wif-gsutil", ignore_errors=True)
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
    columns = [*COLUMNS, "its own way"]
    width = max(map(len, [*results, "client"]))
    lines = ["  ".join([f"{'client':{width}}", *columns])]
    for name, found in results.items():
        cells = [f"{found.get(column, '-'):{len(column)}}" for column in columns]
        lines.append("  ".join([f"{name:{width}}", *cells]).rstrip())
    return lines
