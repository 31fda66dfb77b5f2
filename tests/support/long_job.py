"""A job that outlives its token: its CI system's program, its clock, and its agents, found and ended by their numbers.

The program asks the emulator for tokens, and does what the file `mode` says: ``ok``, ``fail`` (as it does where its
server answers 500) or ``hang``. Each call is a line in `asked`.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from clocked import shim
from google_setup import Google

from gcp_wif.credential_config import CredentialConfig, UrlSource
from gcp_wif.issuers.circleci import SAMPLE_ORGANIZATION as ORGANIZATION_ID

_PROGRAM = """#!{python} -IS
import json, sys, time, urllib.request
mode = open("{folder}/mode").read()
open("{folder}/asked", "a").write(mode + "\\n")
if mode == "fail":
    sys.exit(1)
if mode == "hang":
    time.sleep(300)
claims = {{"aud": json.loads(sys.argv[sys.argv.index("--claims") + 1])["aud"]}} | json.load(open("{folder}/claims"))
body = json.dumps({{"claims": claims}}).encode()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
request = urllib.request.Request("{http}/emulator/tokens", body, {{"Content-Type": "application/json"}})
print(json.load(opener.open(request))["token"])
"""


class LongJob:
    """One job in a folder of its own. Use it in a ``with``: what it has started ends with it."""

    def __init__(self, google: Google, folder: Path, *, real_hosts: bool = False) -> None:
        self.google, self.folder = google, folder
        self.home, self.bin = folder / "home", folder / "bin"
        for each in (self.home, self.bin):
            each.mkdir(parents=True)
        (folder / "claims").write_text("{}")
        self.mode("ok")
        program = self.bin / "circleci"
        program.write_text(_PROGRAM.format(python=sys.executable, folder=folder, http=google.emulator.http))
        program.chmod(0o755)
        self._clock = folder / "clock"
        self.python = shim(self.bin / "python-with-clock", self._clock)
        job = google.job()
        del job["CIRCLE_OIDC_TOKEN"]  # it has to be asked for
        if real_hosts:
            job = {name: value for name, value in job.items() if not name.startswith("GCP_WIF_EMULATOR")}
            job |= google.emulator.environ(real_hosts=True)
        self.env = {
            "HOME": str(self.home),
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "BASH_ENV": str(folder / "bash_env"),
            "TMPDIR": str(folder),
            "CIRCLE_ORGANIZATION_ID": ORGANIZATION_ID,
            **job,
        }
        for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        self.config = self.home / "gcp_cred_config.json"
        self.log_path = self.home / "gcp_cred_config.json.agent.log"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for number in self.agents():
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)

    def __call__(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run gcp-wif in the job, with the job's clock."""
        return subprocess.run(
            [self.python, "-m", "gcp_wif", *arguments],
            env=self.env | env, cwd=self.folder, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def login(self, *flags: str, **env: str) -> subprocess.CompletedProcess[str]:
        """A login that must work."""
        done = self("login", "--keep-fresh", *flags, **env)
        assert done.returncode == 0, done.stderr
        return done

    def mode(self, text: str) -> None:
        """What the CI system's program does from now on."""
        (self.folder / "mode").write_text(text)

    @property
    def asked(self) -> list[str]:
        """What it did so far."""
        path = self.folder / "asked"
        return path.read_text().splitlines() if path.exists() else []

    def advance(self, seconds: float) -> None:
        """Let time pass, for the job and for Google."""
        self.google.emulator.advance(seconds)
        self._clock.write_text(str(float(self._clock.read_text()) + seconds))

    @property
    def now(self) -> float:
        return time.time() + float(self._clock.read_text())

    @property
    def source(self) -> UrlSource:
        """Where the config leads."""
        source = CredentialConfig.from_json(self.config.read_bytes(), origin="test").source
        assert isinstance(source, UrlSource)
        return source

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def agents(self) -> list[int]:
        """The living agents of this job, also those that were put to sleep."""
        return [number for number, words, environ in _processes() if self._is_ours(words, environ)]

    def _is_ours(self, words: str, environ: str) -> bool:
        return "gcp_wif.job.agent" in words and f"HOME={self.home}\0" in environ

    def wait(self, until: Callable[[], Any], what: str, seconds: float = 30) -> None:
        """Wait for something that happens by itself."""
        wait(until, lambda: f"{what}: {self.log if self.log_path.exists() else 'no log'}", seconds)


def wait(until: Callable[[], Any], what: Callable[[], str], seconds: float = 30) -> None:
    """Wait until something holds; fail with a word where it does not."""
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline, what()
        time.sleep(0.02)


def _processes() -> Iterator[tuple[int, str, str]]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes().decode("utf-8", "replace")
                environ = (folder / "environ").read_bytes().decode("utf-8", "replace") + "\0"
                if words:
                    yield int(folder.name), words, environ


def ask(
    source: UrlSource, *, path: str = "/", method: str = "GET", body: bytes = b"", **changes: Any
) -> tuple[int, bytes]:
    """Ask an agent as a client does; ``headers`` and ``host`` in place of the right ones."""
    import http.client
    from urllib.parse import urlsplit

    port = urlsplit(source.url).port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Host": changes.get("host", f"127.0.0.1:{port}")} | dict(changes.get("headers", source.headers))
    connection.request(method, path, body or None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()
