"""How long a job waits for gcp-wif, beside gcloud and beside a Typer program that does nothing.

Run it with `make bench`. Each row pairs two programs: they run in turn, A B A B …, in one run on one machine, and what
is printed is the ratio of each pair: its median, with the lowest and the highest beside it. Read the median; a wide
spread says that the machine was busy, not that a program is slow. No time stands alone, because a time from a shared
machine means nothing on another.

    row       A                       B                          target (median)
    start-up  generate                hello-world with Typer     A/B time <= 1.1
    check     check of 20 files       hello-world with Typer     A/B time < 2
    config    generate --config-only  gcloud create-cred-config  B/A time >= 8, B/A memory >= 3
    login     login --no-verify       gcloud's two commands      B/A time >= 16

Time is wall time of the whole process. Memory is the largest resident set of a single process, as the kernel counts it
(`wait4`). gcp-wif is installed for it as a job installs it: the core alone, in a new virtual environment, because a
development environment slows every start. `--typer X Y` compares two releases of Typer by the same hello-world instead.
"""

import argparse
import base64
import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
import venv
from pathlib import Path
from typing import NamedTuple

PROVIDER = "projects/123456789012/locations/global/workloadIdentityPools/circleci/providers/circleci-acme"
ACCOUNT = "--service-account=deploy@acme-prod.iam.gserviceaccount.com"
HELLO = """
import typer
app = typer.Typer()
@app.command()
def main(name: str = "world") -> None:
    print("hello", name)
app()
"""


class Sample(NamedTuple):
    seconds: float
    kilobytes: int


def run(commands: list[list[str]], env: dict[str, str]) -> Sample:
    """Run the commands one after another: the sum of their times, the largest of their resident sets."""
    seconds, kilobytes = 0.0, 0
    for command in commands:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds += time.perf_counter() - begin
        kilobytes = max(kilobytes, usage.ru_maxrss)
        if process.returncode != 0:
            raise SystemExit(f"{command[0]} … exited with {process.returncode}; a failure is not a measurement")
    return Sample(seconds, kilobytes)


def pair(
    name: str,
    a: list[list[str]],
    b: list[list[str]],
    env: dict[str, str],
    rounds: int,
    before: list[list[str]] | None = None,
    *,
    memory: bool = True,
) -> None:
    """Run both in turn, each time after ``before``, which is not counted, and print the ratios.

    Memory says nothing where this process itself is large: the kernel counts what a child was before it became the
    program.
    """

    def once(commands: list[list[str]]) -> Sample:
        run(before or [], env)
        return run(commands, env)

    once(a), once(b)  # warm caches, not counted
    pairs = [(once(a), once(b)) for _ in range(rounds)]
    print(f"{name}: {rounds} pairs")
    found = [
        ("time   B/A", [right.seconds / left.seconds for left, right in pairs]),
        ("time   A/B", [left.seconds / right.seconds for left, right in pairs]),
    ]
    if memory:
        found.append(("memory B/A", [right.kilobytes / left.kilobytes for left, right in pairs]))
    for what, ratios in found:
        print(f"  {what}  median {statistics.median(ratios):6.2f}   ({min(ratios):.2f} to {max(ratios):.2f})")


def install(folder: Path, requirement: str) -> Path:
    """A new virtual environment with ``requirement``; returns its folder of programs."""
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", "--compile", requirement], check=True)
    return folder / "bin"


def token() -> str:
    """An unsigned token that passes the checks of `generate`; no server ever sees it."""
    organization = "8f3c1d52-1111-4222-8333-444455556666"
    claims = {"iss": f"https://oidc.circleci.com/org/{organization}", "aud": organization, "sub": "benchmark"}
    claims |= {"iat": int(time.time()), "exp": int(time.time()) + 3600}
    parts = [{"alg": "RS256", "kid": "none"}, claims]
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join([*encoded, "c2ln"])


def compare_gcloud(folder: Path, env: dict[str, str], ours: str, rounds: int) -> None:
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        print("gcloud is not installed: the rows `config` and `login` are NOT measured")
        return
    config, token_file = str(folder / "gcloud.json"), str(folder / "token")
    Path(token_file).write_text("token")
    create = [gcloud, "iam", "workload-identity-pools", "create-cred-config", PROVIDER, ACCOUNT]
    create += [f"--credential-source-file={token_file}", f"--output-file={config}"]
    sign_in = [gcloud, "auth", "login", "--brief", "--quiet", "--cred-file", config]
    config_only = [ours, "generate", "--config-only", PROVIDER, ACCOUNT]
    pair("config, gcp-wif against gcloud", [config_only], [create], env, rounds)
    pair(
        "login, gcp-wif against gcloud",
        [[ours, "login", "--no-verify", PROVIDER, ACCOUNT]],
        [create, sign_in],
        env,
        rounds,
    )


def compare_typer(folder: Path, env: dict[str, str], releases: list[str], rounds: int) -> None:
    hello = folder / "hello.py"
    hello.write_text(HELLO)
    pythons = [install(folder / release, f"typer=={release}") / "python" for release in releases]
    programs = [[[str(python), str(hello)]] for python in pythons]
    pair(f"hello-world, Typer {releases[0]} against {releases[1]}", *programs, env, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--typer", nargs=2, metavar=("X", "Y"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        env = {key: value for key, value in os.environ.items() if key in {"PATH", "LANG"}}
        env |= {"HOME": name, "CLOUDSDK_CONFIG": name, "BASH_ENV": f"{name}/env", "CIRCLE_OIDC_TOKEN": token()}
        if options.typer:
            compare_typer(folder, dict(os.environ), options.typer, options.rounds)
            return
        bin_folder = install(folder / "job", str(Path(__file__).parents[2]))
        ours, python = str(bin_folder / "gcp-wif"), str(bin_folder / "python")
        hello = folder / "hello.py"
        hello.write_text(HELLO)
        pair(
            "start-up, generate against hello-world",
            [[ours, "generate", PROVIDER, ACCOUNT]],
            [[python, str(hello)]],
            env,
            2 * options.rounds,
        )
        files = [str(folder / f"{number}.json") for number in range(19)]
        for file in files:
            run([[ours, "generate", "--config-only", PROVIDER, ACCOUNT, f"--output-file={file}"]], env)
        manifest = str(next((Path(__file__).parents[2] / "examples").glob("*/gcp-wif.toml")))
        check = [ours, "check", *files, manifest]
        pair("check of 20 files against hello-world", [check], [[python, str(hello)]], env, 2 * options.rounds)
        compare_gcloud(folder, env, ours, options.rounds)


if __name__ == "__main__":
    main()
