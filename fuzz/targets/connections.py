"""Clients' connections: whatever comes, requests are answered, the rest is refused in JSON."""

import re
from collections.abc import Iterable, Iterator
from functools import partial
from random import Random

import h2.connection
import orjson
from mitmproxy.http import HTTPFlow, Response

from fuzz.target import Choices, Target
from fuzz.targets.wire import BOUNDS, WORDS, cut
from llm_gateway.bridge.http1 import ClientHttp1
from llm_gateway.bridge.http2 import ClientHttp2
from llm_gateway.config.values import Gateway
from support.client_wire import ClientWire

GATEWAYS = tuple(Gateway(bounds=bounds) for bounds in BOUNDS)
KEYS = {"message", "type", "param", "code"}
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: ([0-9]+)")
_HEAD = [(":method", "POST"), (":scheme", "https"), (":path", "/a"), (":authority", "localhost")]

type Answer = tuple[int, bytes]


def speak_http1(data: bytes) -> None:
    """The same requests are answered however the bytes arrive, and the same answers given."""
    choices = Choices(data)
    gateway = choices.one_of(GATEWAYS)
    random = Random(choices.number(256))
    sent = choices.rest
    whole = answers_to([sent], gateway)
    assert answers_to(cut(sent, random), gateway) == whole
    assert answers_to([sent[i : i + 1] for i in range(len(sent))], gateway) == whole


def answers_to(pieces: Iterable[bytes], gateway: Gateway) -> list[bytes | None]:
    """The bodies of the answers; None stands for a refusal, after which there is nothing."""
    wire = ClientWire(partial(ClientHttp1, lambda: gateway), echo)
    for piece in pieces:
        wire.receive(piece)
    found: list[bytes | None] = []
    for status, body in answers(wire.sent):
        assert not found or found[-1] is not None, "something comes after a refusal"
        if status >= 400:
            assert orjson.loads(body)["error"].keys() == KEYS
            assert wire.half_closed or wire.closed
        found.append(body if status == 200 else None)
    return found


def echo(flow: HTTPFlow) -> None:
    """Answer a request with all that is known of it."""
    data = flow.request.data
    flow.response = Response.make(200, b" ".join((data.method, data.path, data.content or b"")))


def answers(sent: bytes) -> Iterator[Answer]:
    """Status and body of each answer but ``100 Continue``."""
    while sent:
        head, _, sent = sent.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        size = int(length[1]) if length else 0
        if not head.startswith(b"HTTP/1.1 100"):
            yield int(head[9:12]), sent[:size]
        sent = sent[size:]


def speak_http2(data: bytes) -> None:
    """Any frames are taken or refused, with bounded work and in bounded words."""
    choices = Choices(data)
    gateway = choices.one_of(GATEWAYS)
    random = Random(choices.number(256))
    for pieces in ([choices.rest], cut(choices.rest, random)):
        wire = ClientWire(partial(ClientHttp2, lambda: gateway))
        for piece in pieces:
            wire.receive(piece)
        assert len(wire.sent) <= 40 * len(choices.rest) + 4000
        assert len(wire.flows) <= len(choices.rest) // 9


def _frames() -> Iterator[bytes]:
    for body in (b"", b"{}"):
        peer = h2.connection.H2Connection()
        peer.initiate_connection()
        peer.send_headers(1, _HEAD, end_stream=not body)
        if body:
            peer.send_data(1, body, end_stream=True)
        peer.ping(b"12345678")
        yield b"\0\1" + peer.data_to_send()


TARGETS = (
    Target("http1", speak_http1, 2, words=WORDS, longest=1024),
    Target("http2", speak_http2, 2, recorded=_frames, longest=1024),
)
