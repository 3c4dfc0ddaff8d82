"""What every invariant comes to."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One invariant: what was ``seen`` in a few words, and every violation in one sentence."""

    name: str
    seen: str
    violations: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether it was kept."""
        return not self.violations


def check(name: str, seen: str, violations: Iterable[str]) -> Check:
    """The check of one invariant."""
    return Check(name, seen, tuple(violations))


def within(name: str, what: str, value: float, most: float) -> Check:
    """The check that a figure is not larger than it may be."""
    seen = f"{what}: {value:.4g}, at most {most:.4g}"
    return Check(name, seen, () if value <= most else (f"{value:.4g} is more than {most:.4g}",))
