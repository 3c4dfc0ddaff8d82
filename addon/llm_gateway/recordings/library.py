"""The answers of one tape, found by their requests."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime

from llm_gateway.errors import shown
from llm_gateway.recordings.answers import Answer
from llm_gateway.recordings.asked import Asked, Sort
from llm_gateway.recordings.differences import differences
from llm_gateway.recordings.nearest import sketch
from llm_gateway.recordings.tape import Recording, Tape

_WORDS = {Sort.CHAT: "chat completions", Sort.PICTURES: "pictures"}


class Library:
    """Serves each recording of a request in the order in which they were made, the last for ever.

    Of a request that was recorded both as a stream and whole, each form has its own order; one that
    was recorded in the other form only is served from that.
    """

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._recordings = tape.recordings
        self._takes: defaultdict[tuple[bytes, bool], list[Recording]] = defaultdict(list)
        for recording in tape.recordings:
            self._takes[recording.key, recording.stream].append(recording)
        self._served: defaultdict[tuple[bytes, bool], int] = defaultdict(int)

    @property
    def models(self) -> Sequence[str]:
        """The names that were asked for, in that order."""
        return [*dict.fromkeys(each.model for each in self._recordings if each.model)]

    @property
    def summary(self) -> str:
        """What is served, and what is not, for the operator."""
        answers, models = len(self._recordings), len(self.models)
        return (
            f"Serving {_counted(answers, 'answer')} of {_counted(models, 'model')} "
            f"from {self._tape.path}, and asking no provider{self._tape.omissions}."
        )

    def find(self, asked: Asked) -> Answer | None:
        """The next answer to this request, None if there is none. Raises TapeError."""
        for form in (asked.key, asked.stream), (asked.key, not asked.stream):
            if takes := self._takes.get(form):
                number = self._served[form]
                self._served[form] = min(number + 1, len(takes) - 1)
                return self._tape.play(takes[number])[1]
        return None

    def missing(self, asked: Asked) -> str:
        """Why there is no answer to this request. Raises TapeError."""
        wanted = sketch(asked)
        alike = [each for each in self._recordings if each.sketch.sort is asked.sort]
        if not alike:
            return f"No recording of this request: no {_WORDS[asked.sort]} were recorded."
        nearest = min(alike, key=lambda each: wanted.distance(each.sketch))
        number = self._recordings.index(nearest) + 1
        model = f"{shown(nearest.model)}, " if nearest.model else ""
        recorded, _ = self._tape.play(nearest)
        return (
            f"No recording of this request. The nearest is number {number} of "
            f"{len(self._recordings)} ({model}asked {_date(nearest.at)}): "
            f"{differences(recorded.body, asked.body)}."
        )


def _date(at: float) -> str:
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, OSError, ValueError):
        # A file may say anything.
        return "nobody knows when"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
