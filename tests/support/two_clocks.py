"""A monotonic clock and a wall clock that a test moves by hand."""

from datetime import datetime
from zoneinfo import ZoneInfo

from support.manual_clock import ManualClock


class TwoClocks:
    """Both go on together; only the wall clock can be stepped."""

    def __init__(self, wall: float) -> None:
        self.monotonic = ManualClock()
        self.wall = ManualClock(wall)

    def advance(self, seconds: float) -> None:
        self.monotonic.now += seconds
        self.wall.now += seconds

    def step(self, seconds: float) -> None:
        """Put the wall clock forward, or back."""
        self.wall.now += seconds


def at(text: str, zone: str = "UTC") -> float:
    """Seconds since the epoch of an ISO 8601 date and time in this zone."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()
