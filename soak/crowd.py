"""What the clients ask for: drawn from the seed and the request's number, and so the same again."""

import random
from dataclasses import dataclass

from support.fault_scene import HOST, PATH, TOKEN
from support.raw_http import json_request

SUBJECT = "request "
"""What the first message of a request begins with; its number follows."""

LEAVING = 0.1
"""The share of clients that leave early."""
SLOW = 0.01
SLOW_PIECES = 2000
"""So many pieces that a slow reader holds up its provider, about 500 kB."""
STREAMS = 0.6
RETRIES = 0.05

_NAMES = {"even": 40, "first": 25, "hedged": 15, "unbroken": 15, "narrow": 5}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request.

    ``pieces`` is how long the answer is to be. The client leaves ``leaves`` seconds after it began
    to connect (None: it stays), with a reset if ``resets``. ``retry``: it says that it tries again
    what has failed before.
    """

    number: int
    name: str
    stream: bool
    pieces: int
    leaves: float | None = None
    resets: bool = False
    slow: bool = False
    retry: bool = False

    def as_bytes(self) -> bytes:
        """The request as it goes over the wire."""
        content = {
            "model": self.name,
            "messages": [{"role": "user", "content": f"{SUBJECT}{self.number}"}],
            "stream": self.stream,
            "max_tokens": self.pieces,
        }
        retries = [("x-stainless-retry-count", "1")] if self.retry else []
        return json_request(PATH, content, host=HOST, token=TOKEN, headers=retries)


def draw(seed: int, number: int) -> Asked:
    """The request of this number in ordinary load."""
    lots = random.Random(f"{seed} {number}")
    [name] = lots.choices([*_NAMES], [*_NAMES.values()])
    slow = name != "narrow" and lots.random() < SLOW
    return Asked(
        number=number,
        name=name,
        stream=slow or lots.random() < STREAMS,
        pieces=SLOW_PIECES if slow else lots.randint(4, 24),
        leaves=lots.uniform(0, 1.2) if lots.random() < LEAVING and not slow else None,
        resets=lots.random() < 0.5,
        slow=slow,
        retry=lots.random() < RETRIES,
    )


def narrow(seed: int, number: int) -> Asked:
    """One of those that overload the narrow provider, some of which leave while they wait."""
    lots = random.Random(f"{seed} {number}")
    leaves = lots.uniform(0, 1.2) if lots.random() < LEAVING else None
    return Asked(number, "narrow", False, 4, leaves, lots.random() < 0.5)


def plain(name: str, number: int) -> Asked:
    """A request for a short whole answer, whose client stays."""
    return Asked(number, name, False, 4)
