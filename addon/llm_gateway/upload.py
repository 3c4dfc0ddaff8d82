"""Request bodies that come piece by piece: kept within bounds, or not at all."""

from collections.abc import Callable

from llm_gateway.errors import GatewayError


def discard(data: bytes) -> list[bytes]:
    """A ``request.stream`` function for the body of a request that has been refused."""
    del data
    return []


class Upload:
    """A ``request.stream`` function that keeps the body."""

    def __init__(
        self, check: Callable[[int], None], refuse: Callable[[GatewayError], None]
    ) -> None:
        """``check`` is told how many bytes have come, and raises GatewayError for too many.

        Then ``refuse`` is called with that, and nothing more is kept or checked.
        """
        self._check = check
        self._refuse = refuse
        self._is_refused = False
        # Pieces may be of one byte each, and then a list of them is forty times as large.
        self._kept = bytearray()

    def __call__(self, data: bytes) -> list[bytes]:
        """Take the next piece; nothing of it is passed on."""
        if self._is_refused:
            return []
        try:
            self._check(len(self._kept) + len(data))
        except GatewayError as error:
            self.give_up(error)
        else:
            self._kept += data
        return []

    def give_up(self, error: GatewayError) -> None:
        """Refuse it, and keep nothing of it."""
        self._is_refused = True
        self._kept = bytearray()
        self._refuse(error)

    @property
    def body(self) -> bytes:
        """What came; empty if it was too much."""
        return bytes(self._kept)
