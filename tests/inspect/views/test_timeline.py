"""When the events of a stream came, and what each held."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.inspect.views import timeline as module
from llm_gateway.inspect.views.reading import Event, Stream, adapter_for, read_stream
from llm_gateway.inspect.views.timeline import arrival_times, timeline, word_of

DONE = b"data: [DONE]\n\n"
FINISH = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 8}}


def delta(**said: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": said}]}


def sse_of(*chunks: dict[str, Any] | bytes) -> list[bytes]:
    return [
        chunk if isinstance(chunk, bytes) else b"data: " + json.dumps(chunk).encode() + b"\n\n"
        for chunk in chunks
    ]


def arrivals_of(pieces: list[bytes], *times: int) -> list[int]:
    """Each piece came at its time."""
    ends = [len(b"".join(pieces[: number + 1])) for number in range(len(pieces))]
    return [number for pair in zip(ends, times, strict=False) for number in pair]


def lines_of(pieces: list[bytes], arrivals: object, kind: str = "openai") -> list[str]:
    return timeline(read_stream(adapter_for(kind), b"".join(pieces)), arrivals)


def whats(lines: list[str]) -> list[str]:
    """The last column of the table."""
    start = next(number for number, line in enumerate(lines) if line.lstrip().startswith("event "))
    column = lines[start].index("what")
    return [line[column:] for line in lines[start + 1 :]]


def test_a_timeline_says_when_each_event_came_and_what_it_held() -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    more = {"index": 0, "function": {"arguments": "{}"}}
    pieces = sse_of(
        b": keepalive\n\n",
        delta(role="assistant", content=""),
        delta(content="Hel"),
        delta(content="lo\n"),
        delta(tool_calls=[call]),
        delta(tool_calls=[more]),
        FINISH,
        USAGE,
        DONE,
    )
    lines = lines_of(pieces, arrivals_of(pieces, 100, 300, 310, 380, 1400, 1410, 1420, 1420, 1500))
    assert lines[:2] == [
        "9 events in 1.5 s · first event 0.10 s · first content 0.31 s · 7 tokens/s",
        "longest gap 1.0 s, before event 5",
    ]
    assert lines[3].split() == ["event", "at", "s", "gap", "s", "bytes", "what"]
    assert lines[4].split()[:4] == ["1", "0.100", "0.100", "13"]
    assert lines[6].split()[:3] == ["3-4", "0.310", "0.010"]
    assert whats(lines) == [
        'comment "keepalive"',
        "role",
        'text "Hello\\n", 2 pieces until 0.380, gaps up to 0.070',
        "tool call f",
        'arguments "{}"',
        "finish tool_calls",
        "usage",
        "[DONE]",
    ]


def test_without_arrivals_there_are_events_without_times_and_that_is_said_once() -> None:
    lines = lines_of(sse_of(delta(content="a"), FINISH, DONE), None)
    assert lines[0] == "3 events; when they came was not recorded"
    assert lines[2].split() == ["event", "bytes", "what"]
    assert whats(lines) == ['text "a"', "finish stop", "[DONE]"]


def test_where_arrivals_end_early_the_rest_has_no_times_and_that_is_said_once() -> None:
    pieces = sse_of(delta(content="a"), FINISH, DONE)
    lines = lines_of(pieces, arrivals_of(pieces, 10))
    assert lines[-1] == "When they came is known of the first 1 only."
    assert lines[-2].split() == ["3", "-", "-", "14", "[DONE]"]


def test_a_pause_is_seen_in_the_middle_of_what_is_alike() -> None:
    pieces = sse_of(*[delta(content="a")] * 20)
    times = [10 * number + (700 if number >= 12 else 0) for number in range(20)]
    lines = lines_of(pieces, arrivals_of(pieces, *times))
    assert [line.split()[0] for line in lines[4:]] == ["1-12", "13-20"]
    assert lines[1] == "longest gap 0.71 s, before event 13"


def test_an_even_stream_has_no_pause() -> None:
    pieces = sse_of(*[delta(content="a")] * 20)
    lines = lines_of(pieces, arrivals_of(pieces, *range(400, 8400, 400)))
    assert [line.split()[0] for line in lines[4:]] == ["1-20"]


def test_several_events_in_one_piece_came_together() -> None:
    events = [Event(number, 10 * number, 10) for number in range(1, 5)]
    assert arrival_times(events, [20, 100, 45, 250]) == [0.1, 0.1, 0.25, 0.25]


def test_an_event_in_several_pieces_came_with_its_last() -> None:
    assert arrival_times([Event(1, 30, 30)], [10, 1, 20, 2, 30, 3]) == [0.003]


@pytest.mark.parametrize("arrivals", [None, 5, "text", [], [1], ["a", 1], [10, "b"], [-1, 2], {}])
def test_what_is_no_list_of_arrivals_is_none(arrivals: object) -> None:
    assert arrival_times([Event(1, 10, 10)], arrivals) == [None]


@given(st.lists(st.integers(-5, 100) | st.none() | st.floats() | st.text(max_size=2), max_size=9))
def test_whatever_stands_for_arrivals_is_laid_out(arrivals: list[object]) -> None:
    assert lines_of(sse_of(delta(content="a"), FINISH, DONE), arrivals)


def test_an_event_that_is_nothing_to_clients_goes_by_its_own_name() -> None:
    ping = b'event: ping\ndata: {"type": "ping"}\n\n'
    typed = b'data: {"type": "heartbeat"}\n\n'
    bare = b"data: {}\n\n"
    assert whats(lines_of([ping, bare], None, "anthropic")) == ["ping", "no content"]
    assert whats(lines_of([typed, bare], None, "gemini")) == ["heartbeat", "no content"]


def test_an_error_is_named_as_one() -> None:
    lines = lines_of([b'data: {"error": {"message": "Overloaded"}}\n\n', b"data: {\n\n"], None)
    assert whats(lines)[0] == "error: Overloaded"
    assert whats(lines)[1].startswith("error: An event of the provider's stream is not valid JSON")


def test_the_usage_is_named_where_it_was_told_last() -> None:
    def part(text: str, count: int) -> dict[str, Any]:
        content = {"parts": [{"text": text}], "role": "model"}
        counted = {"promptTokenCount": 1, "candidatesTokenCount": count}
        return {"candidates": [{"content": content}], "usageMetadata": counted}

    lines = lines_of(sse_of(part("a", 1), part("b", 2), part("c", 3)), None, "gemini")
    assert whats(lines) == ['text "ab", 2 pieces', 'text "c", usage']


def test_every_choice_of_several_is_named() -> None:
    chunk = {
        "choices": [
            {"index": 0, "delta": {"content": "a"}},
            {"index": 1, "delta": {"refusal": "no"}, "finish_reason": "stop"},
        ]
    }
    event = Event(1, 1, 1, data=b"x", chunks=[chunk])
    assert str(word_of(event)) == ('text "a", refusal of choice 2 "no", finish stop of choice 2')


def test_pictures_and_reasoning_have_words_too() -> None:
    event = Event(1, 1, 1, data=b"x", chunks=[delta(reasoning_content="Hm", images=[{}])])
    assert str(word_of(event)) == 'reasoning "Hm", picture'


def test_without_tokens_the_speed_is_counted_in_characters() -> None:
    pieces = sse_of(delta(content="abcd"), delta(content="efgh"))
    assert lines_of(pieces, arrivals_of(pieces, 1000, 1500))[0].endswith("· 16 characters/s")


def test_a_long_timeline_is_shown_from_both_ends() -> None:
    pieces = sse_of(*[delta(content="a"), delta(reasoning_content="b")] * 500)
    lines = lines_of(pieces, None)
    shown = whats(lines)
    assert len(shown) == module.FIRST_ROWS + module.LAST_ROWS + 1
    assert shown[module.FIRST_ROWS] == "… 700 more lines …"
    assert lines[-1].startswith("1 000 ")


def test_what_was_not_read_is_said_at_the_end() -> None:
    stream = Stream(events=[Event(1, 10, 10)], read_bytes=10, left_bytes=2_000, left_events=70)
    lines = timeline(stream, None)
    assert lines[0].startswith("the first 1 event of about 71;")
    assert lines[-1] == "… about 70 more events (2.0 KB): only the first 1 (10 B) are read here."


def test_a_stream_without_events_has_no_timeline() -> None:
    assert timeline(Stream(), [1, 2]) == []
