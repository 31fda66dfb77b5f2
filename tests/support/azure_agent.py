"""What Azure Pipelines' agent does with a step's output, from azure-pipelines-agent's ``Command.cs`` and its docs.

A command stands anywhere in a line: from ``##vso[`` to the first ``]`` area, event and properties, behind it the data.
"""

import re
from typing import NamedTuple

__all__ = ["Heard", "agent"]

_COMMAND = re.compile(
    r"##vso\[(?P<area>[a-z]+)\.(?P<event>[a-z]+)(?: (?P<properties>[^\]]*))?\](?P<data>.*)", re.IGNORECASE
)
_UNESCAPED = (("%0D", "\r"), ("%0A", "\n"), ("%AZP25", "%"))


class Heard(NamedTuple):
    """What the agent has taken from a step's output.

    Attributes:
        variables: that the next steps have.
        secrets: that the log does not show.
        log: what people see.
        others: commands that are neither.
    """

    variables: dict[str, str]
    secrets: list[str]
    log: str
    others: list[str]


def agent(*streams: str) -> Heard:
    """Read the lines of a step's output, which the agent takes from both of its streams."""
    heard = Heard({}, [], "", [])
    lines = []
    for line in "\n".join(streams).splitlines():
        found = _COMMAND.search(line)
        if found is None:
            lines.append(line)
            continue
        properties = dict(each.split("=", 1) for each in (found["properties"] or "").split(";") if "=" in each)
        data, event = found["data"], f"{found['area']}.{found['event']}".lower()
        for escape, text in _UNESCAPED:
            data = data.replace(escape, text)
        if event == "task.setvariable":
            heard.variables[properties["variable"]] = data
        elif event == "task.setsecret":
            heard.secrets.append(data)
        else:
            heard.others.append(line)
    log = "\n".join(lines)
    for secret in heard.secrets:
        log = log.replace(secret, "***")
    return heard._replace(log=log)
