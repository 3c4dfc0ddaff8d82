"""HTTP/1 as bytes: however they arrive it is the same request, and h11 reads no other."""

from collections.abc import Iterable
from random import Random

import h11
from h11._receivebuffer import ReceiveBuffer
from mitmproxy.http import Request

from fuzz.oracles import check_error
from fuzz.target import Choices, Target
from llm_gateway.bridge.chunked import ChunkedBody
from llm_gateway.bridge.heads import HeadBuffer, body_size, read_head
from llm_gateway.config import Bounds
from llm_gateway.errors import RequestError

BOUNDS = (Bounds(), Bounds(headers=4, header_bytes=200, path_bytes=20))
REFUSED = range(400, 506)

type Head = tuple[bytes, bytes, list[tuple[bytes, bytes]], int | None]
"""Method, target, fields, and the length of the body (None: chunked)."""


def head(data: bytes) -> None:
    """In one piece and in many a head is the same, and what another reader takes it for."""
    choices = Choices(data)
    bounds = choices.one_of(BOUNDS)
    random = Random(choices.number(256))
    sent = choices.rest
    whole = read([sent], bounds)
    assert read(cut(sent, random), bounds) == whole
    assert read([sent[i : i + 1] for i in range(len(sent))], bounds) == whole
    if isinstance(whole, tuple):
        check_alike(whole, sent)


def read(pieces: Iterable[bytes], bounds: Bounds) -> Head | bool | None:
    """The head, False if it is refused, or None where more has to come.

    What is wrong in several ways is refused for the one that is seen first.
    """
    buffer = HeadBuffer()
    try:
        for piece in pieces:
            put(buffer, piece)
            found = buffer.take_head(bounds)
            if found is not None:
                return parts(read_head(found, bounds))
    except RequestError as error:
        check_error(error, REFUSED)
        return False
    return None


def put(buffer: ReceiveBuffer, piece: bytes) -> None:
    """Something has arrived."""
    buffer += piece


def parts(request: Request) -> Head:
    """What a request is made of."""
    fields = [(name.lower(), value) for name, value in request.headers.fields]
    data = request.data
    target = data.path if not data.authority or data.method == b"CONNECT" else b""
    return data.method, target, fields, body_size(request)


def check_alike(found: Head, sent: bytes) -> None:
    """Where h11 takes the head as well, it is the same request, with the same body."""
    peer = h11.Connection(h11.SERVER, max_incomplete_event_size=10**6)
    try:
        peer.receive_data(sent.lstrip(b"\r\n"))
        event = peer.next_event()
    except h11.RemoteProtocolError:
        return
    if not isinstance(event, h11.Request):
        return
    method, target, fields, size = found
    assert event.method == method
    assert not target or event.target == target
    lengths = [value for name, value in event.headers if name == b"content-length"]
    is_chunked = any(name == b"transfer-encoding" for name, _ in event.headers)
    assert (size is None) == is_chunked, (size, event.headers)
    assert size is None or size == int(lengths[0] if lengths else 0)
    assert {name for name, _ in fields} == {name for name, _ in event.headers}


def chunked(data: bytes) -> None:
    """A body in chunks is the same however it arrives, and the one that h11 reads."""
    choices = Choices(data)
    random = Random(choices.number(256))
    sent = choices.rest
    whole, over = chunks([sent])
    assert chunks(cut(sent, random)) == (whole, over)
    assert chunks([sent[i : i + 1] for i in range(len(sent))]) == (whole, over)
    if over is True:
        assert by_h11(sent) in (None, whole)


def chunks(pieces: Iterable[bytes]) -> tuple[bytes, bool | int]:
    """The body as far as it came, and whether it is over or else the status it is refused with."""
    buffer, reader, body = ReceiveBuffer(), ChunkedBody(100), b""
    try:
        for piece in pieces:
            buffer += piece
            while (event := reader(buffer)) is not None:
                if isinstance(event, h11.EndOfMessage):
                    return body, True
                body += event.data
    except RequestError as error:
        check_error(error, REFUSED)
        return b"", error.status
    return body, False


def by_h11(sent: bytes) -> bytes | None:
    """The same body read by h11; None where it takes it for none."""
    peer = h11.Connection(h11.SERVER, max_incomplete_event_size=10**6)
    body = b""
    try:
        peer.receive_data(
            b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n" + sent
        )
        while not isinstance(event := peer.next_event(), h11.EndOfMessage):
            if event is h11.NEED_DATA:
                return None
            body += bytes(event.data) if isinstance(event, h11.Data) else b""
    except h11.RemoteProtocolError:
        return None
    return body


def cut(sent: bytes, random: Random) -> list[bytes]:
    """The bytes in pieces, some of them empty."""
    ends = sorted(random.randint(0, len(sent)) for _ in range(5))
    return [sent[a:b] for a, b in zip([0, *ends], [*ends, len(sent)], strict=True)]


WORDS = (
    *("GET / HTTP/1.1\r\n", "POST ", " HTTP/1.0", "\r\n\r\n", "\r", "\n", "\t", "\0", " :", ": "),
    *("Host: a\r\n", "Content-Length: 1\r\n", "Transfer-Encoding: chunked\r\n", "gzip, chunked"),
    *(
        "0\r\n\r\n",
        "5\r\nhello\r\n",
        ";a=b",
        "Trailer: x\r\n",
        "+5",
        "0x5",
        "http://a/",
        "*",
        "\u017f",
    ),
)
TARGETS = (
    Target("head", head, 2, words=WORDS),
    Target("chunked", chunked, 1, words=WORDS),
)
