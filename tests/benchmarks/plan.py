"""How a plan that finds nothing grows with the manifest: calls and wall time, side by side with sequential calls.

    python tests/benchmarks/plan.py [--latency MILLISECONDS] [--rounds N]

An emulator in a process of its own answers every call with that latency (20 ms by default, a round trip within a
continent). For each N the manifest has N identities with an account each, over 5 projects. Each round reads everything
once with all connections and once with one call at a time, by the same code, one after the other.

Read it by the last column: how many times faster the plan is than the same calls made one after another. The times
themselves depend on the machine, which may be shared; the ratio hardly does. ``growth`` is the time per identity
against that of the row before. The limit for calls is 2 + 2N + 5.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests
from google.auth.credentials import AnonymousCredentials

from gcp_wif.desired import Desired, from_manifest
from gcp_wif.endpoints import EMULATOR_GRPC_VARIABLE, EMULATOR_VARIABLE, Endpoints
from gcp_wif.manifest import Manifest
from gcp_wif.provisioning import Clients, RetryPolicy, observe, plan

SIZES = (1, 10, 50, 200)
PROJECTS = 5


def manifest(size: int) -> str:
    """A manifest with ``size`` identities over 5 projects."""
    text = """
version = 1
[issuer]
kind = "circleci"
organization_id = "8f3c1d52-6a0b-4c7e-9d21-5b7f3e9a1c04"
[pool]
project_id = "acme-identity"
project_number = "123456789012"
id = "circleci"
[provider]
id = "circleci-acme"
"""
    for number in range(size):
        text += f"""
[identities.id-{number}]
service_account = "deploy-{number}@acme-{number % PROJECTS}-prod.iam.gserviceaccount.com"
create = true
roles = ["roles/run.developer"]
allow = [{{ project = "{number:08x}-3c4d-4e5f-8a6b-7c8d9e0f1a2b", branch = "main" }}]
"""
    return text


def read(desired: Desired, clients: Clients, concurrency: int) -> float:
    """Seconds for one plan, which has to find nothing."""
    started = time.perf_counter()
    observed = observe(desired, clients, RetryPolicy(), concurrency=concurrency)
    found = plan(desired, observed)
    spent = time.perf_counter() - started
    if found:
        raise SystemExit(f"the plan is not empty: {found.changes[:3]}")
    return spent


def measure(size: int, latency: float, rounds: int, folder: Path) -> tuple[int, float, float]:
    """Calls, and medians in seconds: side by side, and one after another."""
    path = folder / "gcp-wif.toml"
    path.write_text(manifest(size))
    command = [sys.executable, "-m", "gcp_wif", "emulator", "--manifest", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        host = ready["http"].removeprefix("http://")
        endpoints = Endpoints.resolve({EMULATOR_VARIABLE: host, EMULATOR_GRPC_VARIABLE: ready["grpc"]})
        clients = Clients(endpoints, AnonymousCredentials(), 60.0)  # type: ignore[no-untyped-call]
        desired = from_manifest(Manifest.parse(path.read_text(), origin="benchmark"))
        read(desired, clients, 24)  # connections are made, modules loaded
        fault = {"nth": "every", "action": {"latency_ms": latency}}
        requests.post(f"{ready['http']}/emulator/faults", json={"faults": [fault]}, timeout=10).raise_for_status()
        requests.delete(f"{ready['http']}/emulator/requests", timeout=10)
        together, alone = [read(desired, clients, 24)], []
        calls = len(requests.get(f"{ready['http']}/emulator/requests", timeout=10).json()["requests"])
        for _ in range(rounds):
            alone.append(read(desired, clients, 1))
            together.append(read(desired, clients, 24))
        clients.close()
        return calls, statistics.median(together), statistics.median(alone)
    finally:
        process.terminate()
        process.wait(30)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"{'N':>4} {'calls':>6} {'limit':>6} {'plan':>9} {'growth':>7} {'one by one':>11} {'faster':>7}")
    before = None
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            calls, together, alone = measure(size, options.latency, options.rounds, Path(folder))
        growth = f"{together / size / before:.2f}" if before else ""
        before = together / size
        limit = 2 + 2 * size + min(size, PROJECTS)
        row = f"{size:>4} {calls:>6} {limit:>6} {together:>8.3f}s {growth:>7} {alone:>10.3f}s {alone / together:>6.1f}x"
        print(row)


if __name__ == "__main__":
    main()
