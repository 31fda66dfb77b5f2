"""How a job of a CI system lives: the seam between CI systems and everything that runs in a job.

A system is data with a few functions. The environment is an argument; only `CiSystem.ask` does I/O. What the tokens of
the system say is its issuer's profile, `gcp_wif.issuers`, under the same name.
"""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from gcp_wif.errors import InputError
from gcp_wif.issuers import FALLBACK, Tenant

if TYPE_CHECKING:
    from gcp_wif.ci.asking import Run
    from gcp_wif.ci.config import ConfigJob, ConfigReader
    from gcp_wif.ci.export_format import ExportTarget
    from gcp_wif.manifest import Identity, Manifest

__all__ = ["CiSystem", "MissingToken", "TokenRequest"]


class TokenRequest(NamedTuple):
    """What a CI system is asked for.

    Attributes:
        audience: what the token must say in ``aud``.
        claims: claims that the manifest's mapping and condition read, for a system that puts some into a token only
            where they are asked for; empty where there is no manifest.
    """

    audience: str
    claims: tuple[str, ...] = ()


class MissingToken(NamedTuple):
    """Why there is no token: what is not there, as a clause, and what to do about it."""

    what: str
    hint: str


class CiSystem:
    """One CI system. The defaults are those of a place about which nothing is known.

    Attributes:
        kind: its name, also that of its issuer's profile.
        title: its name for people.
        detected_by: variables of which each is there in jobs of this system alone.
        token_variables: variables that hold a token which needs no asking, the first that is set counts.
        asked: what is asked for a token, for messages.
        cannot_ask: why no further token can be had in a job, and what to do instead; empty where one can.
        token_hosts: hosts that hand a job its token, as a credential config may name them; ``None`` for none.
        job_process: the program that lives exactly as long as one job and is an ancestor of its steps, by its name and,
            where others have that name too, the words behind it (``NAME VERB``). The agent of `login --keep-fresh` ends
            with the outermost ancestor that fits. Empty where none is known.
        folder_variable: names the folder where a job's private files are safe.
        folder_of_one_job: whether that folder is made for one job, by gcp-wif, and goes when it is empty.
        no_exports: what to do where `export_target` is ``None``.
        init_flags: flags of `init` that give a rule name its value, by name (``-`` for ``_``).
        where: where a person finds the value of a rule name.
        config_template: of the config that `render KIND` makes; empty where there is none.
        snippets: templates that need no manifest, by the word that `render` knows each by.
        old_logins: what `config_reader` looks for, as the subject of "are looked for".
        replacement_notes: where what comes in their place is written, and what else can go.
    """

    kind: str = FALLBACK
    title: str = "an unknown CI system"
    detected_by: tuple[str, ...] = ()
    token_variables: tuple[str, ...] = ()
    asked: str = "the CI system"
    cannot_ask: str = (
        "No CI system was recognised that could be asked. In a job of one that gcp-wif knows, name it with --ci NAME; "
        "elsewhere give a token with --token-env, --token-stdin or --token-response."
    )
    token_hosts: re.Pattern[str] | None = None
    job_process: str = ""
    folder_variable: str = "HOME"
    folder_of_one_job: bool = False
    no_exports: str = (
        "Bash reads the file that BASH_ENV names before each script. Name another file that you source, with --to "
        'PATH, or print the exports for the present shell: eval "$(gcp-wif login --to stdout)"'
    )
    init_flags: Mapping[str, str] = MappingProxyType({})
    where: Mapping[str, str] = MappingProxyType({})
    config_template: str = ""
    snippets: Mapping[str, str] = MappingProxyType({})
    old_logins: str = ""
    replacement_notes: tuple[str, ...] = ()

    # The job and its token

    def is_here(self, environ: Mapping[str, str]) -> bool:
        """Whether this is a job of the system."""
        return any(environ.get(name) for name in self.detected_by)

    def tenant(self, environ: Mapping[str, str]) -> Tenant:
        """The tenant that the job belongs to, by the keys of a manifest; empty where the environment does not say."""
        return Tenant()

    def rule(self, environ: Mapping[str, str]) -> Mapping[str, str]:
        """The rule names of this job whose values the environment tells, such as the project's ID."""
        return {}

    def audience(self, environ: Mapping[str, str]) -> str | None:
        """The ``aud`` to ask for where nobody names one; ``None`` for the name of Google's provider."""
        return None

    def can_ask(self, environ: Mapping[str, str]) -> bool:
        """Whether a job in this environment can be given a token by asking."""
        return False

    def ask(self, request: TokenRequest, environ: Mapping[str, str], run: "Run | None") -> str:
        """Ask for a fresh token. What is answered is bounded, and is never repeated in an error.

        Args:
            request: for what.
            environ: the job's.
            run: how a program is run; ``None`` for a real process.

        Raises:
            InputError: WIF208 the means to ask are not there, WIF211 no further token can be had, WIF214 the address
                to ask at is not the system's.
            RefusedError: WIF608 the system says no.
            UnavailableError: WIF603 where no token comes.
        """
        raise InputError("There is nobody to ask for a token.", hint=self.cannot_ask, code="WIF211")

    def missing_token(self, environ: Mapping[str, str]) -> MissingToken:
        """Why the environment holds no token and nobody can be asked, in the system's own words."""
        return MissingToken(
            "no CI system was recognised, and no flag names the token's source",
            "Name the variable with --token-env NAME, or use --token-stdin or --token-response FILE. In a job of a CI "
            "system that gcp-wif knows, say --ci NAME. `sudo` and `docker run` do not pass variables on.",
        )

    def mask(self, secret: str) -> str:
        """What makes the system hide ``secret`` in its logs when a step prints it; empty where nothing does."""
        return ""

    def hide(self, secret: str, environ: Mapping[str, str]) -> str:
        """Have a program of the system hide ``secret`` in its logs, where there is one.

        Returns:
            Why the secret is not hidden, for a warning; empty where it is, or where nothing can hide it.
        """
        return ""

    # Files and exports

    def folder(self, environ: Mapping[str, str]) -> str | None:
        """The folder where a job's private files are safe, and gone or replaced in the next job."""
        return environ.get(self.folder_variable)

    def export_target(self, environ: Mapping[str, str]) -> "ExportTarget | None":
        """Where this system's next steps read variables; ``None`` where there is no such place.

        Bash sources the file that ``BASH_ENV`` names before each script, wherever it runs (Bash manual, "Bash Startup
        Files").
        """
        from gcp_wif.ci.export_format import ExportFile
        from gcp_wif.ci.shell_format import SHELL

        name = environ.get("BASH_ENV")
        if not name:
            return None
        if shutil.which("bash", path=environ.get("PATH")) is None:
            warning = 'There is no bash on the PATH, and only bash reads BASH_ENV. Begin each step with:  . "$BASH_ENV"'
            return ExportFile(SHELL, Path(name), warning=warning)
        return ExportFile(SHELL, Path(name), 'source "$BASH_ENV"')

    # The repository

    def escape(self, text: str) -> str:
        """``text`` as it must stand in the system's config, so that it is not taken for an expression there."""
        return text

    def config_job(self, identity: "Identity", manifest: "Manifest") -> "ConfigJob":
        """The job of one identity of a manifest of this kind, for `config_template`."""
        from gcp_wif.ci.config import ConfigJob

        return ConfigJob((), {})

    def config_values(self, identities: "Sequence[Identity]") -> Mapping[str, object]:
        """What `config_template` wants besides the jobs, for all of these identities together."""
        return {}

    def config_reader(self) -> "ConfigReader | None":
        """Reads existing configs of the system, for `init --from-KIND`."""
        return None

    def steps_of(self, commands: Mapping[str, tuple[str, ...]]) -> Mapping[str, object]:
        """The part of a config in which each of these jobs runs its commands, as plain data."""
        return {}

    def sample_job(self, token: str, folder: str) -> Mapping[str, str]:
        """What the environment of a job has, for `demo`: ``token``, and a place for exports below ``folder``."""
        return {}
