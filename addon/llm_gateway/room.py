"""The memory that the bodies of all requests under way may take together, and who has how much.

Nobody can take it all from the others: a client may have as much as is left. So one alone gets a
half, and when n have what they can get, there is a share of 1 / (n + 1) for the next.
"""

from collections import Counter
from collections.abc import Callable
from weakref import WeakKeyDictionary

from llm_gateway.errors import SERVER_ERROR, GatewayError, waiting

_FULL_SECONDS = 1.0
"""When to come again: nobody knows when a request will be over."""


class Room[Request]:
    """Keeps account by request. Requests are compared by identity and not kept alive."""

    def __init__(self, is_over: Callable[[Request], bool]) -> None:
        """``is_over``: whether nothing will come of a request any more.

        It is asked where there seems to be no room, so that a request whose end nobody has told of
        takes none for ever.
        """
        self._is_over = is_over
        self._taken: WeakKeyDictionary[Request, tuple[str, int]] = WeakKeyDictionary()
        self._by_owner: Counter[str] = Counter()

    def take(self, request: Request, owner: str, size: int, most: int) -> None:
        """From now on the request has ``size`` bytes, of the ``most`` that all may have together.

        Raises GatewayError (503) where there is no room, and then it has none.
        """
        self.give_back(request)
        if not self._has_room(owner, size, most):
            self._count_again()
            if not self._has_room(owner, size, most):
                raise _full()
        self._taken[request] = owner, size
        self._by_owner[owner] += size

    def give_back(self, request: Request) -> None:
        """It is over; may be told more than once."""
        owner, size = self._taken.pop(request, ("", 0))
        self._by_owner[owner] -= size
        if not self._by_owner[owner]:
            # Names come and go with configurations.
            del self._by_owner[owner]

    def _has_room(self, owner: str, size: int, most: int) -> bool:
        left = most - self._by_owner.total()
        return self._by_owner[owner] + size <= left

    def _count_again(self) -> None:
        under_way = [(each, had) for each, had in self._taken.items() if not self._is_over(each)]
        self._taken = WeakKeyDictionary(under_way)
        self._by_owner = Counter()
        for _, (owner, size) in under_way:
            self._by_owner[owner] += size


def _full() -> GatewayError:
    return GatewayError(
        503,
        "The bodies of the requests under way, or this client's, take all the memory that there is "
        "for them by the gateway's configuration (gateway.bounds.all_bodies). Try again soon.",
        type=SERVER_ERROR,
        code="bodies_full",
        headers=waiting(_FULL_SECONDS),
    )
