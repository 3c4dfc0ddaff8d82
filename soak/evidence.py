"""What was seen of a run, at both ends of the gateway and inside it. Times are the monotonic
clock's, in seconds, which is the same for all processes of a machine.
"""

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field

from soak.crowd import Asked
from soak.plan import Plan


class Kind(enum.StrEnum):
    """How a request ended for its client."""

    COMPLETE = "complete"
    """A good and whole answer."""
    REFUSED = "refused"
    """A status and an error, with OpenAI's four keys."""
    BROKEN = "broken"
    """A stream that ended with an error event and [DONE]."""
    LEFT = "left"
    """The client left."""
    WRONG = "wrong"
    """Anything else: cut off, malformed, silent."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One end of a request.

    ``exchange`` is the gateway's name for it, as far as the client was told; ``parts`` the calls
    that the text came from, each with its number of pieces; ``detail`` says what is wrong.
    """

    kind: Kind
    at: float
    status: int = 0
    code: str = ""
    exchange: str = ""
    parts: tuple[tuple[int, int], ...] = ()
    first: float | None = None
    """Seconds to the head of the answer."""
    detail: str = ""


@dataclass(slots=True)
class Entry:
    """One request and what became of it, which must be exactly one thing."""

    asked: Asked
    phase: str
    began: float
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def outcome(self) -> Outcome:
        """Its first outcome."""
        return self.outcomes[0]

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.outcome.at - self.began


@dataclass(frozen=True, slots=True)
class UpstreamCall:
    """One call as the provider saw it, for which request. ``ending``: complete, cut or left.

    ``reused``: its connection had carried another one.
    """

    number: int
    provider: str
    model: str
    step: str
    request: int
    reused: bool
    began: float
    ended: float | None
    ending: str | None


@dataclass(frozen=True, slots=True)
class Span:
    """A phase of a round, from 1.

    ``stall`` is the longest time, in seconds, for which the machine held up the clients or the
    providers.
    """

    name: str
    round: int
    began: float
    ended: float
    stall: float = 0.0


@dataclass(frozen=True, slots=True)
class Vitals:
    """What the gateway's process holds.

    ``objects`` are those that Python's collector looks after; ``held`` is everything that the
    gateway counts itself and that is nothing at rest, by name; ``lag`` is the longest delay of the
    event loop since the vitals before these, in seconds; ``parked`` how long a target rests that
    was limited; ``kinds`` how many tasks there are of each kind.
    """

    at: float
    tasks: int
    sockets: int
    descriptors: int
    objects: int
    rss: int
    cpu: float
    lag: float
    parked: float
    held: dict[str, int]
    kinds: dict[str, int]


@dataclass(frozen=True, slots=True)
class Capacity:
    """Answers a second of the narrow provider: alone with as many clients as places, and under
    three times that load.
    """

    alone: float
    under_load: float


@dataclass(frozen=True, slots=True)
class Quota:
    """What the gateway says is left of the metered provider's minute, and when."""

    remaining: int
    at: float


@dataclass(slots=True)
class Evidence:
    """All of it."""

    plan: Plan
    spans: list[Span] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    calls: list[UpstreamCall] = field(default_factory=list)
    vitals: list[Vitals] = field(default_factory=list)
    """At the end of each span."""
    rests: list[Vitals] = field(default_factory=list)
    """The baseline, and one for each round."""
    capacities: list[Capacity] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)
    """How many calls each provider had at once when all its places were asked for."""
    quota: Quota | None = None
    output: str = ""
    exit_status: int | None = None
    provider_failures: list[str] = field(default_factory=list)

    def stall(self, time: float) -> float:
        """How long the machine held up the clients or the providers around this time."""
        around = (span for span in self.spans if span.began - 2 <= time < span.ended)
        return max((span.stall for span in around), default=0.0)

    def spans_of(self, name: str) -> Iterator[Span]:
        """The spans of this phase."""
        return (span for span in self.spans if span.name == name)
