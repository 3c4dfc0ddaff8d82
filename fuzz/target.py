"""What is fuzzed: a function that raises on a bug, and what its inputs look like."""

import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"


class Shape(enum.Enum):
    """What an input is behind its first bytes; mutations keep to it more often than not."""

    BYTES = "bytes"
    JSON = "json"
    EVENTS = "events"
    """A stream of server-sent events with JSON in them."""


@dataclass(frozen=True)
class Target:
    """One thing to fuzz.

    ``run`` takes an input and raises only on a bug. The first ``choices`` bytes of an input choose
    among variants, see :class:`Choices`; what follows has the ``shape``. ``recorded`` makes inputs
    of what the tests have anyway; further ones are files in ``fuzz/corpus/<name>/``. ``words`` are
    what inputs are made of. ``longest`` is in bytes.
    """

    name: str
    run: Callable[[bytes], None]
    choices: int = 0
    shape: Shape = Shape.BYTES
    recorded: Callable[[], Iterable[bytes]] = tuple
    words: Sequence[str] = ()
    longest: int = 4096

    def seeds(self) -> list[bytes]:
        """Inputs to begin with, each of them once: those in files first."""
        files = sorted((CORPUS / self.name).iterdir()) if (CORPUS / self.name).is_dir() else []
        found = [path.read_bytes() for path in files if path.is_file()]
        return [*dict.fromkeys([*found, *self.recorded()])]


class Choices:
    """Takes an input apart: a byte for each choice, and the rest. Missing bytes are zeros."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, below: int) -> int:
        """A number from 0 on."""
        at, self._at = self._at, self._at + 1
        return self._data[at] % below if at < len(self._data) else 0

    def one_of[T](self, options: Sequence[T]) -> T:
        """One of these."""
        return options[self.number(len(options))]

    def flag(self) -> bool:
        """Yes or no."""
        return self.number(2) == 1

    @property
    def rest(self) -> bytes:
        """What is left."""
        return self._data[self._at :]
