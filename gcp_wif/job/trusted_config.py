"""Whether a credential config may be used: where it sends tokens, which program it runs, what else it says.

A config decides where the subject token and the federated token go, and it can name a program. Client libraries check
none of this (observed with google-auth 2.62), and Google asks that a config from outside be validated first ("Validate
credential configurations from external sources"). So each command that uses a config, or hands it to others, reads it
here: `export`, `verify`, and `login` before it writes anything.

- Its universe is the one that was asked for, and its URLs are Google's of that universe, or the emulator's where that
  is on.
- A program runs only if it is this very gcp-wif, or with ``--allow-executable``.
- A URL that answers with the token is https, or plain http that does not leave the machine: loopback (the agent), and a
  cloud's metadata server (Google's page for Azure names 169.254.169.254). Any https host will do:
  nothing but what the config itself holds is sent there.
- It says nothing that was not looked at. Libraries read more than gcp-wif does (another kind of source, AWS), and Go's
  takes ``TOKEN_URL`` for ``token_url``; so a field that gcp-wif does not know, or one that comes twice, refuses it.
"""

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from gcp_wif import secrets
from gcp_wif.credential_config import MAX_CONFIG_BYTES, CredentialConfig, ExecutableSource, FileSource, UrlSource
from gcp_wif.endpoints import Endpoints, parse_url
from gcp_wif.errors import InputError, from_outside, shown
from gcp_wif.files import read_bounded
from gcp_wif.job.context import Program
from gcp_wif.limits import SECRET_FRAGMENT

__all__ = ["TrustedConfig", "is_own_command", "judge", "read_trusted"]

_HARMLESS_FIELDS: dict[str, Any] = {
    "quota_project_id": "",  # whom to bill
    "token_info_url": "",  # written without impersonation only, and looked at in any case
    "service_account_impersonation": {"token_lifetime_seconds": 0},
}
"""Fields that a client reads and that neither lead elsewhere nor run anything, whether or not we would write them."""

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+=:@,")


class TrustedConfig(NamedTuple):
    """A config that may be used.

    Attributes:
        config: as it stands in the file.
        executables: whether it runs a program, which is then allowed.
    """

    config: CredentialConfig
    executables: bool


def read_trusted(path: Path, endpoints: Endpoints, program: Program | None, *, allow_executable: bool) -> TrustedConfig:
    """Read the config at ``path`` and refuse it where it may not be used.

    Args:
        path: the file.
        endpoints: what was asked for, by flag or environment.
        program: this program; ``None`` where none counts as ours.
        allow_executable: whether another program may run, too.

    Raises:
        InputError: WIF306 missing, WIF303, WIF307, WIF401 to WIF403 for what it is, and as `judge`, WIF407.
    """
    data = read_bounded(path, MAX_CONFIG_BYTES, origin="the credential config")
    config = CredentialConfig.from_json(data, origin=str(path))
    unknown = _unknown_fields(data, config)
    if unknown:
        raise InputError(
            f"{path}: `{unknown[0]}` is a field that gcp-wif does not know, or one that comes twice.",
            hint="A client library may read more out of it than gcp-wif has looked at, such as another address for the "
            "token; so it is not used. Remove the field, or write the config again with `gcp-wif generate`.",
            code="WIF407",
        )
    return judge(config, endpoints, program, allow_executable=allow_executable)


def judge(
    config: CredentialConfig, endpoints: Endpoints, program: Program | None, *, allow_executable: bool
) -> TrustedConfig:
    """Refuse a config that may not be used.

    Raises:
        InputError: WIF405 an URL or a universe that is not the one asked for, WIF406 a program that is not gcp-wif,
            WIF408 a token's URL that may not be asked.
    """
    _check_urls(config, endpoints)
    source = config.source
    if isinstance(source, UrlSource):
        _check_source_url(source.url)
        for _, value in parse_qsl(urlsplit(source.url).query):  # a signed URL carries its secret there
            secrets.remember(value if len(value) >= SECRET_FRAGMENT else None)
    elif not isinstance(source, FileSource | ExecutableSource):
        raise InputError("The credential config's source is of a kind that gcp-wif does not use.", code="WIF407")
    if not isinstance(source, ExecutableSource):
        return TrustedConfig(config, executables=False)
    if not allow_executable and source.output_file is not None:
        raise InputError(
            f"The credential config names the file {shown(source.output_file)} beside its program.",
            hint="Clients take a token out of that file without running the program, and gcp-wif never writes it: "
            "whoever can write there chooses the token. Remove `output_file`; or, if you know it, add "
            "--allow-executable.",
            code="WIF406",
        )
    if not allow_executable and not is_own_command(source.command, program):
        raise InputError(
            f"The credential config runs {from_outside(source.command.split(' ')[0])}, which is not this gcp-wif.",
            hint="Each client library that reads the config would run it in the job. If you know it, add "
            "--allow-executable. gcp-wif itself needs no flag: give its absolute path, followed by `token "
            '--executable-response`: --executable-command="$(command -v gcp-wif) token --executable-response"',
            code="WIF406",
        )
    return TrustedConfig(config, executables=True)


