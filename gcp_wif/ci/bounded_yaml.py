"""A YAML file of somebody else's, read within bounds: nodes, nodes behind aliases, depth. Pure.

PyYAML bounds nothing. Aliases of aliases and merge keys over them multiply (the "billion laughs"), deep nesting ends in
a RecursionError, and a number such as ``1:1:1…`` or one of a million digits takes minutes to be made. So the events of
the file are counted before anything is made of them; and values are texts, ``true``, ``false`` or null, nothing else.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any

from gcp_wif.errors import InputError, MissingExtraError
from gcp_wif.limits import YAML_DEPTH, YAML_EXPANDED_NODES, YAML_NODES

__all__ = ["load"]


def load(text: str, *, origin: str, command: str) -> Any:
    """The document in ``text``: mappings, lists, texts, booleans and ``None``; merge keys are merged.

    Args:
        text: YAML 1.1, one document.
        origin: the file, for messages.
        command: what needs the library, for a missing extra.

    Raises:
        InputError: WIF123 where it is not YAML, WIF741 where it is beyond a limit.
        MissingExtraError: WIF002, the extra ``admin`` is not installed.
    """
    try:
        import yaml
    except ImportError:
        raise MissingExtraError("admin", command=command) from None
    try:
        events = deque(_bounded(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)), origin))
        return _loader(events).get_single_data()
    except (yaml.YAMLError, ValueError) as error:
        place = getattr(error, "problem_mark", None)
        where = f" (line {place.line + 1})" if place else ""
        raise InputError(f"{origin} is not YAML{where}.", code="WIF123") from None


def _bounded(events: Iterator[Any], origin: str) -> Iterator[Any]:
    """The events, while they stay within the limits.

    Each open mapping or list counts what is in it; an alias counts for all that it names.
    """
    open_nodes: list[tuple[str | None, int]] = []
    sizes: dict[str, int] = {}
    written = 0
    for event in events:
        kind: str = type(event).__name__
        anchor: Any = getattr(event, "anchor", None)
        size = 0
        if kind in ("SequenceStartEvent", "MappingStartEvent"):
            sizes.pop(anchor, None)  # until it ends, an alias of it would be a part of itself
            open_nodes.append((anchor, 1))
            written += 1
        elif kind in ("SequenceEndEvent", "MappingEndEvent"):
            anchor, size = open_nodes.pop()
        elif kind == "ScalarEvent":
            size = 1
            written += 1
        elif kind == "AliasEvent":
            if anchor not in sizes:
                raise _refused(origin, event, "an alias names nothing that is complete before it")
            size, anchor = sizes[anchor], None
            written += 1
        if anchor is not None and size:
            sizes[anchor] = size
        if size and open_nodes:
            outer, inside = open_nodes[-1]
            open_nodes[-1] = (outer, inside + size)
            size += inside
        if len(open_nodes) > YAML_DEPTH:
            raise _refused(origin, event, f"it is nested deeper than {YAML_DEPTH} levels")
        if written > YAML_NODES:
            raise _refused(origin, event, f"it has more than {YAML_NODES} values")
        if size > YAML_EXPANDED_NODES:
            raise _refused(origin, event, f"its aliases stand for more than {YAML_EXPANDED_NODES} values")
        yield event


def _refused(origin: str, event: Any, why: str) -> InputError:
    return InputError(
        f"{origin} is not read: {why} (line {event.start_mark.line + 1}).",
        hint="No config that people write is like this. Is it the right file?",
        code="WIF741",
    )


def _loader(events: deque[Any]) -> Any:
    """PyYAML's composer and constructor over events that were counted, without the types that a CI config needs not."""
    import yaml
    from yaml.composer import Composer
    from yaml.constructor import SafeConstructor
    from yaml.resolver import Resolver

    class Loader(Composer, SafeConstructor, Resolver):
        def __init__(self) -> None:
            Composer.__init__(self)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)

        def check_event(self, *kinds: type) -> bool:
            return bool(events) and isinstance(events[0], kinds)

        def peek_event(self) -> Any:
            return events[0]

        def get_event(self) -> Any:
            return events.popleft()

    plain = ("null", "bool", "str", "seq", "map")
    known = {f"tag:yaml.org,2002:{name}" for name in plain}
    Loader.yaml_constructors = {
        tag: make for tag, make in SafeConstructor.yaml_constructors.items() if tag in known or tag is None
    }
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in found if tag in known | {"tag:yaml.org,2002:merge"}]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return Loader()
