"""How a login gets an agent: a token, an agent that holds it, and then the config that leads there."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from gcp_wif.credential_config import DEFAULT_TOKEN_TYPE, UrlSource
from gcp_wif.endpoints import Endpoints
from gcp_wif.errors import InputError
from gcp_wif.job.agent.ancestors import job_process
from gcp_wif.job.agent.launch import AgentAddress, Running, adopt, living, log_path, start
from gcp_wif.job.agent.order import Order
from gcp_wif.job.context import Context
from gcp_wif.job.flags import GenerateFlags, KeepFlags
from gcp_wif.job.target import Target
from gcp_wif.job.tokens import CheckedToken, ask_again, asking_of, obtain_token
from gcp_wif.limits import AGENT_HOURS, AGENT_MOST_HOURS

__all__ = ["Keeper", "Kept"]


class Kept(NamedTuple):
    """What keeps a job logged in.

    Attributes:
        log_path: the agent's log.
        ends_at: when it ends at the latest, in seconds since 1970.
        metadata_host: ``127.0.0.1:PORT`` of its metadata server; ``None`` without one.
        shared: whether it is the agent of an earlier login.
    """

    log_path: Path
    ends_at: float
    metadata_host: str | None
    shared: bool


class Keeper:
    """The agent of one login, in the steps of `generate`: `check`, `obtain`, `begin`, then `ready` or `abandon`.

    Args:
        flags: the command line.
        folder: a private folder of one command, for which the agent is: it ends with this process, and removes the
            folder. It serves one token, too, where the CI system gives no second one. ``None`` for a whole job.
    """

    unknown_source = UrlSource("http://127.0.0.1/")
    """What stands for the agent's address in a config that is looked at before there is an agent."""

    def __init__(self, flags: KeepFlags, folder: Path | None = None) -> None:
        self._flags = flags
        self.folder = folder
        self._running: Running | None = None
        self._ask: dict[str, Any] | None = None
        self.kept: Kept | None = None
        self.files: Mapping[Path, bytes] = {}
        """What must be written beside the config, and grows."""

    def check(self, flags: GenerateFlags) -> None:
        """Refuse what cannot go together, before anything is done.

        Raises:
            InputError: WIF109, WIF110.
        """
        self._hours()
        _check_source(flags)

    def obtain(self, flags: GenerateFlags, context: Context, target: Target) -> CheckedToken:
        """The token to begin with: asked for, as all later ones are, so that the proof is one for them, too.

        Raises:
            InputError: as `asking_of` and `ask_again`.
            UnavailableError: WIF603.
        """
        if self.folder is not None and not _may_ask_again(flags, context):
            token_type = flags.subject_token_type or DEFAULT_TOKEN_TYPE
            return obtain_token(flags.token, context, target, subject_token_type=token_type)
        asking = asking_of(flags.token, context, target)
        self._ask = {"errand": "token"} | asking.as_task()
        return ask_again(asking, context)

    def begin(self, token: CheckedToken, config: Path, target: Target, context: Context) -> UrlSource:
        """The credential source that leads to an agent with this token: the one that is there, or a new one.

        Raises:
            InputError: WIF014.
        """
        order = self._order(token, config, target, context)
        address, shared = self._shared(config, order) if self.folder is None else (None, False)
        if address is None:
            self._running = start(order)
            address = self._running.address
            self.files = {log_path(config): _log_beginning()}
        metadata = f"127.0.0.1:{address.metadata_port}" if address.metadata_port else None
        self.kept = Kept(log_path(config), order.ends, metadata, shared)
        return address.source

    def ready(self) -> None:
        """The files are written.

        Raises:
            InputError: WIF014.
        """
        if self._running is not None:
            self._running.ready(guard=self.folder is not None)

    def finish(self) -> None:
        """End an agent with a folder, and wait until it has removed that."""
        if self._running is not None:
            self._running.finish()

    def abandon(self) -> None:
        """The files are not written: an agent that was started for them ends."""
        if self._running is not None:
            self._running.close()

    def _shared(self, config: Path, order: Order) -> tuple[AgentAddress | None, bool]:
        there = living(config)
        taken = adopt(there, order) if there is not None else None
        return taken, taken is not None

    def _order(self, token: CheckedToken, config: Path, target: Target, context: Context) -> Order:
        claims = token.token.claims
        ends = context.clock() + self._hours() * 3600
        return Order(
            token=token.token.reveal(),
            expires=claims.epoch("exp") or ends,
            issued=claims.epoch("iat"),
            ask=self._ask,
            environ=dict(context.environ),
            config=str(config),
            log=str(log_path(config)),
            ends=ends,
            job=job_process(context.system.job_process),
            access=_access(config, target, context) if self._flags.metadata_server else None,
            folder=str(self.folder) if self.folder is not None else None,
        )

    def _hours(self) -> float:
        hours = AGENT_HOURS if self._flags.max_hours is None else self._flags.max_hours
        if not 0 < hours <= AGENT_MOST_HOURS:
            raise InputError(
                f"--max-hours must lie between 0 and {AGENT_MOST_HOURS:.0f}, but is {hours:g}.",
                hint="It is when the agent ends at the latest, whatever it has noticed of the job.",
                code="WIF109",
            )
        return hours


def _may_ask_again(flags: GenerateFlags, context: Context) -> bool:
    system = context.system
    named = [name for name in flags.token.given if name != "--audience"]
    return not named and not system.cannot_ask and system.can_ask(context.environ)


def _access(config: Path, target: Target, context: Context) -> dict[str, Any]:
    """What a metadata server says of the account, and how an access token is got."""
    project = target.project.project_id if target.project else context.environ.get("GOOGLE_CLOUD_PROJECT")
    return {
        "errand": "access",
        "ci": context.ci,
        "config": str(config),
        "universe": Endpoints.resolve(context.environ, None).universe,
        "email": target.service_account or "default",
        "project_id": project,
        "project_number": target.provider.project_number,
    }


def _log_beginning() -> bytes:
    """What proves to `logout` that the log is ours, however long it has grown."""
    return f"gcp-wif agent {os.urandom(8).hex()}\n".encode()


def _check_source(flags: GenerateFlags) -> None:
    source = flags.source._asdict()
    given = next((name for name, value in source.items() if value is not None), None)
    if given is not None or flags.config_only:
        raise InputError(
            "--keep-fresh decides the credential source itself, so no flag for a source, and not --config-only, can be "
            "given with it.",
            code="WIF110",
        )
