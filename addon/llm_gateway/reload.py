"""Noticing that a file has changed, by looking."""

from collections.abc import Iterable
from pathlib import Path

_Stamp = tuple[int, int, int] | None


class FileWatch:
    """Remembers what some files looked like; files that are missing may appear."""

    def __init__(self, paths: Iterable[Path] = (), before: "FileWatch | None" = None) -> None:
        """What ``before`` has seen last of a path counts as seen here."""
        self._seen: dict[Path, _Stamp] = {path: _stamp(path) for path in paths}
        if before is not None:
            self._seen |= {p: stamp for p, stamp in before._seen.items() if p in self._seen}

    def changed(self) -> bool:
        """Whether any file differs from when this was last asked."""
        now = {path: _stamp(path) for path in self._seen}
        before, self._seen = self._seen, now
        return now != before


def _stamp(path: Path) -> _Stamp:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_size, stat.st_ino
