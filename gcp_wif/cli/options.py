"""The flags of the job's commands, each defined once. What gcloud's create-cred-config has keeps gcloud's name."""

from typing import Annotated

import typer

from gcp_wif.cli.command import OptionGroup, run_context
from gcp_wif.job.context import Context
from gcp_wif.job.flags import GenerateFlags, KeepFlags, SourceFlags, TargetFlags, TokenFlags

__all__ = [
    "CiOptions",
    "ConfigFileOptions",
    "ContainerOptions",
    "ExecutableOptions",
    "ExportOptions",
    "ExportedConfigOptions",
    "GenerateOptions",
    "KeepOptions",
    "NameOptions",
    "TargetOptions",
    "TokenOptions",
]


class TargetOptions(OptionGroup):
    """Which provider and account."""

    provider: Annotated[
        str | None,
        typer.Argument(
            metavar="[PROVIDER]",
            help="Provider resource name: projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/ID.",
        ),
    ] = None
    project_number: Annotated[str | None, typer.Option(help="Number of the pool's project.")] = None
    pool_id: Annotated[str | None, typer.Option(help="Workload identity pool ID.")] = None
    provider_id: Annotated[str | None, typer.Option(help="Workload identity pool provider ID.")] = None
    service_account: Annotated[str | None, typer.Option(help="Email of the account to impersonate.")] = None
    direct: Annotated[bool, typer.Option("--direct", help="Direct federation: impersonate no account.")] = False
    project_id: Annotated[str | None, typer.Option(help="Project ID to export.")] = None
    manifest: Annotated[
        str | None, typer.Option(metavar="FILE", help="Take all of these from a manifest, gcp-wif.toml.")
    ] = None
    identity: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which identity of the manifest, where it has several.")
    ] = None

    def flags(self) -> TargetFlags:
        """As the journey takes them."""
        return TargetFlags(
            self.provider,
            self.project_number,
            self.pool_id,
            self.provider_id,
            self.service_account,
            self.direct,
            self.project_id,
        )


class CiOptions(OptionGroup):
    """In which CI system's job this runs."""

    ci: Annotated[
        str | None, typer.Option(metavar="NAME", help="The CI system whose job this is. [default: detected]")
    ] = None

    def context(self) -> Context:
        """The world around the command, with the CI system that is named."""
        return run_context()._replace(ci=self.ci)


class ConfigFileOptions(OptionGroup):
    """Where the credential config is."""

    output_file: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="The credential config. [default: $HOME/gcp_cred_config.json]"),
    ] = None
    universe_domain: Annotated[str | None, typer.Option(help="Universe domain. [default: googleapis.com]")] = None


class ExportedConfigOptions(OptionGroup):
    """Where the credential config is, for what runs after a login."""

    output_file: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="The credential config. [default: $GOOGLE_APPLICATION_CREDENTIALS, else $HOME/gcp_cred_config.json]",
        ),
    ] = None
    universe_domain: Annotated[str | None, typer.Option(help="Universe domain. [default: googleapis.com]")] = None
    impersonate_service_account: Annotated[
        str | None,
        typer.Option(
            metavar="EMAIL[,…]",
            help="Another account, whose token to get; before it, with commas between, the accounts on the way to it.",
        ),
    ] = None


class NameOptions(OptionGroup):
    """Which login, where a job has several."""

    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="One login among several: its files are $HOME/gcp_cred_config-NAME.json and so on."
        ),
    ] = None


class ContainerOptions(OptionGroup):
    """Where a container sees the files."""

    path_in_container: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER", help="For a container that gets the config's folder there, as in docker run -v …:FOLDER."
        ),
    ] = None


class ExecutableOptions(OptionGroup):
    """Whether a config may run a program that is not gcp-wif."""

    allow_executable: Annotated[
        bool, typer.Option("--allow-executable", help="Use a config that runs a program other than gcp-wif.")
    ] = False


