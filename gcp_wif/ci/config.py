"""A CI system's own config: what a job in it is made of, and the interface of what reads an existing one."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

__all__ = ["ConfigJob", "ConfigReader", "OldLogin", "Pipeline"]

Pipeline = tuple[tuple[str, ...], ...]
"""Programs with their arguments, each reading what the one before it prints."""


class ConfigJob(NamedTuple):
    """A job of one identity, for the template of the system's config.

    Attributes:
        setup: commands that a person runs once, before the job can run.
        values: what the template wants besides ``name``, ``login``, ``direct`` and ``setup``.
    """

    setup: tuple[Pipeline, ...]
    values: Mapping[str, Any]


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
