"""The values of the page. Every text in them is safe to show: without a token, control characters written out."""

from typing import Generic, Literal, NamedTuple, TypeVar

__all__ = [
    "AttributeLine", "BindingLine", "ClaimLine", "Fact", "FindingView", "IdentityLine", "LinkView", "Mark", "Moment",
    "PageModel", "Part", "PrincipalLine", "Station", "StepView", "Table", "Unseen", "Value",
]  # fmt: skip

Mark = Literal["fine", "broken", "unknown", "skipped", "advice"]
"""A state, as a shape and a colour; its word stands beside it."""


Row = TypeVar("Row")


class Table(NamedTuple, Generic[Row]):
    """Rows of a table, and how many there are that do not fit the page."""

    rows: tuple[Row, ...]
    more: int = 0

    @property
    def total(self) -> int:
        """How many rows there are."""
        return len(self.rows) + self.more


class Moment(NamedTuple):
    """A point in time.

    Attributes:
        iso: ISO 8601 in UTC, for programs.
        text: the same for people.
        relation: how far it is from the time of the report, such as ``12 minutes before this report``.
    """

    iso: str
    text: str
    relation: str


class Fact(NamedTuple):
    """One line of the head: whose chain this is.

    Attributes:
        value: what is known, or what is not.
        more: further lines, shown smaller.
        moments: times with what happens then, such as ``expires``.
        known: whether ``value`` is a name or a source, not a sentence about its absence.
    """

    label: str
    value: str
    more: tuple[str, ...] = ()
    moments: tuple[tuple[str, Moment], ...] = ()
    known: bool = True


class LinkView(NamedTuple):
    """One link of the chain, inside its station."""

    name: str
    mark: Mark
    word: str


class Value(NamedTuple):
    """One value of a station, cut to what a glance takes in; the tables have the whole.

    Attributes:
        label: what it is; may be empty.
        mark: its own state, where it has one.
        word: that state in a word.
    """

    label: str
    text: str
    mark: Mark | None = None
    word: str = ""


class StepView(NamedTuple):
    """One line of a fix: words, a command, or words and then a command."""

    words: str
    command: str


class FindingView(NamedTuple):
    """A finding."""

    code: str
    link: str
    mark: Mark
    word: str
    message: str
    expected: str | None
    found: str | None
    steps: tuple[StepView, ...]


class Station(NamedTuple):
    """One station of the picture.

    Attributes:
        name: for anchors and styles.
        values: what the chain carries here.
        more: how many values are left out.
        note: a sentence where there is no value, or about those that there are; may be empty.
        findings: the broken links here.
    """

    name: str
    title: str
    mark: Mark
    word: str
    links: tuple[LinkView, ...]
    values: tuple[Value, ...]
    more: int
    note: str
    findings: tuple[FindingView, ...]


class ClaimLine(NamedTuple):
    """A claim; ``read`` where the provider's rules read it."""

    name: str
    value: str
    moment: Moment | None
    read: bool


class AttributeLine(NamedTuple):
    """A mapped attribute; ``value`` is ``None`` where it is not set."""

    target: str
    expression: str
    value: str | None
    size: int


class Part(NamedTuple):
    """A part of the condition.

    Attributes:
        level: how deep it is nested, from 0.
        outcome: its value, or why it has none.
        mark: ``fine`` and ``broken`` only where the part decides the whole; ``None`` for plain values.
        whole: whether parts of it follow, so that its text is said again there.
    """

    text: str
    level: int
    outcome: str
    mark: Mark | None
    whole: bool


class PrincipalLine(NamedTuple):
    """An identifier that a policy may use for this token, and the roles that name it."""

    text: str
    tail: str
    roles: tuple[str, ...]


class BindingLine(NamedTuple):
    """One member of one binding.

    Attributes:
        resource: whose policy it is.
        holder: who the member is: ``this token``, ``its account``, or ``somebody else``.
    """

    resource: str
    role: str
    member: str
    holder: str
    conditional: bool


class IdentityLine(NamedTuple):
    """An identity of the manifest that this token is."""

    name: str
    account: str


class Unseen(NamedTuple):
    """A link that was not seen, and what settles it."""

    link: str
    code: str
    message: str
    steps: tuple[StepView, ...]


class PageModel(NamedTuple):
    """The page.

    Attributes:
        mark: the verdict's state.
        verdict: the verdict in a few words.
        lead: the same as a sentence.
        said: what Google answered, where that is known.
        condition: the condition as a whole; empty where there is none.
        policies: whose policies ``bindings`` come from; none where none was seen.
    """

    mark: Mark
    word: str
    verdict: str
    lead: str
    said: str | None
    made: Moment
    facts: tuple[Fact, ...]
    stations: tuple[Station, ...]
    advice: tuple[FindingView, ...]
    unseen: tuple[Unseen, ...]
    claims: Table[ClaimLine]
    attributes: Table[AttributeLine]
    condition: str
    parts: tuple[Part, ...]
    principals: Table[PrincipalLine]
    policies: tuple[str, ...]
    bindings: Table[BindingLine]
    identities: Table[IdentityLine]
