"""What the command line gave, before anything is decided. No imports: every run of a command loads this."""

from typing import NamedTuple

__all__ = ["GenerateFlags", "KeepFlags", "SourceFlags", "TargetFlags", "TokenFlags"]


class TargetFlags(NamedTuple):
    """What was given on the command line; ``None`` where a flag was not."""

    provider: str | None = None
    project_number: str | None = None
    pool_id: str | None = None
    provider_id: str | None = None
    service_account: str | None = None
    direct: bool = False
    project_id: str | None = None


class SourceFlags(NamedTuple):
    """gcloud's flags for the credential source, as given; ``None`` where a flag was not."""

    file: str | None = None
    type: str | None = None
    field_name: str | None = None
    url: str | None = None
    headers: str | None = None
    executable_command: str | None = None
    executable_timeout_millis: int | None = None
    executable_output_file: str | None = None


class TokenFlags(NamedTuple):
    """Which source was asked for; none means what the CI system gives."""

    env: str | None = None
    stdin: bool = False
    response: str | None = None
    response_field: str | None = None
    audience: str | None = None

    @property
    def given(self) -> tuple[str, ...]:
        """The flags that name a source."""
        flags = {
            "--token-env": self.env is not None,
            "--token-stdin": self.stdin,
            "--token-response": self.response is not None,
            "--audience": self.audience is not None,
        }
        return tuple(name for name, is_given in flags.items() if is_given)


class GenerateFlags(NamedTuple):
    """The command line of `generate`, apart from the target."""

    source: SourceFlags
    token: TokenFlags
    output_file: str | None = None
    subject_token_type: str | None = None
    lifetime_seconds: int | None = None
    config_only: bool = False
    name: str | None = None
    path_in_container: str | None = None


class KeepFlags(NamedTuple):
    """How a job is kept logged in.

    Attributes:
        max_hours: ``--max-hours``, as given.
        metadata_server: ``--metadata-server``.
    """

    max_hours: float | None = None
    metadata_server: bool = False
