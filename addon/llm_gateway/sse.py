"""Server-sent events, without I/O: one decoder and one encoder.

The decoder follows the WHATWG HTML standard, §9.2.6 "Interpreting an event stream"
(https://html.spec.whatwg.org/multipage/server-sent-events.html): lines end in LF, CR or CRLF and
in nothing else, one leading byte order mark is ignored, ``data`` lines are joined with LF, lines
that start with a colon are comments, and an event without data is not dispatched. It works on
bytes and splits before any text decoding, so a character cut in two by the network stays whole.
``id`` and ``retry`` are for reconnecting clients; they are read and not kept.

Three things differ on purpose. An event whose data is empty is dropped: it says nothing, and
clients crash on it. Where the standard drops an event that the stream ends in the middle of,
:meth:`Decoder.close` returns it, because a provider that forgets the last blank line has still
answered; the caller judges whether it is whole. And lines that are no fields are kept apart, in
:attr:`Decoder.stray`: some providers write a plain JSON error into a stream that they break off.

The work is linear in the bytes fed: an unfinished line is kept in pieces until its end arrives.
"""

from typing import NamedTuple

MAX_EVENT_BYTES = 16 * 1024 * 1024
"""Enough for a picture in base64; above it a stream is broken or hostile."""

END_OF_EVENT = b"\n\n"
"""As it is written here; what is read may have other line ends."""
DONE = b"data: [DONE]" + END_OF_EVENT
"""OpenAI's end of stream."""

MAX_STRAY_BYTES = 64 * 1024

_DATA = b"data: "
_PLAIN_LINES = 2
_SILENT_FIELDS = {b"", b"id", b"retry"}
"""A comment has an empty name."""

_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    """One dispatched event: its ``event`` field (``""`` if none) and its data."""

    type: str
    data: bytes


class EventTooLarge(ValueError):
    """An event, or a line without end, exceeds the decoder's limit."""


class Decoder:
    """Turns bytes, cut anywhere, into events."""

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._at_start = True
        self._skip_lf = False
        self._line: list[bytes] = []
        self._type = b""
        self._data: list[bytes] = []
        self._size = 0
        self._stray: list[bytes] = []
        self._stray_size = 0

    @property
    def stray(self) -> bytes:
        """The lines so far that are no fields of an event, up to a limit."""
        return b"\n".join(self._stray)

    def feed(self, data: bytes) -> list[Event]:
        """The events that ``data`` completes. Raises :class:`EventTooLarge`."""
        if self._is_one_plain_event(data):
            self._at_start = False
            return [Event("", data[len(_DATA) : -2])]
        head, newline, rest = self._unify_line_ends(data).partition(b"\n")
        if not newline:
            self._keep(head)
            return []
        events: list[Event] = []
        self._end_line(head, events)
        *lines, tail = rest.split(b"\n")
        for line in lines:
            self._take(line, events)
        self._keep(tail)
        return events

    def close(self) -> list[Event]:
        """At the end of the stream: the event it broke off in, if there is one."""
        events: list[Event] = []
        if self._line:
            self._end_line(b"", events)
        self._dispatch(events)
        return events

    def _is_one_plain_event(self, data: bytes) -> bool:
        """What a model's stream is made of, read by read; seen at once it costs a third."""
        return (
            data.startswith(_DATA)
            and data.endswith(b"\n\n")
            and data.count(b"\n") == _PLAIN_LINES
            and len(_DATA) + 2 < len(data) <= self._max_event_bytes
            and b"\r" not in data
            and not (self._line or self._data or self._type or self._skip_lf)
        )

    def _unify_line_ends(self, data: bytes) -> bytes:
        if self._skip_lf and data:
            self._skip_lf = False
            data = data.removeprefix(b"\n")
        if b"\r" in data:
            self._skip_lf = data.endswith(b"\r")
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return data

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._line.append(piece)
            self._grow(len(piece))

    def _end_line(self, last: bytes, events: list[Event]) -> None:
        if self._line:
            self._line.append(last)
            line = b"".join(self._line)
            self._size -= len(line) - len(last)
            self._line.clear()
        else:
            line = last
        if self._at_start:
            line = line.removeprefix(_BOM)
            self._at_start = False
        self._take(line, events)

    def _take(self, line: bytes, events: list[Event]) -> None:
        if not line:
            self._dispatch(events)
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value[1:] if value[:1] == b" " else value)
            self._grow(len(line))
        elif name == b"event":
            self._type = value.removeprefix(b" ")
        elif name not in _SILENT_FIELDS and self._stray_size + len(line) <= MAX_STRAY_BYTES:
            self._stray.append(line)
            self._stray_size += len(line)

    def _dispatch(self, events: list[Event]) -> None:
        if self._data:
            data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            if data:
                kind = self._type.decode("utf-8", "replace") if self._type else ""
                events.append(Event(kind, data))
            self._data.clear()
            self._size = 0
        self._type = b""

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > self._max_event_bytes:
            raise EventTooLarge(f"an event exceeds {self._max_event_bytes} bytes")


def encode(data: bytes) -> bytes:
    """One event with this data, which must not contain a carriage return."""
    if b"\n" in data:
        data = data.replace(b"\n", b"\ndata: ")
    return b"data: " + data + b"\n\n"
