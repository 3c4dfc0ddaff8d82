"""In which phase every client connection is, how long that may take, and who makes room.

A connection has a head under way (at first, and from a head's first byte), has requests under way,
or is idle. Nothing here does anything: the time is a parameter, and the answers are for
:mod:`.connections`.
"""

import enum
import ipaddress
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from llm_gateway.config.values import Bounds

_IPV6_NETWORK = 64


class Reason(enum.StrEnum):
    """Why a connection, or a request on it, is ended."""

    IDLE = "idle"
    HEAD = "with a late head"
    BODY = "with a late body"
    STALLED = "taking nothing"
    ROOM = "to make room"
    REFUSED = "as one too many"


class Body(Protocol):
    """What is known of a request outside."""

    def received(self) -> int | None:
        """The bytes of its body so far; None where that is all, or nobody waits for more."""

    def over(self) -> bool:
        """Whether nothing will come of it any more."""


class Request:
    """One that is under way. Its answer has no limit here, but its body has."""

    __slots__ = ("began", "body", "key")

    def __init__(self, key: str, began: float, body: Body) -> None:
        self.key = key
        self.began = began
        self.body = body

    def ends(self, bounds: Bounds) -> float | None:
        """When its body is late, as things are; None if it is complete."""
        received = self.body.received()
        if received is None:
            return None
        return self.began + bounds.body_time + received / bounds.body_rate


class Address:
    """Where some of the connections come from."""

    __slots__ = ("count", "resting")

    def __init__(self) -> None:
        self.count = 0
        self.resting: OrderedDict[Connection, None] = OrderedDict()


class Connection:
    """One that is open. Compared by identity."""

    __slots__ = ("address", "head", "key", "requests", "since")

    def __init__(self, key: str, address: str, now: float) -> None:
        self.key = key
        self.address = address
        self.since = now
        """When it began, or its last request ended."""
        self.head: float | None = now
        """When the head began that is under way; the first one begins with the connection."""
        self.requests: dict[str, Request] = {}

    def limit(self, bounds: Bounds) -> "Limit | None":
        """What it must have done next, and when; None while it has all that it asked to have."""
        if self.requests:
            ends = ((each.ends(bounds), each.key) for each in self.requests.values())
            late = [Limit(when, Reason.BODY, key) for when, key in ends if when is not None]
            return min(late, key=lambda limit: limit.when, default=None)
        if self.head is not None:
            return Limit(self.head + bounds.head_time, Reason.HEAD)
        return Limit(self.since + bounds.idle, Reason.IDLE)


@dataclass(frozen=True, slots=True)
class Limit:
    """What happens at this time; ``request`` names the one whose body is late."""

    when: float
    reason: Reason
    request: str = ""


class Roll:
    """All connections, and those that have no request under way by how long they have had none."""

    def __init__(self) -> None:
        self._all: dict[str, Connection] = {}
        self._resting: OrderedDict[Connection, None] = OrderedDict()
        self._addresses: dict[str, Address] = {}

    def __len__(self) -> int:
        return len(self._all)

    def __iter__(self) -> Iterator[Connection]:
        return iter(self._all.values())

    def get(self, key: str) -> Connection | None:
        """The connection of this name, if it is open."""
        return self._all.get(key)

    def add(self, key: str, peer: object, now: float) -> Connection:
        """A connection has come from ``peer``, as sockets name it."""
        connection = Connection(key, _address(peer), now)
        self._all[key] = connection
        address = self._addresses.setdefault(connection.address, Address())
        address.count += 1
        self._rest(connection)
        return connection

    def remove(self, connection: Connection) -> None:
        """It has ended."""
        if self._all.pop(connection.key, None) is None:
            return
        self._stir(connection)
        address = self._addresses[connection.address]
        address.count -= 1
        if not address.count:
            del self._addresses[connection.address]

    def too_many(self, new: Connection, most: int, per_address: int) -> bool:
        """Whether one of them has to go, now that ``new`` is there."""
        return self._addresses[new.address].count > per_address or len(self._all) > most

    def in_the_way(self, new: Connection, per_address: int) -> Connection:
        """The one that has been without a request for longest; ``new`` itself if all others have.

        Where an address has too many, it is one of its own.
        """
        address = self._addresses[new.address]
        crowd = address.resting if address.count > per_address else self._resting
        return next(iter(crowd))

    def head_began(self, connection: Connection, now: float) -> None:
        """The first byte of a head is there, and the head is not."""
        if connection.head is None and not connection.requests:
            connection.head = now
            self._stir(connection)
            self._rest(connection)

    def request_began(self, connection: Connection, request: Request) -> None:
        """A head is there."""
        connection.head = None
        connection.requests[request.key] = request
        self._stir(connection)

    def request_ended(self, connection: Connection, key: str, now: float) -> bool:
        """A request has all of its body and its answer, or broke off; whether it was the last."""
        if connection.requests.pop(key, None) is None or connection.requests:
            return False
        connection.since = now
        self._rest(connection)
        return True

    def _rest(self, connection: Connection) -> None:
        if connection.key in self._all:
            self._resting[connection] = None
            self._addresses[connection.address].resting[connection] = None

    def _stir(self, connection: Connection) -> None:
        self._resting.pop(connection, None)
        address = self._addresses.get(connection.address)
        if address is not None:
            address.resting.pop(connection, None)


def _address(peer: object) -> str:
    """Who a connection is from: one IPv4 address, one IPv6 network of the size that a site gets.

    What is no address (of a Unix socket, say) stands for itself.
    """
    name = str(peer[0]) if isinstance(peer, tuple) and peer else str(peer)
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return name
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((address.packed, _IPV6_NETWORK), strict=False))