def _check_urls(config: CredentialConfig, endpoints: Endpoints) -> None:
    wrong = [("universe_domain", config.universe_domain)] if config.universe_domain != endpoints.universe else []
    wrong += config.misdirected_urls(endpoints)
    if endpoints.emulator:  # a config with Google's URLs is fine, too: what is ours goes to the emulator all the same
        elsewhere = config.misdirected_urls(Endpoints(endpoints.universe))
        wrong = [each for each in wrong if each[0] == "universe_domain" or each in elsewhere]
    if wrong:
        field, value = wrong[0]
        raise InputError(
            f"The credential config's `{field}` is {shown(value)}, which is not Google's for {endpoints.universe}.",
            hint="A config decides where the token is sent, so it is not used and nothing was sent. Write it again "
            "with `gcp-wif generate`; for a sovereign cloud name its domain with --universe-domain; for the emulator "
            "set GCP_WIF_EMULATOR_HOST.",
            code="WIF405",
        )


def _check_source_url(url: str) -> None:
    parsed = parse_url(url)
    if parsed is None or not (parsed.scheme == "https" or parsed.is_loopback or parsed.is_metadata_server):
        raise InputError(
            f"The credential config asks {shown(url)} for the subject token, which is neither https nor on this "
            "machine.",
            hint="Whoever is on the way could read the token, or give another one. Use https; plain http is for "
            "loopback and the cloud's metadata server alone.",
            code="WIF408",
        )


def is_own_command(command: str, program: Program | None) -> bool:
    """Whether ``command`` is this program's `token --executable-response`, for whoever splits and runs it.

    The proof is the path: the absolute one that this run was started by, or what that one leads to. Another link to the
    same file proves nothing, for it can be turned elsewhere before a client runs it; a repository may hold one. A bare
    name would be looked up on another PATH, in another folder. Words with quotes or backslashes are split differently
    by each client. Another command of ours is not enough: `run` starts any program. And ``python -m`` needs ``-I``, as
    else a folder ``gcp_wif`` of the repository is what runs.
    """
    words = command.split(" ")
    if program is None or not _PLAIN.issuperset(command.replace(" ", "")) or not words[0].startswith("/"):
        return False
    rest: Sequence[str]
    if _is_one_of(words[0], _scripts(program)):
        rest = words[1:]
    elif words[0] == program.interpreter:  # by its path: that is what tells one virtual environment from another
        rest = _behind_the_module(words[1:], program)
    else:
        return False
    return rest[:1] == ["token"] and "--executable-response" in rest


def _scripts(program: Program) -> tuple[str, ...]:
    """The console script, also where this run was started in another way."""
    beside = str(Path(program.interpreter).parent / "gcp-wif")
    return (beside,) if Path(program.script).name == "__main__.py" else (program.script, beside)


def _behind_the_module(words: Sequence[str], program: Program) -> Sequence[str]:
    if words[:3] == ["-I", "-m", "gcp_wif"]:
        return words[3:]
    if words[:1] == ["-I"] and len(words) > 1 and _is_one_of(words[1], (program.script,)):
        return words[2:]
    return ()


def _is_one_of(path: str, scripts: Iterable[str]) -> bool:
    for script in scripts:
        absolute = os.path.isabs(script) and os.path.isfile(script)  # noqa: PTH113, PTH117 - strings
        if absolute and path in (script, os.path.realpath(script)):
            return True
    return False


def _unknown_fields(data: bytes, config: CredentialConfig) -> list[str]:
    """The fields of the file, as dotted names, that are not in the config as it was understood."""
    twice: list[str] = []

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        twice.extend(name for name, times in Counter(name for name, _ in found).items() if times > 1)
        return dict(found)

    document = json.loads(data, object_pairs_hook=pairs)
    known = _HARMLESS_FIELDS | config.document()
    return [*_extra(document, known, ""), *twice]


def _extra(found: dict[str, Any], known: dict[str, Any], where: str) -> Iterable[str]:
    for name, value in found.items():
        if name not in known and value not in (None, "", {}):
            yield f"{where}{name}"
        elif isinstance(value, dict) and isinstance(known.get(name), dict):
            yield from _extra(value, known[name], f"{where}{name}.")
