"""An HTTP/1 connection has one right answer to everything, at once, and is closed when unsure."""

import json
import re
from functools import partial
from typing import Any

import pytest
from mitmproxy import http
from mitmproxy.proxy import events
from mitmproxy.proxy.layers.http import HttpRequestHook

from llm_gateway.bridge.http1 import HEAD_BEGAN, LINGERS, ClientHttp1
from llm_gateway.bridge.intake import HOLD_BACK
from llm_gateway.config.values import Bounds, Gateway
from support.client_wire import ClientWire, answer_with_body

GATEWAY = Gateway(bounds=Bounds(headers=5, header_bytes=4096, path_bytes=100))
GET = b"GET /a HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /b HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"


def connection(**options: Any) -> ClientWire:
    return ClientWire(partial(ClientHttp1, lambda: GATEWAY), **options)


def answers(wire: ClientWire) -> list[tuple[int, str]]:
    """Status and body of each answer."""
    found = []
    rest = wire.sent
    while rest:
        head, _, rest = rest.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        size = int(length[1]) if length else 0
        found.append((int(head[9:12]), rest[:size].decode()))
        rest = rest[size:]
    return found


def refusal(wire: ClientWire) -> int:
    """The status of the last answer, which is an error that ends the connection."""
    *_, (status, body) = answers(wire)
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}
    assert b"\r\nconnection: close\r\n" in wire.sent
    assert b"text/html" not in wire.sent
    assert wire.half_closed
    return status


@pytest.mark.parametrize("bytewise", [False, True])
def test_requests_are_answered_one_after_the_other(*, bytewise: bool) -> None:
    wire = connection()
    sized = POST + b"Content-Length: 2\r\n\r\nhi"
    chunked = CHUNKED + b"2\r\nhi\r\n0\r\nX-Trailer: a\r\n\r\n"
    wire.receive(GET + sized + b"\r\n" + chunked + GET, bytewise=bytewise)
    assert answers(wire) == [
        (200, "GET /a "),
        (200, "POST /b hi"),
        (200, "POST /b hi"),
        (200, "GET /a "),
    ]
    assert not wire.closed


BROKEN = {
    "no head": (b"garbage\r\n\r\n", 400),
    "version": (b"GET / HTTP/2.0\r\n\r\n", 505),
    "target": (b"GET /" + b"a" * 100 + b" HTTP/1.1\r\n\r\n", 414),
    "fields": (GET[:-2] + b"X: a\r\n" * 5 + b"\r\n", 431),
    "head": (GET[:-2] + b"X: " + b"a" * 5000, 431),
    "length": (POST + b"Content-Length: 1_0\r\n\r\n", 400),
    "both": (POST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    "name": (GET[:-2] + b"X : a\r\n\r\n", 400),
    "tunnel": (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example\r\n\r\n", 400),
    "chunk": (CHUNKED + b"zz\r\n", 400),
    "chunk after a piece": (CHUNKED + b"2\r\nhi\r\nzz\r\n", 400),
    "bare line feeds": (CHUNKED + b"2\nhi\n0\n\n", 400),
    "endless trailers": (CHUNKED + b"0\r\n" + b"X: a\r\n" * 2000, 400),
}


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize("name", [*BROKEN])
def test_what_is_no_request_is_refused_at_once(name: str, *, bytewise: bool) -> None:
    sent, status = BROKEN[name]
    wire = connection()
    wire.receive(sent, bytewise=bytewise)
    assert refusal(wire) == status
    assert len(answers(wire)) == 1
    assert len(wire.errors) == len(wire.flows)


@pytest.mark.parametrize("name", [*BROKEN])
def test_what_was_asked_before_is_answered(name: str) -> None:
    sent, status = BROKEN[name]
    wire = connection()
    wire.receive(GET + sent + GET)
    assert [each for each, _ in answers(wire)] == [200, status]


def test_neither_the_answer_nor_the_log_repeats_what_was_sent() -> None:
    wire = connection()
    wire.receive(GET[:-2] + b"Bearer my-secret\r\n\r\n")
    assert refusal(wire) == 400
    assert wire.log == [
        "refused with 400: The request is no valid HTTP/1.1. "
        "Its request line or a header is not of the right form."
    ]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (GET[:-5], 400),
        (POST + b"Content-Length: 5\r\n\r\nhi", 400),
        (CHUNKED + b"5\r\nhi", 400),
        (CHUNKED + b"2\r\nhi\r\n0\r\n", 400),
    ],
)
def test_a_client_that_closes_its_side_too_soon_is_told(sent: bytes, status: int) -> None:
    wire = connection()
    wire.receive(sent)
    wire.end()
    assert refusal(wire) == status


@pytest.mark.parametrize("sent", [b"", b"\r\n", b"\r"])
def test_a_client_that_leaves_between_requests_is_told_nothing(sent: bytes) -> None:
    wire = connection()
    wire.receive(GET + sent)
    wire.end()
    assert wire.closed
    assert len(answers(wire)) == 1
    assert wire.log == []


def test_100_continue_is_no_answer() -> None:
    wire = connection()
    wire.receive(CHUNKED[:-2] + b"Expect: 100-continue\r\n\r\n")
    wire.receive(b"zz\r\n")
    assert [status for status, _ in answers(wire)] == [100, 400]


