"""`gcp-wif run -- COMMAND`: one command with one identity, as if nothing stood between, and nothing left behind."""

import contextlib
import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from long_job import LongJob, wait

CLIENT = """
import google.auth, google.auth.transport.requests as r
c, p = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
c.refresh(r.Request()); print(p, c.token[:5], flush=True)
"""


@pytest.fixture
def job(google, tmp_path: Path) -> Iterator[LongJob]:
    with LongJob(google, tmp_path / "job") as made:
        yield made
        assert leftovers(made) == []
        wait(lambda: not made.agents(), lambda: "an agent is left")


def leftovers(job: LongJob) -> list[str]:
    return [each.name for each in [*job.folder.glob("gcp-wif-run-*"), *job.home.iterdir()]]


def begun(job: LongJob, script: str, *flags: str) -> subprocess.Popen[bytes]:
    """A run that goes on, in a process group of its own; its command has said its first line."""
    run = subprocess.Popen(
        [job.python, "-m", "gcp_wif", "run", "--no-verify", *flags, "--", "sh", "-c", script],
        env=job.env, stdout=subprocess.PIPE, process_group=0,
    )  # fmt: skip
    assert run.stdout is not None
    assert run.stdout.readline() == b"begun\n"
    return run


class TestTheCommand:
    def test_has_the_identity_and_nothing_is_exported(self, job: LongJob) -> None:
        done = job("run", "--", sys.executable, "-c", CLIENT)
        assert (done.returncode, done.stdout) == (0, "acme-prod ya29.\n"), done.stderr
        assert not (job.folder / "bash_env").exists()

    def test_needs_no_shell_file_and_no_home(self, job: LongJob) -> None:
        del job.env["BASH_ENV"]
        del job.env["HOME"]
        done = job("run", "--", sys.executable, "-c", CLIENT)
        assert (done.returncode, done.stdout) == (0, "acme-prod ya29.\n"), done.stderr

    @pytest.mark.parametrize(
        ("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)]
    )
    def test_gives_its_exit_code(self, job: LongJob, script: str, code: int) -> None:
        assert job("run", "--no-verify", "--", "sh", "-c", script).returncode == code

    def test_has_the_streams(self, job: LongJob) -> None:
        command = [job.python, "-m", "gcp_wif", "run", "--no-verify", "--", "sh", "-c", "cat; echo told >&2"]
        done = subprocess.run(command, env=job.env, input=b"\0\xffin", capture_output=True, timeout=60, check=False)
        assert done.stdout == b"\0\xffin"
        assert done.stderr.endswith(b"told\n")

    def test_has_the_descriptors_that_were_handed_down(self, job: LongJob) -> None:
        """As make's jobserver does."""
        reading, writing = os.pipe()
        script = f"import os; os.write({writing}, b'here')"
        command = [job.python, "-m", "gcp_wif", "run", "--no-verify", "--", sys.executable, "-c", script]
        subprocess.run(command, env=job.env, pass_fds=[writing], timeout=60, check=True)
        os.close(writing)
        with os.fdopen(reading) as pipe:
            assert pipe.read() == "here"

    def test_may_look_like_flags_of_ours(self, job: LongJob) -> None:
        done = job("run", "--no-verify", "--", "echo", "--json", "--", "-v", "a b")
        assert done.stdout == "--json -- -v a b\n"

    def test_takes_everything_from_a_manifest(self, job: LongJob) -> None:
        manifest = (Path(__file__).parents[2] / "README.md").read_text().partition("```toml\n")[2].partition("```")[0]
        path = job.folder / "gcp-wif.toml"
        path.write_text(manifest)
        flags = ["--manifest", str(path), "--no-verify"]
        script = 'cat "$GOOGLE_APPLICATION_CREDENTIALS"; echo; echo $GOOGLE_CLOUD_PROJECT'
        done = job("run", *flags, "--identity", "reader", "--", "sh", "-c", script)
        config, project = done.stdout.rsplit("\n", 2)[:2]
        assert (project, "service_account_impersonation_url" in json.loads(config)) == ("acme-staging", False), (
            done.stderr
        )
        refused = job("run", *flags, "--", "true")
        assert (refused.returncode, "WIF121" in refused.stderr) == (2, True)

    def test_outlives_its_token(self, job: LongJob) -> None:
        job.env["CLIENT"] = CLIENT
        script = f'for i in 1 2 3; do "{sys.executable}" -c "$CLIENT"; echo begun; read next; done'
        run = subprocess.Popen(
            [job.python, "-m", "gcp_wif", "run", "--", "sh", "-c", script],
            env=job.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        told = []
        for hours in (3, 3, 0):
            told.append(run.stdout.readline())
            assert run.stdout.readline() == b"begun\n"
            job.advance(hours * 3600)
            run.stdin.write(b"\n")
            run.stdin.flush()
        run.communicate(timeout=60)
        assert told == [b"acme-prod ya29.\n"] * 3
        assert len(job.asked) == 3

    def test_has_the_one_token_where_the_ci_system_gives_no_other(self, job: LongJob) -> None:
        token = job("token").stdout.strip()
        done = job("run", "--token-env", "MINE", "--", sys.executable, "-c", CLIENT, MINE=token)
        assert (done.returncode, done.stdout) == (0, "acme-prod ya29.\n"), done.stderr
        (job.bin / "circleci").unlink()
        done = job("run", "--", sys.executable, "-c", CLIENT, CIRCLE_OIDC_TOKEN=token)
        assert (done.returncode, done.stdout) == (0, "acme-prod ya29.\n"), done.stderr

    def test_is_not_logged_in_a_second_time_unless_forced(self, job: LongJob) -> None:
        env = {"CLOUDSDK_AUTH_ACCESS_TOKEN": "ya29.theirs"}
        script = 'echo "$CLOUDSDK_AUTH_ACCESS_TOKEN|$GOOGLE_APPLICATION_CREDENTIALS" | cut -c1-12; exit 3'
        done = job("run", "--", "sh", "-c", script, **env)
        assert (done.returncode, done.stdout, job.asked) == (3, "ya29.theirs|\n", [])
        done = job("run", "--force", "--", "sh", "-c", script, **env)
        assert (done.returncode, done.stdout[:2], len(job.asked)) == (3, "|/", 1)


class TestWithoutACommand:
    @pytest.mark.parametrize(
        ("arguments", "code"),
        [((), "WIF011"), (("--",), "WIF011"), (("ls",), "WIF011"), (("--", "no-such-program"), "WIF015")],
    )
    def test_nothing_is_done(self, job: LongJob, arguments: tuple[str, ...], code: str) -> None:
        done = job("run", *arguments)
        assert (done.returncode, code in done.stderr, job.asked) == (2, True, [])

    def test_a_program_that_is_none(self, job: LongJob) -> None:
        broken = job.bin / "broken"
        broken.write_text("\x7fELF")
        broken.chmod(0o755)
        done = job("run", "--no-verify", "--", "broken")
        assert (done.returncode, "WIF015" in done.stderr) == (2, True)

    def test_a_refusal_runs_nothing(self, job: LongJob) -> None:
        job.google.provision(condition="false")
        done = job("run", "--", "echo", "ran")
        assert (done.returncode, done.stdout, "WIF508" in done.stderr) == (1, "", True)

    def test_no_token(self, job: LongJob) -> None:
        job.mode("fail")
        done = job("run", "--", "echo", "ran")
        assert (done.returncode, done.stdout, "WIF603" in done.stderr) == (3, "", True)


class TestSignals:
    TRAP = (
        "trap 'echo got; got=$((got + 1))' {name}; echo begun; while [ -z \"$got\" ]; do sleep 0.05; done; sleep 0.3; "
        "exit $got"
    )

    @pytest.mark.parametrize("name", ["INT", "TERM", "HUP", "QUIT", "USR1", "USR2"])
    def test_one_to_this_process_is_passed_on_once(self, job: LongJob, name: str) -> None:
        run = begun(job, self.TRAP.format(name=name))
        os.kill(run.pid, getattr(signal, f"SIG{name}"))
        assert run.communicate(timeout=30)[0] == b"got\n"
        assert run.returncode == 1

    @pytest.mark.parametrize("name", ["INT", "TERM", "HUP"])
    def test_one_to_the_group_reaches_the_command_once(self, job: LongJob, name: str) -> None:
        """Terraform, for one, stops in good order at the first and at once at the second."""
        run = begun(job, self.TRAP.format(name=name))
        os.killpg(run.pid, getattr(signal, f"SIG{name}"))
        assert run.communicate(timeout=30)[0] == b"got\n"
        assert run.returncode == 1

    def test_each_of_several_is_passed_on(self, job: LongJob) -> None:
        script = "trap 'n=$((n + 1)); echo $n' USR1; echo begun; while [ \"$n\" != 3 ]; do sleep 0.05; done"
        run = begun(job, script)
        for number in (b"1\n", b"2\n", b"3\n"):
            os.kill(run.pid, signal.SIGUSR1)
            assert run.stdout.readline() == number
        run.communicate(timeout=30)
        assert run.returncode == 0

    def test_a_command_that_a_signal_ends(self, job: LongJob) -> None:
        run = begun(job, "echo begun; exec sleep 60")
        os.kill(run.pid, signal.SIGTERM)
        run.communicate(timeout=30)
        assert run.returncode == 143

    def test_what_is_ignored_stays_so(self, job: LongJob) -> None:
        command = ["sh", "-c", f"""trap '' HUP; exec "{job.python}" -m gcp_wif run --no-verify -- """]
        command[2] += "sh -c 'kill -HUP $$; kill -HUP $PPID; echo lives'"
        done = subprocess.run(command, env=job.env, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout) == (0, "lives\n"), done.stderr

    def test_after_sigkill_the_agent_cleans_up(self, job: LongJob) -> None:
        run = begun(job, "echo begun; echo $$; exec sleep 60")
        command = int(run.stdout.readline())
        try:
            assert len(leftovers(job)) == 1
            run.kill()
            wait(lambda: not leftovers(job), lambda: "the folder is left")
            wait(lambda: not job.agents(), lambda: "the agent is left")
        finally:
            os.kill(command, signal.SIGKILL)
        run.communicate(timeout=30)

    def test_ctrl_c_and_ctrl_z_on_a_terminal(self, job: LongJob) -> None:
        """A shell with job control stops and continues the run, and Ctrl-C is one SIGINT."""
        script = (
            f"""set -m; "{job.python}" -m gcp_wif run --no-verify -- sh -c 'echo begun; read line; echo "$line"; """
            """trap "echo got; exit 5" INT; echo trap-""ped; while :; do sleep 0.05; done'; echo stopped; fg; """
            """echo "code $?"; sleep 1\n"""
        )
        process, terminal = pty.fork()
        if not process:
            os.execve("/bin/bash", ["bash", "-c", script], job.env)
        told = b""

        def heard(word: bytes) -> bool:
            nonlocal told
            deadline = time.monotonic() + 30
            while word not in told and time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    told += os.read(terminal, 4096)
            return word in told

        try:
            assert heard(b"begun"), told
            os.write(terminal, b"\x1a")
            assert heard(b"stopped"), told
            os.write(terminal, b"typed\n")
            assert heard(b"trap-ped"), told
            os.write(terminal, b"\x03")
            assert heard(b"code 5"), told
            assert told.count(b"got\r\n") == 1
        finally:
            os.close(terminal)
            os.waitpid(process, 0)
