"""When the events of a stream came, and what each held: its timeline.

Events that are alike and follow each other without a pause are one line.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, override

import orjson

from llm_gateway.adapters.translating import object_in, objects, text_in
from llm_gateway.inspect.comments import duration
from llm_gateway.inspect.views.reading import Event, Stream
from llm_gateway.inspect.views.text import counted, grouped, one_line, size

FIRST_ROWS = 200
LAST_ROWS = 100
"""Of more lines than both together, those in the middle are left out."""
PAUSE = 1.0
"""Seconds of silence after which even what is alike has a line of its own."""

_MILLI = 1000.0
_SHOWN = 30
"""Characters of an event's content in its line."""
_SHORTEST = 0.05
"""Seconds: of less, nobody can tell a rate, and no gap is worth a line."""
_BRIEF = 0.1
"""Seconds, below which milliseconds are easier to read."""
_MANY = 4
"""So many times the mean makes a gap stand out."""
_DONE = b"[DONE]"
_RUNS = frozenset({"text", "reasoning", "refusal", "arguments", "comment"})
"""What comes in many pieces."""
_TEXTS = {"content": "text", "reasoning_content": "reasoning", "refusal": "refusal"}
_CONTENT = frozenset({*_TEXTS.values(), "tool call", "arguments", "picture", "finish"})


@dataclass(frozen=True, slots=True)
class Word:
    """What an event holds. ``kinds`` are the sorts of it, ``said`` the characters of its content.

    ``text`` is the word for it, without the content.
    """

    kinds: tuple[str, ...]
    text: str
    said: str = ""

    @property
    def is_content(self) -> bool:
        """Whether a client has something of it."""
        return not _CONTENT.isdisjoint(self.kinds)

    @property
    def joins(self) -> bool:
        """Whether more of the kind may follow in the same line."""
        return len(self.kinds) == 1 and self.kinds[0] in _RUNS

    @override
    def __str__(self) -> str:
        return self.text + quoted(self.said)


@dataclass(frozen=True, slots=True)
class Moment:
    """An event, the word for it, and when it came; times are seconds, None where not known."""

    event: Event
    word: Word
    at: float | None
    gap: float | None


def timeline(stream: Stream, arrivals: object) -> list[str]:
    """The lines for a stream that has events; ``arrivals`` is the flow's ``ai.arrivals``."""
    moments = moments_of(stream.events, arrivals)
    if not moments:
        return []
    timed = [moment for moment in moments if moment.at is not None]
    lines = [*_head(stream, moments), ""]
    rows = [_row(run, timed=bool(timed)) for run in _runs(moments)]
    table = _aligned([_titles(timed=bool(timed)), *_within_bounds(rows)])
    lines += table
    if 0 < len(timed) < len(moments):
        lines.append(f"When they came is known of the first {grouped(len(timed))} only.")
    if stream.left_bytes:
        lines.append(left_out(stream))
    return lines


def left_out(stream: Stream) -> str:
    """What of a stream was not read, in a sentence."""
    return (
        f"… about {counted(stream.left_events, 'more event')} ({size(stream.left_bytes)}): only "
        f"the first {grouped(len(stream.events))} ({size(stream.read_bytes)}) are read here."
    )


def moments_of(events: Sequence[Event], arrivals: object) -> list[Moment]:
    """Each event with its word and its time."""
    times = arrival_times(events, arrivals)
    last_count = max((event.number for event in events if event.counts), default=0)
    words = [word_of(event, counts=event.number == last_count) for event in events]
    before = [0.0, *times]
    gaps = [
        None if at is None or then is None else at - then
        for at, then in zip(times, before, strict=False)
    ]
    return [
        Moment(event, word, at, gap)
        for event, word, at, gap in zip(events, words, times, gaps, strict=True)
    ]


def arrival_times(events: Iterable[Event], arrivals: object) -> list[float | None]:
    """When each event was complete, in seconds since the request; None where that is not known."""
    times: list[float | None] = []
    pieces = _pieces(arrivals)
    end, at = next(pieces, (-1, 0.0))
    for event in events:
        while 0 <= end < event.end:
            end, at = next(pieces, (-1, 0.0))
        times.append(at if end >= 0 else None)
    return times


def word_of(event: Event, *, counts: bool = False) -> Word:
    """A short word for what an event holds; ``counts``: the tokens that it tells are the last."""
    if event.trouble:
        return Word(("error",), f"error: {one_line(event.trouble, 60)}")
    if not event.data:
        return Word(("comment",), "comment", event.comment)
    if event.data.strip() == _DONE:
        return Word(("end",), "[DONE]")
    found = [part for chunk in event.chunks for part in _parts(chunk)]
    parts = [part for part in found if part[0] != "role"] or found
    if counts:
        parts.append(("usage", "usage", ""))
    if not parts:
        return Word(("other",), _own_word(event))
    if len(parts) == 1:
        kind, word, said = parts[0]
        return Word((kind,), word, said)
    words = ", ".join(word + quoted(said) for _, word, said in parts[:4])
    return Word(tuple(kind for kind, _, _ in parts), words)


def quoted(text: str) -> str:
    """A piece of content behind its word."""
    return f' "{_clear(text)}"' if text else ""


def _clear(text: str) -> str:
    """In one line, with its spaces."""
    shown = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    return shown.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


