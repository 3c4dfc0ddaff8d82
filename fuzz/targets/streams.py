"""Server-sent events: however a stream is cut, it says the same."""

from random import Random

from fuzz.target import Choices, Target
from llm_gateway import sse

SMALL = 64


def decode(data: bytes) -> None:
    """Whole, byte by byte and in pieces the events are those that the standard says."""
    choices = Choices(data)
    random = Random(choices.number(256))
    stream = choices.rest
    events = expected(stream)
    for pieces in ([stream], [stream[i : i + 1] for i in range(len(stream))], cut(stream, random)):
        found = run(sse.Decoder(), pieces)
        assert found == events, (found, events)
    within_bounds(cut(stream, random))
    written_and_read(stream)


def cut(stream: bytes, random: Random) -> list[bytes]:
    """The stream in pieces, some of them empty."""
    ends = sorted(random.randint(0, len(stream)) for _ in range(6))
    return [stream[a:b] for a, b in zip([0, *ends], [*ends, len(stream)], strict=True)]


def run(decoder: sse.Decoder, pieces: list[bytes]) -> list[sse.Event]:
    """The events of a stream in pieces."""
    events = [event for piece in pieces for event in decoder.feed(piece)]
    return events + decoder.close()


def within_bounds(pieces: list[bytes]) -> None:
    """No event is larger than allowed."""
    try:
        events = run(sse.Decoder(SMALL), pieces)
    except sse.EventTooLarge:
        return
    assert all(len(event.data) <= SMALL for event in events)


def written_and_read(data: bytes) -> None:
    """What is written is read again."""
    text = data.replace(b"\r", b"")
    read = run(sse.Decoder(), [sse.encode(text)])
    assert read == ([sse.Event("", text)] if text else [])


def expected(stream: bytes) -> list[sse.Event]:
    """The standard's steps, taken line by line; what it breaks off in is an event as well."""
    stream = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events: list[sse.Event] = []
    kind, data = b"", list[bytes]()
    for line in [*stream.split(b"\n"), b""]:
        if not line:
            whole = b"\n".join(data)
            if whole:
                events.append(sse.Event(kind.decode("utf-8", "replace"), whole))
            kind, data = b"", []
            continue
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            kind = value
    return events


WORDS = ("data:", "data: ", "event: ", "id: ", "retry: ", ": ", "\r\n", "\n\n", "\ufeff", "[DONE]")
TARGETS = (Target("sse", decode, choices=1, words=WORDS),)