def test_an_answer_that_has_begun_is_cut() -> None:
    wire = connection()
    wire.receive(POST + b"Content-Length: 5\r\n\r\n")
    wire.server.response = http.Response.make(200)  # type: ignore[union-attr] # HTTP/1 here
    wire.end()
    assert wire.sent == b""


@pytest.mark.parametrize("last", [b"Content-Length: 200", b"Transfer-Encoding: chunked"])
def test_mitmproxy_s_own_limit_of_bodies_is_told_in_json(last: bytes) -> None:
    wire = connection(body_size_limit="100")
    wire.receive(POST + last + b"\r\n\r\n")
    wire.receive(b"70\r\n" + b"a" * 0x70 + b"\r\n")
    assert refusal(wire) == 413


@pytest.mark.parametrize("word", [b"close", b"Close", b"TE, CLOSE"])
def test_who_asks_to_close_is_obeyed(word: bytes) -> None:
    wire = connection()
    wire.receive(GET[:-2] + b"Connection: " + word + b"\r\n\r\n" + GET)
    assert len(answers(wire)) == 1
    assert wire.closed


def test_http_1_0_ends_the_connection_unless_it_asks_to_keep_it() -> None:
    wire = connection()
    old = GET.replace(b"1.1", b"1.0")
    wire.receive(old[:-2] + b"Connection: keep-alive\r\n\r\n")
    assert not wire.closed
    wire.receive(old)
    assert wire.closed
    assert len(answers(wire)) == 2


def test_who_is_refused_has_time_to_notice() -> None:
    wire = connection()
    wire.receive(BROKEN["head"][0])
    assert not wire.closed
    for _ in range(LINGERS):
        wire.receive(b"a" * 1000)
        wire.wake()
        assert not wire.closed
    wire.receive(b"a" * 1000)
    wire.wake()
    assert wire.closed
    assert len(wire.server.buf) == 0
    assert len(answers(wire)) == 1


@pytest.mark.parametrize("how", ["silent", "closes"])
def test_who_has_noticed_is_left(how: str) -> None:
    wire = connection()
    wire.receive(BROKEN["head"][0])
    if how == "silent":
        wire.wake()
    else:
        wire.end()
    assert wire.closed


class Answers:
    """Answers requests when it is told to."""

    def __init__(self, wire: ClientWire) -> None:
        self.wire = wire
        self.held: list[bool] = []
        setattr(wire.client, HOLD_BACK, self.held.append)

    def answer(self) -> None:
        """The next one that waits."""
        hook = self.wire.waiting.pop(0)
        if isinstance(hook, HttpRequestHook):
            answer_with_body(hook.flow)
        self.wire.feed(events.HookCompleted(hook))

    def answer_all(self) -> None:
        """Whatever waits, and what comes of it."""
        while self.wire.waiting:
            self.answer()


def slow_connection() -> Answers:
    return Answers(ClientWire(partial(ClientHttp1, lambda: GATEWAY), request=None))


def test_a_client_may_send_ahead_until_it_is_held_back() -> None:
    slow = slow_connection()
    slow.wire.receive(GET)
    slow.wire.receive(b"\r\n" * 2048)
    assert slow.held == []
    slow.wire.receive(b"\r\n")
    assert slow.held == [True]
    slow.wire.receive(b"\r\n" * 100)
    assert slow.held == [True]
    assert not slow.wire.closed


def test_who_is_held_back_goes_on_when_it_is_answered() -> None:
    slow = slow_connection()
    slow.wire.receive(GET)
    slow.wire.receive(POST + b"Content-Length: 5000\r\n\r\n" + b"a" * 5000 + GET)
    assert slow.held == [True]
    slow.answer_all()
    assert slow.held == [True, False]
    assert [body[:7] for _, body in answers(slow.wire)] == ["GET /a ", "POST /b", "GET /a "]


def test_who_sends_many_requests_ahead_is_held_back_until_few_are_left() -> None:
    slow = slow_connection()
    count = 2 * GATEWAY.bounds.header_bytes // len(GET)
    slow.wire.receive(GET * count)
    assert slow.held == [True]
    while len(answers(slow.wire)) < count // 2 - 1:
        slow.answer()
    assert slow.held[-1]
    slow.answer_all()
    assert not slow.held[-1]
    assert len(answers(slow.wire)) == count


def test_who_is_refused_is_not_held_back() -> None:
    slow = slow_connection()
    slow.wire.receive(GET + b"garbage\r\n\r\n" * 1000)
    assert slow.held == [True]
    slow.answer_all()
    assert refusal(slow.wire) == 400
    assert slow.held == [True, False]


def test_bounds_are_those_of_the_moment() -> None:
    current = [GATEWAY]
    wire = ClientWire(partial(ClientHttp1, lambda: current[0]))
    long = b"GET /" + b"a" * 200 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    current[0] = Gateway()
    wire.receive(long)
    current[0] = GATEWAY
    wire.receive(long)
    assert [status for status, _ in answers(wire)] == [200, 414]


def test_somebody_may_want_to_know_that_a_head_has_begun() -> None:
    wire = connection()
    told: list[str] = []
    setattr(wire.client, HEAD_BEGAN, lambda: told.append("begun"))
    wire.receive(GET)
    assert told == []
    wire.receive(GET[:10])
    wire.receive(GET[10:20])
    assert told == ["begun"]
    wire.receive(GET[20:])
    wire.receive(GET[:1])
    assert told == ["begun", "begun"]
