"""A `circleci` for tests, from CircleCI's pages "OIDC tokens with custom claims" and "Environment CLI usage guide".

`install` puts it on a PATH. ``run oidc get --claims JSON`` asks the emulator for a token of that job with the ``aud``
that was asked for, the only claim that can be chosen, and ``env subst TEXT`` puts variables into a text.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["Program", "install"]

_PROGRAM = """#!{python} -IS
import json, os, sys, urllib.request
folder = {folder!r}
with open(folder + "/asked", "a") as file:
    file.write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1:3] == ["env", "subst"]:
    print(os.path.expandvars(sys.argv[3]))
    sys.exit()
if sys.argv[1:4] != ["run", "oidc", "get"] or sys.argv[4] != "--claims" or len(sys.argv) != 6:
    sys.exit("Error: unknown command or flag")
job = json.load(open(folder + "/job.json"))
if job is None:
    sys.exit("Error: no token for this job")
asked = json.loads(sys.argv[5])
if list(asked) != ["aud"]:
    sys.exit("Error: only aud can be customized")
body = json.dumps({{"kind": "circleci", "claims": job | asked}}).encode()
opener = urllib.request.build_opener(urllib.request.ProxyHandler({{}}))
request = urllib.request.Request({http!r} + "/emulator/tokens", body, {{"Content-Type": "application/json"}})
print(json.load(opener.open(request))["token"])
"""


class Program:
    """The program, and the job whose tokens it gives out."""

    def __init__(self, folder: Path, claims: Mapping[str, Any]) -> None:
        self.folder = folder
        self.says(claims)

    def says(self, claims: Mapping[str, Any] | None) -> None:
        """What the job's tokens say from now on; ``None`` where it gets none."""
        (self.folder / "job.json").write_text(json.dumps(claims if claims is None else dict(claims)))

    @property
    def asked(self) -> list[list[str]]:
        """The arguments of each call."""
        path = self.folder / "asked"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def audiences(self) -> list[str]:
        """The ``aud`` that each call asked for."""
        return [json.loads(each[-1])["aud"] for each in self.asked if each[:3] == ["run", "oidc", "get"]]


def install(folder: Path, http: str, claims: Mapping[str, Any]) -> Program:
    """Write the program into ``folder``; it asks the emulator at ``http`` for tokens that say ``claims``."""
    folder.mkdir(exist_ok=True)
    program = folder / "circleci"
    program.write_text(_PROGRAM.format(python=sys.executable, folder=str(folder), http=http))
    program.chmod(0o755)
    return Program(folder, claims)
