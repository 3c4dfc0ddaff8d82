"""A clock that a test moves by hand."""


class ManualClock:
    """Gives ``now``, in seconds. Eighths of a second add up without rounding."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now
