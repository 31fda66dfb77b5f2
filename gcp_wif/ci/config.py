"""A CI system's own config: what a job in it is made of, and the interface of what reads an existing one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from gcp_wif.manifest import Identity, Manifest

__all__ = ["ConfigJob", "ConfigReader", "OldLogin", "Pipeline", "job_variables"]

Pipeline = tuple[tuple[str, ...], ...]
"""Programs with their arguments, each reading what the one before it prints."""


class ConfigJob(NamedTuple):
    """A job of one identity, for the template of the system's config.

    Attributes:
        setup: commands that a person runs once, before the job can run.
        values: what the template wants besides ``name``, ``login``, ``direct`` and ``setup``.
        flags: of `login`, besides those that every system needs.
    """

    setup: tuple[Pipeline, ...]
    values: Mapping[str, Any]
    flags: tuple[str, ...] = ()


def job_variables(identity: "Identity", manifest: "Manifest") -> dict[str, str]:
    """The variables from which `login` knows the provider and the account; none is secret."""
    found = {
        "PROJECT_NUMBER": str(manifest.pool.project_number),
        "POOL_ID": str(manifest.pool.id),
        "PROVIDER_ID": str(manifest.provider.id),
    }
    return found | ({"SERVICE_ACCOUNT_EMAIL": str(identity.service_account)} if identity.service_account else {})


class OldLogin(Protocol):
    """A job of an existing config that logs in to Google Cloud without gcp-wif."""

    @property
    def job(self) -> str:
        """Its name."""

    @property
    def how(self) -> tuple[str, ...]:
        """The steps that do it, as they are called in the config."""

    @property
    def variables(self) -> Mapping[str, str]:
        """The names of its variables, by ``project_number``, ``pool_id``, ``provider_id`` and ``service_account``."""

    @property
    def contexts(self) -> tuple[str, ...]:
        """Where these variables come from, by name."""

    @property
    def branches(self) -> tuple[str, ...]:
        """The branches that it is restricted to; empty where it is not."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What could not be read out of the config."""


class ConfigReader(Protocol):
    """A module that reads existing configs of a CI system."""

    @property
    def find_logins(self) -> Any:
        """``find_logins(text, origin=NAME)``: the jobs that log in, each an `OldLogin`."""
