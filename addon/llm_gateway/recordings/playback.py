"""The options ``ai_replay`` and ``ai_replay_pace`` at work: which recording is played, and how."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

from llm_gateway.config import Config
from llm_gateway.recordings.library import Library
from llm_gateway.recordings.offline import offline
from llm_gateway.recordings.tape import Tape, TapeError
from llm_gateway.recordings.wire import Pace, RecordingWire

FILE = "ai_replay"
PACE = "ai_replay_pace"
HELP = {
    FILE: "A flow file. The gateway answers with what is recorded in it, and asks no provider.",
    PACE: "How recordings are played: at once (none), or as they came (recorded).",
}


class PlaybackError(Exception):
    """An option has a value that it cannot have, or names a file that cannot be used."""


class Options(Protocol):
    """What is needed of mitmproxy's options."""

    ai_replay: str
    ai_replay_pace: str


class Playback:
    """Which recording is played, if any."""

    def __init__(self) -> None:
        self._on = False
        self._pace = Pace.NONE
        self._library: Library | None = None
        """The one that is played, or was: what began with it goes on."""

    def obey(self, options: Options, updated: Collection[str]) -> None:
        """Take what has changed; a file is played from its beginning. Raises PlaybackError."""
        if PACE in updated:
            self._pace = _pace(options.ai_replay_pace)
        if FILE in updated:
            self._turn_to(options.ai_replay)

    def instead_of(self, config: Config) -> Config:
        """The configuration by which the recording is served, or else this one."""
        return offline(config, self._library.models) if self._on and self._library else config

    def wire(self, hide: Callable[[bytes], bytes]) -> RecordingWire:
        """The way to what is played; ``hide`` masks a body as those in flows are masked."""
        return RecordingWire(self._playing, lambda: self._pace, hide)

    @property
    def summary(self) -> str:
        """What is served, in a sentence; empty where no recording is played."""
        return self._library.summary if self._on and self._library else ""

    def _turn_to(self, file: str) -> None:
        if file:
            try:
                self._library = Library(Tape(Path(file)))
            except TapeError as error:
                raise PlaybackError(str(error)) from None
        self._on = bool(file)

    def _playing(self) -> Library:
        if self._library is None:
            raise RuntimeError("no recording was ever played")
        return self._library


def _pace(name: str) -> Pace:
    try:
        return Pace(name)
    except ValueError:
        known = " or ".join(Pace)
        raise PlaybackError(f"{PACE} is {name!r}: expected {known}.") from None
