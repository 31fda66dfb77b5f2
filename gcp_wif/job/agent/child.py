"""The agent's side of an errand: one child that asks, bounded in time and in what it may answer."""

import json
import os
import selectors
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from gcp_wif.limits import AGENT_ANSWER_BYTES, AGENT_ERRAND_SECONDS

__all__ = ["Child"]

_ERRAND = (
    "import sys; sys.path[:0] = sys.argv[1:2]; sys.path += sys.argv[2:]\n"
    "from gcp_wif.job.agent.errand import main; main()"
)


class Child:
    """One child that asks; see `errand`."""

    def __init__(self, task: dict[str, Any], environ: dict[str, str], selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._deadline = time.monotonic() + AGENT_ERRAND_SECONDS
        self._output = b""
        self.answer: dict[str, Any] | None = None
        self._process = subprocess.Popen(  # noqa: S603 - our own Python
            [sys.executable, "-I", "-c", _ERRAND, *sys.argv[1:]],
            env=environ, cwd="/", stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        assert self._process.stdin is not None  # noqa: S101 - they are pipes
        assert self._process.stdout is not None  # noqa: S101
        with suppress(OSError):  # it has gone already
            self._process.stdin.write(json.dumps(task).encode())
            self._process.stdin.close()
        self._pipe = self._process.stdout
        selector.register(self._pipe, selectors.EVENT_READ, self._read)

    def look(self) -> None:
        """End it where it takes too long."""
        if self.answer is None and time.monotonic() > self._deadline:
            self._finish({"error": f"no answer within {AGENT_ERRAND_SECONDS:.0f} seconds"})

    def stop(self) -> None:
        """End it now."""
        if self.answer is None:
            self._finish({"error": "stopped"})

    def _read(self) -> None:
        part = os.read(self._pipe.fileno(), 1 << 16)
        self._output += part
        if len(self._output) > AGENT_ANSWER_BYTES:
            self._finish({"error": "an answer that is too large"})
        elif not part:
            try:
                answer = json.loads(self._output)
            except ValueError:
                answer = {"error": "no answer"}
            self._finish(answer)

    def _finish(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self._selector.unregister(self._pipe)
        self._pipe.close()
        try:
            self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.terminate()  # it ends the program that it runs
            try:
                self._process.wait(2)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
