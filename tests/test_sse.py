"""The decoder against the WHATWG rules, with its input cut in every way; and the encoder."""

import sys
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import pairwise
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.sse import (
    DONE,
    MAX_EVENT_BYTES,
    MAX_STRAY_BYTES,
    Decoder,
    Event,
    EventTooLarge,
    encode,
)

BOM = b"\xef\xbb\xbf"


def message(data: bytes) -> Event:
    return Event("", data)


VECTORS: dict[str, tuple[bytes, list[Event]]] = {
    "no space": (b"data:{}\n\n", [message(b"{}")]),
    "one space": (b"data: {}\n\n", [message(b"{}")]),
    "two spaces": (b"data:  {}\n\n", [message(b" {}")]),
    "tab is no space": (b"data:\t{}\n\n", [message(b"\t{}")]),
    "colons in the value": (b"data: a:b: c\n\n", [message(b"a:b: c")]),
    "two lines": (b"data: a\ndata: b\n\n", [message(b"a\nb")]),
    "two empty lines of data": (b"data\ndata\n\n", [message(b"\n")]),
    "lines without and with text": (b"data:\ndata: x\ndata\n\n", [message(b"\nx\n")]),
    "field without colon": (b"data\n\n", []),
    "empty data": (b"data:\n\n", []),
    "one space of data": (b"data: \n\n", []),
    "blank lines": (b"\n\n\n\n", []),
    "nothing": (b"", []),
    "CRLF": (b"data: a\r\n\r\ndata: b\r\n\r\n", [message(b"a"), message(b"b")]),
    "CR": (b"data: a\r\rdata: b\r\r", [message(b"a"), message(b"b")]),
    "mixed ends": (b"data: a\r\n\rdata: b\n\r\n", [message(b"a"), message(b"b")]),
    "LF CR LF": (b"data: a\n\r\ndata: b\n\n", [message(b"a"), message(b"b")]),
    "comment": (b":c\n\n", []),
    "bare colon": (b":\n\n", []),
    "comment inside": (b"data: a\n: c\ndata: b\n\n", [message(b"a\nb")]),
    "keep-alives": (b": OPENROUTER PROCESSING\n\n\n: ping\n\ndata: a\n\n", [message(b"a")]),
    "named": (b"event: error\ndata: {}\n\n", [Event("error", b"{}")]),
    "name after data": (b"data: {}\nevent:error\n\n", [Event("error", b"{}")]),
    "last name counts": (b"event: a\nevent: b\ndata: {}\n\n", [Event("b", b"{}")]),
    "name without data": (b"event: ping\n\ndata: a\n\n", [message(b"a")]),
    "name does not stay": (b"event: x\ndata: a\n\ndata: b\n\n", [Event("x", b"a"), message(b"b")]),
    "name reset": (b"event: x\nevent\ndata: a\n\n", [message(b"a")]),
    "name not in UTF-8": (b"event: \xff\ndata: a\n\n", [Event("\ufffd", b"a")]),
    "id": (b"id: 1\n\nid: \0\ndata: a\n\n", [message(b"a")]),
    "retry": (b"retry: 3000\n\nretry: x\ndata: a\n\n", [message(b"a")]),
    "unknown field": (b"foo: bar\ndata: a\nDATA: b\n\n", [message(b"a")]),
    "space before the name": (b" data: b\ndata : c\n\n", []),
    "BOM": (BOM + b"data: a\n\n", [message(b"a")]),
    "BOM and blank line": (BOM + b"\ndata: a\n\n", [message(b"a")]),
    "only one BOM": (BOM + BOM + b"data: a\n\ndata: b\n\n", [message(b"b")]),
    "BOM later": (b"\n" + BOM + b"data: a\n\ndata: b\n\n", [message(b"b")]),
    "BOM in data": (b"data: " + BOM + b"\n\n", [message(BOM)]),
    "emoji": ("data: 😀\n\n".encode(), [message("😀".encode())]),
    "other line ends": (
        "data: \u2028\u2029\u0085\x0b\x0c\x1c\n\n".encode(),
        [message("\u2028\u2029\u0085\x0b\x0c\x1c".encode())],
    ),
    "surrogate escape": (b'data: "\\ud83d"\n\n', [message(b'"\\ud83d"')]),
    "invalid UTF-8": (b"data: \xff\xfe\n\n", [message(b"\xff\xfe")]),
    "NUL": (b"data: a\0b\n\n", [message(b"a\0b")]),
    "done": (b"data: [DONE]\n\n", [message(b"[DONE]")]),
    "pretty JSON": (b'data: {\ndata:   "a": 1\ndata: }\n\n', [message(b'{\n  "a": 1\n}')]),
    "JSON array stream": (b'[{"a": 1},\n{"a": 2}]\n', []),
    "NDJSON": (b'{"a": 1}\n{"a": 2}\n', []),
    "binary": (b"\x00\x00\x00\x8b:event-type\x07\x00\x0b\r\n\xff\n", []),
}
"""Whole streams and their events, from WHATWG's rules and from what providers were seen to send."""