class TokenOptions(OptionGroup):
    """Where the subject token comes from."""

    token_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Variable that holds the token. [default: the CI system's]"),
    ] = None
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read the token from standard input.")] = False
    token_response: Annotated[
        str | None, typer.Option(metavar="FILE", help="Take the token out of a JSON response in this file.")
    ] = None
    token_response_field: Annotated[
        str | None, typer.Option(metavar="NAME", help="Field of that response, as in response.id_token.")
    ] = None
    audience: Annotated[
        str | None, typer.Option(metavar="AUD", help="Ask the CI system for a fresh token with this audience.")
    ] = None
    subject_token_type: Annotated[
        str | None, typer.Option(help="Token type URN. [default: urn:ietf:params:oauth:token-type:jwt]")
    ] = None

    def flags(self) -> TokenFlags:
        """As the journey takes them."""
        return TokenFlags(
            self.token_env, self.token_stdin, self.token_response, self.token_response_field, self.audience
        )


class GenerateOptions(OptionGroup):
    """What the credential config says."""

    credential_source_file: Annotated[
        str | None,
        typer.Option(metavar="PATH", help="Where the token is written and read. [default: $HOME/oidc_token]"),
    ] = None
    credential_source_type: Annotated[
        str | None, typer.Option(metavar="text|json", help="Format of the token file.")
    ] = None
    credential_source_field_name: Annotated[
        str | None, typer.Option(help="Field of the token in JSON. [default: id_token]")
    ] = None
    credential_source_url: Annotated[str | None, typer.Option(help="URL that answers with the token.")] = None
    credential_source_headers: Annotated[
        str | None, typer.Option(metavar="K=V,…", help="Headers for that request.")
    ] = None
    executable_command: Annotated[str | None, typer.Option(help="Program that prints the token.")] = None
    executable_timeout_millis: Annotated[
        int | None, typer.Option(help="Time limit of that program. [default: 30000]")
    ] = None
    executable_output_file: Annotated[str | None, typer.Option(help="File that caches the answer of that program.")] = (
        None
    )
    service_account_token_lifetime_seconds: Annotated[
        int | None, typer.Option(help="Lifetime of the account's access token, 600 to 43200.")
    ] = None
    config_only: Annotated[
        bool, typer.Option("--config-only", help="Write the config alone, to commit; no token is needed.")
    ] = False

    def flags(
        self,
        config: ConfigFileOptions,
        token: TokenOptions,
        named: NameOptions | None = None,
        container: ContainerOptions | None = None,
    ) -> GenerateFlags:
        """As the journey takes them."""
        return GenerateFlags(
            SourceFlags(
                self.credential_source_file,
                self.credential_source_type,
                self.credential_source_field_name,
                self.credential_source_url,
                self.credential_source_headers,
                self.executable_command,
                self.executable_timeout_millis,
                self.executable_output_file,
            ),
            token.flags(),
            config.output_file,
            token.subject_token_type,
            self.service_account_token_lifetime_seconds,
            self.config_only,
            named.name if named else None,
            container.path_in_container if container else None,
        )


class KeepOptions(OptionGroup):
    """How long and for whom an agent keeps the job logged in."""

    max_hours: Annotated[
        float | None, typer.Option(metavar="HOURS", help="When the agent ends at the latest. [default: 12]")
    ] = None
    metadata_server: Annotated[
        bool,
        typer.Option(
            "--metadata-server",
            help="Also serve access tokens as a GCE metadata server, to every process of this machine: a port has no "
            "password.",
        ),
    ] = False

    def flags(self) -> KeepFlags:
        """As the journey takes them."""
        return KeepFlags(self.max_hours, self.metadata_server)


class ExportOptions(OptionGroup):
    """Where the exports go."""

    to: Annotated[
        str | None,
        typer.Option(metavar="stdout|PATH", help="Shell file, or stdout for eval. [default: what the next steps read]"),
    ] = None
