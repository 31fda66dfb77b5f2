"""`login --keep-fresh` in a job of hours, and what can happen to its agent.

Each time nothing is left, nothing leaks, and the next login repairs it.

The clock of the job and of Google is moved, and the CI system's program answers or not. Agents are real processes.
"""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from long_job import LongJob, ask, wait

from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import InputError
from gcp_wif.job.agent import launch
from gcp_wif.job.context import Context
from gcp_wif.job.flags import GenerateFlags, KeepFlags, SourceFlags, TargetFlags, TokenFlags
from gcp_wif.job.generate import generate
from gcp_wif.job.keeper import Keeper
from gcp_wif.job.target import resolve_target

HOUR = 3600
WRITTEN = [
    ".gcp-wif-receipt.json",
    "gcp_cred_config.json",
    "gcp_cred_config.json.agent.log",
    "gcp_cred_config.json.boto",
]


@pytest.fixture
def job(google, tmp_path: Path) -> Iterator[LongJob]:
    with LongJob(google, tmp_path / "job") as made:
        yield made


def run(job: LongJob, command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=job.env, capture_output=True, text=True, timeout=60, check=False)


def left(job: LongJob) -> list[str]:
    return sorted(each.name for each in job.home.iterdir())


class TestFreshness:
    def test_each_hour_of_six_has_a_token_that_google_takes(self, job: LongJob) -> None:
        job.login()
        seen = set()
        for _ in range(7):
            assert job("verify").returncode == 0
            seen.add(ask(job.source)[1])
            job.advance(HOUR)
        assert len(seen) == 7
        assert len(job.agents()) == 1

    def test_a_client_that_lives_as_long_as_the_job_refreshes_each_hour(self, job: LongJob) -> None:
        """google-auth, one process for six hours, with the job's clock; another login comes in between."""
        job.login()
        script = (
            "import sys, datetime, google.auth, google.auth._helpers as h, google.auth.transport.requests as r\n"
            "real = h.utcnow\n"
            f"ahead = lambda: float(open({str(job.folder / 'clock')!r}).read())\n"
            "h.utcnow = lambda: real() + datetime.timedelta(seconds=ahead())\n"
            "c, _ = google.auth.default(scopes=['https://www.googleapis.com/auth/cloud-platform'])\n"
            "for _ in sys.stdin: c.refresh(r.Request()); print(c.token, flush=True)\n"
        )
        base = {name: job.env[name] for name in ("HOME", "PATH", "BASH_ENV")}
        command = ["bash", "-c", 'exec "$0" -c "$1"', sys.executable, script]
        with subprocess.Popen(command, env=base, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
            tokens = set()
            for hour in range(7):
                client.stdin.write("\n")
                client.stdin.flush()
                tokens.add(client.stdout.readline())
                job.advance(HOUR)
                if hour == 3:
                    job.login()
            client.stdin.close()
        assert (client.returncode, len(tokens)) == (0, 7)

    def test_a_token_is_served_until_half_of_its_life_is_over(self, job: LongJob) -> None:
        job.login()
        job.advance(0.45 * HOUR)
        assert job.asked == ["ok"]
        first = ask(job.source)[1]
        job.advance(0.1 * HOUR)
        job.wait(lambda: ask(job.source)[1] != first, "no other token came")
        assert job.asked == ["ok", "ok"]

    def test_the_program_of_a_system_with_short_tokens_is_asked_in_time(self, job: LongJob) -> None:
        now = job.now
        (job.folder / "claims").write_text(json.dumps({"iat": int(now), "exp": int(now) + 300}))
        job.login()
        job.advance(200)
        (job.folder / "claims").write_text("{}")
        first = ask(job.source)[1]
        job.wait(lambda: ask(job.source)[1] != first, "no other token came")

    def test_the_next_step_needs_no_variable_but_the_exports(self, job: LongJob, google) -> None:
        job.login()
        script = (
            "import google.auth, google.auth.transport.requests as r\n"
            "c, p = google.auth.default(scopes=['https://www.googleapis.com/auth/cloud-platform'])\n"
            "c.refresh(r.Request()); print(p, c.token[:5])"
        )
        base = {name: job.env[name] for name in ("HOME", "PATH", "BASH_ENV")}
        done = subprocess.run(
            ["bash", "-c", '"$0" -c "$1"', sys.executable, script],
            env=base, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.stdout == "acme-prod ya29.\n", done.stderr
        assert "ALLOW_EXECUTABLES" not in (job.folder / "bash_env").read_text()


class TestOneAgent:
    def test_a_second_login_shares_it_and_keeps_the_address(self, job: LongJob) -> None:
        first = json.loads(job.login("--json").stdout)["agent"]
        source, agents = job.source, job.agents()
        second = json.loads(job.login("--json").stdout)["agent"]
        assert (first["shared"], second["shared"]) == (False, True)
        assert (job.source, job.agents()) == (source, agents)
        assert left(job) == WRITTEN

    def test_a_second_login_counts_its_hours_anew(self, job: LongJob) -> None:
        job.login("--max-hours=1")
        job.login("--max-hours=3")
        job.advance(2 * HOUR)
        assert ask(job.source)[0] == 200

    def test_logins_at_the_same_time_leave_one(self, job: LongJob) -> None:
        command = [job.python, "-m", "gcp_wif", "login", "--keep-fresh"]
        runs = [subprocess.Popen(command, env=job.env, stderr=subprocess.DEVNULL) for _ in range(4)]
        assert [run.wait(60) for run in runs].count(0) >= 1
        job.wait(lambda: len(job.agents()) == 1, "not one agent")
        assert ask(job.source)[0] == 200
        assert job("verify").returncode == 0
        assert left(job) == WRITTEN

    def test_another_config_has_another_agent(self, job: LongJob) -> None:
        job.login()
        other = job.folder / "other.json"
        job.login(f"--output-file={other}", "--to", str(job.folder / "other_env"))
        assert len(job.agents()) == 2
        assert job("logout", f"--output-file={other}", "--to", str(job.folder / "other_env")).returncode == 0
        assert len(job.agents()) == 1
        assert ask(job.source)[0] == 200

    def test_a_login_with_a_file_in_its_place_ends_it(self, job: LongJob) -> None:
        job.login()
        token = job("token").stdout.strip()
        assert job("login", CIRCLE_OIDC_TOKEN=token).returncode == 0
        job.wait(lambda: not job.agents(), "it lives on")
        assert left(job) == [*WRITTEN[:2], WRITTEN[3], "oidc_token"]


class TestItsEnd:
    def test_logout(self, job: LongJob) -> None:
        job.login()
        source = job.source
        done = job("logout", "--json")
        assert (done.returncode, json.loads(done.stdout)["agent_ended"]) == (0, True)
        assert job.agents() == []
        assert left(job) == []
        with pytest.raises(ConnectionRefusedError):
            ask(source)
        assert json.loads(job("logout", "--json").stdout)["agent_ended"] is False

    def test_the_end_of_the_job_takes_everything_along(self, job: LongJob) -> None:
        """The job's program starts each step; steps end, and the agent lives on until that program ends, too."""
        agent = job.bin / "circleci-agent"
        agent.symlink_to("/bin/bash")
        script = f'"{job.python}" -m gcp_wif login --keep-fresh; echo done; read end'
        with subprocess.Popen(
            [agent, "-c", script], env=job.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as whole:
            assert whole.stdout.readline() == b"done\n"
            assert ask(job.source)[0] == 200
            whole.communicate(b"\n", timeout=30)
        job.wait(lambda: not job.agents(), "it lives on")
        assert left(job) == []

    def test_a_step_that_waits_for_its_streams_does_not_hang(self, job: LongJob) -> None:
        """What starts a step reads its output to the end, which must not be the agent's end."""
        done = subprocess.run(
            ["sh", "-c", f'"{job.python}" -m gcp_wif login --keep-fresh'],
            env=job.env, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0
        (agent,) = job.agents()
        assert os.getsid(agent) not in {os.getsid(0), os.getpid()}
        streams = {str(Path(f"/proc/{agent}/fd/{number}").readlink()) for number in (0, 1, 2)}
        assert streams == {"/dev/null"}
        assert Path(f"/proc/{agent}/cwd").readlink() == Path("/")

    def test_a_shell_that_leaves_does_not_take_it_along(self, job: LongJob) -> None:
        job.login()
        (agent,) = job.agents()
        for number in (signal.SIGHUP, signal.SIGINT):
            os.kill(agent, number)
        assert ask(job.source)[0] == 200

    def test_its_hours(self, job: LongJob) -> None:
        job.login("--max-hours=2")
        job.advance(1.9 * HOUR)
        assert ask(job.source)[0] == 200
        job.advance(0.2 * HOUR)
        job.wait(lambda: not job.agents(), "it lives on")
        assert "its hours are over" in job.log

    @pytest.mark.parametrize("hours", ["0", "-1", "169", "nan", "inf"])
    def test_hours_that_are_none(self, job: LongJob, hours: str) -> None:
        done = job("login", "--keep-fresh", f"--max-hours={hours}")
        assert (done.returncode, "--max-hours" in done.stderr, left(job)) == (2, True, [])

    def test_a_config_that_is_gone(self, job: LongJob) -> None:
        job.login()
        job.config.unlink()
        job.wait(lambda: not job.agents(), "it lives on")
        assert left(job) == [WRITTEN[0], WRITTEN[3]]
        job.login()
        assert job("verify").returncode == 0
        assert left(job) == WRITTEN

    def test_a_log_that_is_gone(self, job: LongJob) -> None:
        """Its lock is what says that there is an agent; another login would start a second one."""
        job.login()
        job.log_path.unlink()
        job.wait(lambda: not job.agents(), "it lives on")

    def test_sigterm(self, job: LongJob) -> None:
        job.login()
        os.kill(job.agents()[0], signal.SIGTERM)
        job.wait(lambda: not job.agents(), "it lives on", 3)
        assert "SIGTERM" in job.log

    def test_after_sigkill_the_next_login_repairs_it(self, job: LongJob) -> None:
        job.login()
        before = job.source
        os.kill(job.agents()[0], signal.SIGKILL)
        job.wait(lambda: not job.agents(), "it lives on")
        refused = job("verify")
        assert (refused.returncode, "login --keep-fresh" in refused.stderr) == (3, True), refused.stderr
        job.login()
        assert len(job.agents()) == 1
        assert ask(job.source)[0] == 200
        assert job.source.headers != before.headers, "whoever has taken the port has seen the old secret"
        assert left(job) == WRITTEN
        os.kill(job.agents()[0], signal.SIGKILL)
        job.wait(lambda: not job.agents(), "it lives on")
        assert json.loads(job("logout", "--json").stdout)["agent_ended"] is False
        assert left(job) == []

    def test_a_refused_login_leaves_none(self, job: LongJob) -> None:
        job.google.provision(condition="false")
        done = job("login", "--keep-fresh")
        assert (done.returncode, "WIF508" in done.stderr) == (1, True)
        assert job.agents() == []
        assert (job.folder / "bash_env").read_text() == ""

    def test_a_login_that_fails_inside_a_program_that_goes_on(self, job: LongJob, monkeypatch) -> None:
        """Nothing but the login itself can end the agent then."""

        def full(*_: object, **__: object) -> tuple[str, ...]:
            assert len(job.agents()) == 1
            raise InputError("the disk is full", code="WIF304")

        context = Context(job.env, str(job.folder), io.BytesIO(), time.time)
        target = resolve_target(TargetFlags(), job.env)
        endpoints = Endpoints.resolve(job.env)
        monkeypatch.setattr("gcp_wif.job.generate.write_private", full)
        monkeypatch.setenv("PATH", job.env["PATH"])
        with pytest.raises(InputError):
            generate(target, GenerateFlags(SourceFlags(), TokenFlags()), endpoints, context, keeper=Keeper(KeepFlags()))
        job.wait(lambda: not job.agents(), "it lives on")

    def test_an_agent_that_sleeps_is_named(self, job: LongJob, monkeypatch: pytest.MonkeyPatch) -> None:
        job.login()
        (agent,) = job.agents()
        os.kill(agent, signal.SIGSTOP)
        monkeypatch.setattr(launch, "AGENT_START_SECONDS", 0.5)
        with pytest.raises(InputError) as caught:
            launch.end(job.config)
        assert (caught.value.code, str(job.log_path) in str(caught.value.hint)) == ("WIF014", True)
        os.kill(agent, signal.SIGCONT)


class TestACiSystemThatFails:
    def test_for_a_while(self, job: LongJob) -> None:
        job.login()
        token = ask(job.source)[1]
        job.mode("fail")
        job.advance(0.6 * HOUR)
        job.wait(lambda: "fail" in job.asked, "it was not asked")
        job.wait(lambda: "no fresh token" in job.log, "nothing is said")
        assert ask(job.source) == (200, token), "the old token is good for 24 minutes more"
        assert "WIF603" in job.log
        job.mode("ok")
        job.advance(60)
        job.wait(lambda: ask(job.source)[1] != token, "no other token came")

    def test_for_longer_than_the_token_lives(self, job: LongJob) -> None:
        job.login()
        job.mode("fail")
        job.advance(1.1 * HOUR)
        status, told = ask(job.source)
        assert (status, b"expired" in told) == (503, True)
        refused = job("verify")
        assert (refused.returncode, "WIF602" in refused.stderr) == (3, True), refused.stderr
        job.mode("ok")
        job.advance(5)
        assert ask(job.source)[0] == 200

    def test_it_is_not_asked_again_and_again(self, job: LongJob) -> None:
        """The pauses double from five seconds to a minute, by the clock that stands still here."""
        job.login()
        job.mode("fail")
        job.advance(1.1 * HOUR)
        assert ask(job.source)[0] == 503
        for _ in range(20):
            assert ask(job.source)[0] == 503
        assert job.asked.count("fail") <= 2
        asked = []
        for _ in range(8):
            before = job.asked.count("fail")
            job.advance(61)
            ask(job.source)
            asked.append(job.asked.count("fail") - before)
        assert max(asked) == 1

    def test_a_program_that_hangs_does_not_hold_a_good_token_back(self, job: LongJob) -> None:
        job.login()
        token = ask(job.source)[1]
        job.mode("hang")
        job.advance(0.6 * HOUR)
        job.wait(lambda: "hang" in job.asked, "it was not asked")
        begun = time.monotonic()
        assert ask(job.source) == (200, token)
        assert time.monotonic() - begun < 5
        assert job("logout").returncode == 0
        job.wait(lambda: not job.agents(), "something is left")

    def test_that_gives_none_for_an_hour_means_that_the_job_is_over(self, job: LongJob) -> None:
        job.login()
        job.mode("fail")
        job.advance(1.1 * HOUR)
        job.wait(lambda: "no fresh token" in job.log, "it was not asked")
        job.advance(1.1 * HOUR)
        job.wait(lambda: not job.agents(), "it lives on")
        assert "no token has come for too long" in job.log

    def test_that_gives_a_token_of_another_organisation(self, job: LongJob) -> None:
        job.login()
        token = ask(job.source)[1]
        claims = {"iss": "https://oidc.circleci.com/org/11111111-2222-4333-8444-555555555555"}
        (job.folder / "claims").write_text(json.dumps(claims))
        job.advance(0.6 * HOUR)
        job.wait(lambda: "WIF206" in job.log, "it was taken")
        assert ask(job.source) == (200, token)

    def test_one_that_gives_no_second_token_is_refused_with_what_to_do(self, job: LongJob) -> None:
        """A job of no CI system stands for all that have nobody to ask."""
        job.env = {name: value for name, value in job.env.items() if not name.startswith("CIRCLE")}
        done = job("login", "--keep-fresh", "--ci", "oidc")
        assert (done.returncode, "WIF211" in done.stderr, left(job), job.agents()) == (2, True, [], [])
        assert "--token-env" in done.stderr


class TestRefusedFlags:
    @pytest.mark.parametrize(
        "flags",
        [
            ["--keep-fresh", "--token-env=X"],
            ["--keep-fresh", "--token-stdin"],
            ["--keep-fresh", "--credential-source-file=/x/y"],
            ["--keep-fresh", "--credential-source-url=https://x.example"],
            ["--keep-fresh", "--executable-command=/bin/true"],
            ["--keep-fresh", "--config-only", "--no-verify"],
            ["--max-hours=1"],
            ["--metadata-server"],
        ],
    )  # fmt: skip
    def test_that_do_not_go_together(self, job: LongJob, flags: list[str]) -> None:
        done = job("login", *flags)
        assert (done.returncode, "WIF110" in done.stderr, left(job)) == (2, True, [])
        assert job.agents() == []


class TestAFullDisk:
    """A file system of the test's own, as in `test_files_under_fire`."""

    @pytest.fixture
    def unshared(self, require_client) -> list[str]:
        require_client("unshare", proves="what an agent does on a really full disk")
        return ["unshare", "--user", "--map-root-user", "--mount", "bash", "-euc"]

    def test_at_login_nothing_is_left_running(self, job: LongJob, unshared: list[str]) -> None:
        script = f"""
mount -t tmpfs -o size=16k none "$HOME"
dd if=/dev/zero of="$HOME"/fill bs=1k 2>/dev/null || true
code=0
"{job.python}" -m gcp_wif login --keep-fresh || code=$?
echo "code $code"; ls -A "$HOME"
"""
        done = run(job, [*unshared, script])
        assert done.stdout.split() == ["code", "2", "fill"], done.stderr
        assert "WIF304" in done.stderr
        job.wait(lambda: not job.agents(), "something is left")

    def test_later_the_token_is_kept_fresh_all_the_same(self, job: LongJob, unshared: list[str]) -> None:
        script = f"""
mount -t tmpfs -o size=64k none "$HOME"
"{job.python}" -m gcp_wif login --keep-fresh
dd if=/dev/zero of="$HOME"/fill bs=1k 2>/dev/null || true
curl -sf -o /dev/null -H "Content-Type: application/json" -d '{{"advance": 7200}}' \\
  {job.google.emulator.http}/emulator/clock
echo 7200 > "{job.folder}/clock"
"{job.python}" -m gcp_wif verify
rm "$HOME"/fill
"{job.python}" -m gcp_wif logout
ls -A "$HOME"
"""
        done = run(job, [*unshared, script])
        assert (done.returncode, done.stdout.split()[-1:]) == (0, ["UTC"]), done.stdout + done.stderr
        assert len(job.asked) == 2
        job.wait(lambda: not job.agents(), "something is left")


def test_what_is_logged_is_bounded_and_has_no_secret(job: LongJob) -> None:
    job.login()
    tokens = {ask(job.source)[1].decode()}
    for _ in range(3):
        job.advance(0.6 * HOUR)
        before = job.log.count("a fresh token")
        job.wait(lambda count=before: job.log.count("a fresh token") > count, "no other token came")
        tokens.add(ask(job.source)[1].decode())
    secret = dict(job.source.headers).popitem()[1]
    assert len(tokens) == 4
    for text in (*tokens, secret):
        assert text[-20:] not in job.log
    assert job.log_path.stat().st_mode & 0o777 == 0o600


def test_it_stays_small(job: LongJob) -> None:
    """Far below 25 MB, also after it has asked for another token; without the coverage that a test run measures."""
    for name in [name for name in job.env if name.startswith("COVERAGE_")]:
        del job.env[name]
    job.login("--metadata-server")
    first = ask(job.source)[1]
    job.advance(0.6 * HOUR)
    job.wait(lambda: ask(job.source)[1] != first, "no other token came")
    status = Path(f"/proc/{job.agents()[0]}/status").read_text()
    assert int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) < 25_000


def test_doctor_sees_what_the_agent_serves(job: LongJob) -> None:
    """With the variable's own token dead for hours."""
    token = job("token").stdout.strip()
    job.login()
    job.advance(2 * HOUR)
    done = job("doctor", "--json", CIRCLE_OIDC_TOKEN=token)
    found = json.loads(done.stdout)
    assert not [each for each in found["findings"] if each["level"] == "error"], done.stdout
    assert str(int(job.now) + HOUR)[:7] == found["claims"]["exp"][:7], "not the variable's, which is dead"
    os.kill(job.agents()[0], signal.SIGKILL)
    wait(lambda: not job.agents(), lambda: "it lives on")
    told = job("doctor", CIRCLE_OIDC_TOKEN="")
    assert "agent" in told.stdout + told.stderr
    assert "login --keep-fresh" in told.stdout + told.stderr


def test_the_commands_of_readme(job: LongJob) -> None:
    """B31 with them: what README says of long jobs works as it stands there."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    section = text.partition("### Long jobs\n")[2].partition("\n### ")[0]
    lines = [line for block in re.findall(r"(?s)```sh\n(.*?)```", section) for line in block.splitlines()]
    (job.bin / "make").write_text("#!/bin/sh\necho made: $1\n")
    (job.bin / "make").chmod(0o755)
    program = job.bin / "gcp-wif"  # what `command -v` finds; it must be the very program that then exports
    program.write_text(f'#!/bin/sh\nexec "{job.python}" -I -m gcp_wif "$@"\n')
    program.chmod(0o755)
    told = {}
    for line in lines:
        command = line.replace("ORGANIZATION_ID", job.env["CIRCLE_ORGANIZATION_ID"])
        command = command.replace("$(command -v gcp-wif)", f"{job.python} -I -m gcp_wif")
        done = run(job, ["bash", "-c", command])
        assert done.returncode == 0, f"{line}: {done.stderr}"
        told[line.split()[1]] = done.stdout
    assert set(told) == {"login", "run", "generate", "export"}
    assert told["run"] == "made: deploy\n"
    assert "ALLOW_EXECUTABLES=1" in (job.folder / "bash_env").read_text()