UNFINISHED: dict[str, tuple[bytes, list[Event]]] = {
    "no line end": (b"data: [DONE]", [message(b"[DONE]")]),
    "no blank line": (b"data: a\n\ndata: [DONE]\n", [message(b"a"), message(b"[DONE]")]),
    "ends in CR": (b"data: a\r", [message(b"a")]),
    "BOM": (BOM + b"data: a", [message(b"a")]),
    "only a name": (b"event: x\n", []),
    "only a comment": (b": x", []),
    "empty data": (b"data:", []),
}
"""Streams that end inside an event: it is returned by close."""

STREAMS = {**VECTORS, **UNFINISHED}


def decode(pieces: Iterable[bytes]) -> list[Event]:
    decoder = Decoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.close()


def one_by_one(data: bytes) -> Iterator[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


@pytest.mark.parametrize("name", VECTORS)
def test_a_whole_stream_gives_its_events_before_it_is_closed(name: str) -> None:
    data, events = VECTORS[name]
    decoder = Decoder()
    assert decoder.feed(data) == events
    assert decoder.close() == []


@pytest.mark.parametrize("name", STREAMS)
def test_byte_by_byte_the_events_are_the_same(name: str) -> None:
    data, events = STREAMS[name]
    assert decode(one_by_one(data)) == events


@pytest.mark.parametrize("name", STREAMS)
def test_cut_once_anywhere_the_events_are_the_same(name: str) -> None:
    data, events = STREAMS[name]
    for cut in range(len(data) + 1):
        assert decode([data[:cut], data[cut:]]) == events, f"cut at {cut}"


@pytest.mark.parametrize("name", STREAMS)
def test_empty_pieces_change_nothing(name: str) -> None:
    data, events = STREAMS[name]
    assert decode(piece for byte in one_by_one(data) for piece in (b"", byte, b"")) == events


PARTS = st.sampled_from(
    [
        b"data",
        b"data: ",
        b"event: x",
        b":",
        b" ",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        BOM,
        "é😀".encode(),
        b"\xff",
        b"[DONE]",
        b"id: 1",
    ]
)
SOUP = st.lists(PARTS, max_size=40).map(b"".join)
CUTS = st.lists(st.integers(0, 200), max_size=12)


@given(data=SOUP, cuts=CUTS)
def test_however_any_stream_is_cut_the_events_are_the_same(data: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    pieces = [data[a:b] for a, b in pairwise(places)]
    assert decode(pieces) == decode([data]) == decode(one_by_one(data))


@given(SOUP)
def test_the_events_are_those_of_the_standard_read_literally(data: bytes) -> None:
    assert decode([data]) == reference(data)


def reference(data: bytes) -> list[Event]:
    """WHATWG §9.2.6 line by line, but for events without text and for one that is unfinished."""
    text = data.removeprefix(BOM).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events: list[Event] = []
    kind = b""
    values: list[bytes] = []
    for line in [*text.split(b"\n"), b""]:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            joined = b"\n".join(values)
            events += [Event(kind.decode(errors="replace"), joined)] if joined else []
            kind, values = b"", []
        elif name == b"data":
            values.append(value)
        elif name == b"event":
            kind = value
    return events


def test_after_close_nothing_is_left() -> None:
    decoder = Decoder()
    decoder.feed(b"data: a")
    assert decoder.close() == [message(b"a")]
    assert decoder.close() == []


def test_an_event_of_five_megabytes_passes() -> None:
    data = b"x" * 5_000_000
    pieces = [b"data: ", *(data[i : i + 65536] for i in range(0, len(data), 65536)), b"\n\n"]
    assert decode(pieces) == [message(data)]


def test_a_hundred_thousand_events_in_one_piece_all_come() -> None:
    assert decode([b"data: x\n\n" * 100_000]) == [message(b"x")] * 100_000


def test_the_standard_limit_is_sixteen_mebibytes() -> None:
    assert MAX_EVENT_BYTES == 16 * 1024 * 1024


LIMIT = 100


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    "data",
    [
        b"data: " + b"x" * (LIMIT + 1) + b"\n\n",
        b"data: " + b"x" * 10 * LIMIT,
        b"x" * 10 * LIMIT,
        b": " + b"x" * 10 * LIMIT,
        b"data: 0123456789\n" * 20,
        b"data: " + b"x" * LIMIT + b"\ndata: x\n\n",
        b"data:\n" * 10 * LIMIT,
        b"data\n" * 10 * LIMIT,
    ],
    ids=[
        "data",
        "data without end",
        "line without end",
        "comment without end",
        "many lines",
        "two lines",
        "many lines of empty data",
        "many lines of nothing but a name",
    ],
)
def test_what_exceeds_the_limit_is_refused(data: bytes, size: int) -> None:
    decoder = Decoder(LIMIT)
    pieces = (data[i : i + size] for i in range(0, len(data), size))
    with pytest.raises(EventTooLarge, match="exceeds 100 bytes"):
        deque(map(decoder.feed, pieces), maxlen=0)


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize(
    "block",
    [
        b"data: 0123456789\n\n",
        b": a comment\n",
        b"\n",
        b"event: abc\n\n",
        b"id: 1\ndata: a\r\n\r\n",
    ],
)
def test_the_limit_is_one_event_s_and_not_the_stream_s(block: bytes, size: int) -> None:
    decoder = Decoder(LIMIT)
    data = block * LIMIT
    events = [e for i in range(0, len(data), size) for e in decoder.feed(data[i : i + size])]
    assert events == decode([data])


def bytes_scanned(pieces: list[bytes]) -> int:
    """How many bytes the decoder's calls of methods of bytes look at, from whatever start."""
    total = 0

    def count(_frame: FrameType, event: str, arg: object) -> None:
        nonlocal total
        owner = getattr(arg, "__self__", None)
        if event == "c_call" and isinstance(owner, bytes):
            total += len(owner)

    decoder = Decoder()
    before = sys.getprofile()
    sys.setprofile(count)
    try:
        for piece in pieces:
            decoder.feed(piece)
    finally:
        sys.setprofile(before)
    return total


@pytest.mark.parametrize(
    "pieces",
    [
        [b"x"] * 20_000,
        [b"data: x\n\n" * 2_000],
        list(one_by_one(b"data: x\n\n" * 2_000)),
        [b"data: x\n"] * 2_000,
        [b"data: a\r"] * 2_000,
        [b"\r\n"] * 5_000,
    ],
    ids=["endless line", "one piece", "byte by byte", "endless event", "CR", "CRLF"],
)
def test_the_work_is_linear_in_the_bytes_fed(pieces: list[bytes]) -> None:
    fed = sum(map(len, pieces))
    assert 0 < bytes_scanned(pieces) <= 12 * fed


@pytest.mark.parametrize(
    ("data", "encoded"),
    [
        (b"{}", b"data: {}\n\n"),
        (b" {}", b"data:  {}\n\n"),
        (b"a\nb", b"data: a\ndata: b\n\n"),
        (b"\n", b"data: \ndata: \n\n"),
        ("é\u2028".encode(), "data: é\u2028\n\n".encode()),
        (b"[DONE]", DONE),
    ],
)
def test_an_event_is_encoded_line_by_line(data: bytes, encoded: bytes) -> None:
    assert encode(data) == encoded


@given(st.lists(st.binary(min_size=1).map(lambda data: data.replace(b"\r", b"")).filter(bool)))
def test_what_is_encoded_is_decoded_unchanged(datas: list[bytes]) -> None:
    assert decode(map(encode, datas)) == [message(data) for data in datas]


PLAIN = b'{\n  "error": {\n    "code": 429,\n    "message": "data: too many"\n  }\n}\n'


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_lines_that_are_no_fields_are_kept_apart(end: bytes) -> None:
    data = b": c\nid: 1\nretry: 2\ndata: a\n\n" + PLAIN + b"event: x\ndata: b\n\n"
    for size in (1, 3, len(data)):
        decoder = Decoder()
        cut = data.replace(b"\n", end)
        events = [e for i in range(0, len(cut), size) for e in decoder.feed(cut[i : i + size])]
        assert [*events, *decoder.close()] == [Event("", b"a"), Event("x", b"b")]
        assert decoder.stray == PLAIN.strip()


def test_no_more_of_them_is_kept_than_the_limit() -> None:
    decoder = Decoder()
    for _ in range(3):
        decoder.feed(b"x" * (MAX_STRAY_BYTES // 2) + b"\n")
    assert decoder.stray.replace(b"\n", b"") == b"x" * MAX_STRAY_BYTES
