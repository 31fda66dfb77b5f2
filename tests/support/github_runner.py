"""How GitHub's runner reads the file that ``GITHUB_ENV`` names (actions/runner, ``FileCommandManager.cs``)."""

__all__ = ["runner"]


def runner(content: bytes) -> dict[str, str]:
    """The variables that the runner takes from the file, or an error, as it does."""
    found: dict[str, str] = {}
    rest = content.decode("utf-8", "surrogateescape")

    def line() -> str | None:
        nonlocal rest
        if not rest:
            return None
        text, newline, after = rest.partition("\n")
        rest = after if newline else ""
        return text.removesuffix("\r")

    while (text := line()) is not None:
        if not text:
            continue
        equals, heredoc = text.find("="), text.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, value = text[:equals], text[equals + 1 :]
        elif heredoc >= 0 and (equals < 0 or heredoc < equals):
            name, delimiter = text[:heredoc], text[heredoc + 2 :]
            lines = []
            while (inner := line()) != delimiter:
                if inner is None:
                    raise ValueError(f"no matching delimiter {delimiter}")
                lines.append(inner)
            value = "\n".join(lines)
        else:
            raise ValueError(f"invalid format {text}")
        if not name:
            raise ValueError("no name")
        found[name] = value
    return found
