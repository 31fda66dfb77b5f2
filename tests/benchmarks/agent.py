"""What the agent of `login --keep-fresh` costs a job for as long as it lasts.

Run it with `make bench`. It prints the agent's resident memory, as the kernel counts it (``VmRSS``, and ``VmHWM``, the
most that it ever had), and the processor time that it took while nothing asked for anything: ticks of the kernel, and
the times that it was woken. Read the memory against the target of 25 MB and the ticks against none at all. gcp-wif is
installed for it as a job installs it, and the CI system and Google are the emulator's.

    row       what                                                          target
    memory    resident, after a login with its verification, and after
              it has asked for another token                                < 25 MB
    idle      processor time in a quiet minute                              0 ticks
    metadata  the same with --metadata-server, after it gave a token        (no target: off unless asked for)
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from startup import install

PROVIDER = "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"
ACCOUNT = "deploy@acme-prod.iam.gserviceaccount.com"
ROOT = Path(__file__).parents[2]
PROGRAM = """#!{python}
import json, sys, time, urllib.request
now = int(time.time())
times = {{"iat": now, "exp": now + int(open("{folder}/lives").read())}}
body = {{"claims": {{"aud": json.loads(sys.argv[-1])["aud"], **times}}}}
request = urllib.request.Request("{http}/emulator/tokens", json.dumps(body).encode())
request.add_header("Content-Type", "application/json")
print(json.load(urllib.request.urlopen(request))["token"])
"""


def agent_of(home: Path) -> int:
    """The number of the agent's process, which its log says."""
    log = (home / "gcp_cred_config.json.agent.log").read_text()
    found = re.search(r"process (\d+)", log)
    if found is None:
        raise SystemExit(f"the log does not name the process:\n{log}")
    return int(found[1])


def status(process: int) -> dict[str, int]:
    text = Path(f"/proc/{process}/status").read_text()
    return {name: int(value) for name, value in re.findall(r"(?m)^(\w+):\s+(\d+)(?: kB)?$", text)}


def ticks(process: int) -> int:
    words = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(words[11]) + int(words[12])


def ask(home: Path) -> None:
    """Ask the agent for its token, as a client does."""
    source = json.loads((home / "gcp_cred_config.json").read_text())["credential_source"]
    with urllib.request.urlopen(urllib.request.Request(source["url"], headers=source["headers"])) as answer:
        answer.read()


def wait_for_another_token(home: Path) -> None:
    """Wait until half of the first token's few seconds is over, and the agent has another one."""
    log, deadline = home / "gcp_cred_config.json.agent.log", time.monotonic() + 60
    while "a fresh token" not in log.read_text():
        if time.monotonic() > deadline:
            raise SystemExit(f"no other token came:\n{log.read_text()}")
        ask(home)
        time.sleep(0.5)


def measure(name: str, home: Path, seconds: int) -> None:
    process = agent_of(home)
    memory = status(process)
    print(f"{name}: resident {memory['VmRSS'] / 1000:.1f} MB, at most {memory['VmHWM'] / 1000:.1f} MB (target: < 25)")
    before, switches = ticks(process), memory["voluntary_ctxt_switches"]
    time.sleep(seconds)
    used, woken = ticks(process) - before, status(process)["voluntary_ctxt_switches"] - switches
    hertz = os.sysconf("SC_CLK_TCK")
    print(f"{name}: {used} ticks of 1/{hertz} s in {seconds} idle seconds, woken {woken} times (target: 0 ticks)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60, help="how long a quiet time is")
    options = parser.parse_args()
    if sys.platform != "linux":
        raise SystemExit("the kernel's own counts are read, and this knows Linux's")
    sys.path[:0] = [str(ROOT / "tests" / "support")]
    from google_setup import ORGANIZATION_ID, Google

    from gcp_wif.emulator import Emulator

    with tempfile.TemporaryDirectory() as name, Emulator() as running:
        google = Google(running)
        google.provision()
        folder = Path(name)
        programs = install(folder / "job", str(ROOT))
        (folder / "bin").mkdir()
        program = folder / "bin" / "circleci"
        program.write_text(PROGRAM.format(python=sys.executable, http=running.http, folder=folder))
        program.chmod(0o755)
        for row, flags in (("agent", []), ("agent with metadata server", ["--metadata-server"])):
            home = folder / row
            home.mkdir()
            job = {name: value for name, value in google.job().items() if name != "CIRCLE_OIDC_TOKEN"}
            env = job | {"HOME": str(home), "PATH": f"{folder}/bin:{os.environ['PATH']}", "BASH_ENV": f"{home}/env"}
            env["CIRCLE_ORGANIZATION_ID"] = ORGANIZATION_ID
            login = [programs / "gcp-wif", "login", "--keep-fresh", *flags]
            try:
                (folder / "lives").write_text("20")
                subprocess.run(login, env=env, check=True, capture_output=True)
                (folder / "lives").write_text("36000")
                wait_for_another_token(home)
                if flags:
                    host = re.search(r"GCE_METADATA_HOST=(\S+)", (home / "env").read_text())[1]
                    path = "computeMetadata/v1/instance/service-accounts/default/token"
                    header = {"Metadata-Flavor": "Google"}
                    urllib.request.urlopen(urllib.request.Request(f"http://{host}/{path}", headers=header)).close()
                measure(row, home, options.seconds)
            finally:
                subprocess.run([programs / "gcp-wif", "logout"], env=env, check=False, capture_output=True)


if __name__ == "__main__":
    main()
