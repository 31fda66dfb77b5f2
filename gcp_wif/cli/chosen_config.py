"""Which login's credential config a command uses: the one that is named, else the one without a name."""

import os
from pathlib import Path

from gcp_wif.cli.options import ConfigFileOptions, NameOptions
from gcp_wif.errors import InputError
from gcp_wif.job.context import Context
from gcp_wif.job.generate import config_path
from gcp_wif.job.login_files import name_of

__all__ = ["chosen_config"]


def chosen_config(config: ConfigFileOptions, named: NameOptions, context: Context) -> Path:
    """The path of the credential config.

    Raises:
        InputError: as `config_path`; WIF306 where no login without a name is here, but others are.
    """
    path = config_path(config.output_file, context, named.name)
    if config.output_file is None and not os.path.exists(path):  # noqa: PTH110 - Path's raises where it may not look
        others = sorted(name for each in path.parent.glob("gcp_cred_config-*.json") if (name := name_of(each.name)))
        others = [name for name in others if name != named.name]
        if others:
            raise InputError(
                f"The credential config: there is no file {path}.",
                hint=f"Logins with another name are here. Say which one is meant: --name {' or --name '.join(others)}",
                code="WIF306",
            )
    return path