def _parts(chunk: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What a chunk holds: kind, word, content."""
    for choice in objects(chunk.get("choices")):
        index = choice.get("index")
        of = f" of choice {index + 1}" if isinstance(index, int) and index > 0 else ""
        delta = object_in(choice, "delta")
        if delta.get("role"):
            yield "role", f"role{of}", ""
        for name, kind in _TEXTS.items():
            if text := text_in(delta, name):
                yield kind, kind + of, text
        for call in objects(delta.get("tool_calls")):
            yield _call(call, of)
        for _ in objects(delta.get("images")):
            yield "picture", f"picture{of}", ""
        if choice.get("finish_reason") is not None:
            yield "finish", f"finish {choice['finish_reason']}{of}", ""


def _call(call: Mapping[str, Any], of: str) -> tuple[str, str, str]:
    function = object_in(call, "function")
    arguments = text_in(function, "arguments")
    if name := text_in(function, "name"):
        return "tool call", f"tool call {one_line(name, 64)}{of}", arguments
    return "arguments", f"arguments{of}", arguments


def _own_word(event: Event) -> str:
    """The word that the event itself has for what it is."""
    if event.type:
        return one_line(event.type, 40)
    try:
        data = orjson.loads(event.data)
    except orjson.JSONDecodeError:
        return "no content"
    own = text_in(data, "type") if isinstance(data, dict) else ""
    return one_line(own, 40) or "no content"


def _pieces(arrivals: object) -> Iterator[tuple[int, float]]:
    """The pieces of a body: where each ends, and when it came; up to the first that is none."""
    if not isinstance(arrivals, list | tuple):
        return
    for end, at in zip(arrivals[::2], arrivals[1::2], strict=False):
        if not isinstance(end, int) or not isinstance(at, int | float) or end < 0:
            return
        yield end, at / _MILLI


def _head(stream: Stream, moments: Sequence[Moment]) -> Iterator[str]:
    """The numbers that one looks for first."""
    last = moments[-1].at
    events = counted(len(moments), "event")
    if stream.left_events:
        events = f"the first {events} of about {grouped(len(moments) + stream.left_events)}"
    times = [(moment.at, moment) for moment in moments if moment.at is not None]
    if not times:
        yield f"{events}; when they came was not recorded"
        return
    content = [at for at, moment in times if moment.word.is_content]
    words = [events if last is None else f"{events} in {duration(last)}"]
    words.append(f"first event {duration(times[0][0])}")
    if content:
        words.append(f"first content {duration(content[0])}")
        words += _rate(stream, moments, content[-1] - content[0])
    yield " · ".join(words)
    gap, longest = max(
        ((each.gap, each.event.number) for each in moments[1:] if each.gap is not None),
        default=(0.0, 0),
    )
    if gap >= _SHORTEST:
        yield f"longest gap {duration(gap)}, before event {grouped(longest)}"


def _rate(stream: Stream, moments: Sequence[Moment], took: float) -> list[str]:
    """How fast the content came, once it did."""
    if took < _SHORTEST:
        return []
    if stream.usage is not None and stream.usage.completion_tokens > 0 and stream.complete:
        return [f"{stream.usage.completion_tokens / took:.0f} tokens/s"]
    said = sum(len(moment.word.said) for moment in moments if moment.word.is_content)
    return [f"{said / took:.0f} characters/s"] if said else []


def _runs(moments: Sequence[Moment]) -> Iterator[Sequence[Moment]]:
    """What is alike and without a pause, together."""
    pause = _pause([moment.gap or 0.0 for moment in moments[1:]])
    start = 0
    for number, (one, other) in enumerate(pairwise(moments), 1):
        alike = one.word.kinds == other.word.kinds and one.word.text == other.word.text
        if not (alike and one.word.joins) or (other.gap or 0.0) >= pause:
            yield moments[start:number]
            start = number
    yield moments[start:]


def _pause(gaps: Sequence[float]) -> float:
    """The seconds that count as a pause: where one gap stands out, already those."""
    longest = max(gaps, default=0.0)
    stands_out = longest >= max(_BRIEF, _MANY * sum(gaps) / max(len(gaps), 1))
    return min(longest, PAUSE) if stands_out else PAUSE


def _titles(*, timed: bool) -> tuple[str, ...]:
    return ("event", *(("at s", "gap s") if timed else ()), "bytes", "what")


def _row(run: Sequence[Moment], *, timed: bool) -> tuple[str, ...]:
    first, last = run[0], run[-1]
    number = grouped(first.event.number)
    if len(run) > 1:
        number += f"-{grouped(last.event.number)}"
    times = (_at(first.at), _at(first.gap)) if timed else ()
    length = grouped(sum(moment.event.size for moment in run))
    return (number, *times, length, _what(run))


def _what(run: Sequence[Moment]) -> str:
    first, last = run[0], run[-1]
    if len(run) == 1:
        return str(first.word)
    said = "".join(moment.word.said for moment in run[:_SHOWN])
    words = [first.word.text + quoted(said), counted(len(run), "piece")]
    if last.at is not None and _at(last.at) != _at(first.at):
        words[-1] += f" until {_at(last.at)}"
    widest = max((moment.gap for moment in run[1:] if moment.gap is not None), default=0.0)
    if widest >= _SHORTEST:
        words.append(f"gaps up to {widest:.3f}")
    return ", ".join(words)


def _at(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _within_bounds(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    left = len(rows) - FIRST_ROWS - LAST_ROWS
    if left <= 0:
        return rows
    gap = (*[""] * (len(rows[0]) - 1), f"… {counted(left, 'more line')} …")
    return [*rows[:FIRST_ROWS], gap, *rows[-LAST_ROWS:]]


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Numbers to the right, words to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
    return [
        "  ".join([*(cell.rjust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        for row in rows
    ]
