"""An HTTP/2 connection has bounds, answers in JSON, and does no work that nobody asked for."""

import json
from functools import partial
from typing import Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import hpack
import pytest
from h2.settings import SettingCodes

from llm_gateway.bridge.frames import ALLOWED, STREAM_LOST
from llm_gateway.bridge.http2 import FRAME_BYTES, HEADS, KEPT, TABLE_BYTES, ClientHttp2
from llm_gateway.config.values import Bounds, Gateway
from support.client_wire import ClientWire

BOUNDS = Bounds(headers=20, header_bytes=4096, path_bytes=100, streams=3)
GATEWAY = Gateway(bounds=BOUNDS)
HEAD = {":method": "GET", ":scheme": "https", ":path": "/a", ":authority": "localhost"}
CALM = h2.errors.ErrorCodes.ENHANCE_YOUR_CALM

type Fields = list[tuple[str, str]]


def fields(**changes: str) -> Fields:
    return [*{**HEAD, **changes}.items()]


class Peer:
    """A client of hyper-h2's, and the connection that it talks to."""

    def __init__(self, gateway: Gateway = GATEWAY, **options: Any) -> None:
        self.wire = ClientWire(partial(ClientHttp2, lambda: gateway), **options)
        config = h2.config.H2Configuration(
            validate_outbound_headers=False, normalize_outbound_headers=False
        )
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.seen: list[h2.events.Event] = self.h2.receive_data(self.wire.greeting)
        self.send()

    def ask(self, head: Fields, *, end: bool = True) -> int:
        """Begin a request."""
        number = self.h2.get_next_available_stream_id()
        self.h2.send_headers(number, head, end_stream=end)
        self.send()
        return number

    def send(self, data: bytes = b"") -> None:
        """Send what hyper-h2 has, and this."""
        self.wire.receive(self.h2.data_to_send() + data)
        sent, self.wire.sent = self.wire.sent, b""
        self.seen += self.h2.receive_data(sent)

    def of[T](self, kind: type[T]) -> list[T]:
        """The events of a kind."""
        return [event for event in self.seen if isinstance(event, kind)]

    def answers(self) -> dict[int, int]:
        """Statuses by stream."""
        return {
            event.stream_id: int(dict(event.headers)[b":status"])
            for event in self.of(h2.events.ResponseReceived)
        }

    def body(self) -> bytes:
        """All that came of bodies."""
        return b"".join(event.data for event in self.of(h2.events.DataReceived))

    def goodbye(self) -> int | None:
        """The code of the last GOAWAY."""
        codes = [event.error_code for event in self.of(h2.events.ConnectionTerminated)]
        return codes[-1] if codes else None


def frame(kind: int, payload: bytes = b"", *, stream: int = 0, flags: int = 0) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def test_a_request_is_answered() -> None:
    peer = Peer()
    peer.ask(fields())
    assert peer.answers() == {1: 200}
    assert peer.body() == b"GET /a "


def test_a_client_is_told_the_bounds() -> None:
    [told] = Peer().of(h2.events.RemoteSettingsChanged)
    values = {
        SettingCodes(code).name: change.new_value for code, change in told.changed_settings.items()
    }
    assert values["MAX_CONCURRENT_STREAMS"] == BOUNDS.streams
    assert values["MAX_HEADER_LIST_SIZE"] == BOUNDS.header_bytes
    assert values["MAX_FRAME_SIZE"] == FRAME_BYTES


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (fields(**{":path": "/" + "a" * 100}), 414),
        (fields(x="a" * BOUNDS.header_bytes), 431),
        (fields() + [("x", "a")] * 21, 431),
        (fields(**{":authority": "localhost@evil.example"}), 400),
        (fields(**{":authority": "localhost:port"}), 400),
        (fields(**{":authority": "a" * 300}), 400),
    ],
    ids=["path", "bytes", "count", "user", "port", "long"],
)
def test_a_head_out_of_bounds_is_refused_alone(head: Fields, status: int) -> None:
    peer = Peer()
    refused, served = peer.ask(head), peer.ask(fields())
    assert peer.answers() == {refused: status, served: 200}
    error, _, _ = peer.body().partition(b"GET /a ")
    assert set(json.loads(error)["error"]) == {"message", "type", "param", "code"}
    [flow] = peer.wire.flows
    assert flow.request.path == "/a"


def test_a_much_larger_head_ends_the_connection() -> None:
    peer = Peer()
    peer.ask(fields(x="a" * 5000, y="a" * 5000, z="a" * HEADS * 2000))
    assert peer.goodbye() is not None
    assert peer.wire.closed
    assert peer.wire.flows == []


def test_one_stream_too_many_is_refused_and_the_others_go_on() -> None:
    peer = Peer(request=None)
    for _ in range(BOUNDS.streams):
        peer.ask(fields())
    peer.h2.remote_settings.max_concurrent_streams = 100
    peer.h2.remote_settings.acknowledge()
    peer.ask(fields())
    [refused] = peer.of(h2.events.StreamReset)
    assert (refused.stream_id, refused.error_code) == (7, h2.errors.ErrorCodes.REFUSED_STREAM)
    assert len(peer.wire.flows) == BOUNDS.streams
    assert not peer.wire.closed


def test_a_refused_request_may_not_go_on() -> None:
    peer = Peer()
    number = peer.ask(fields(**{":path": "/" + "a" * 100}), end=False)
    assert peer.answers() == {number: 414}
    [reset] = peer.of(h2.events.StreamReset)
    assert reset.error_code == h2.errors.ErrorCodes.NO_ERROR


def test_streams_that_are_answered_make_room() -> None:
    peer = Peer()
    asked = [peer.ask(fields()) for _ in range(BOUNDS.streams * 6)]
    assert peer.answers() == dict.fromkeys(asked, 200)
    server = peer.wire.server
    assert isinstance(server, ClientHttp2)
    assert len(server.streams) <= KEPT * BOUNDS.streams


def requests(count: int, after: bytes = b"") -> bytes:
    encoder = hpack.Encoder()
    sent = b""
    for number in range(1, 2 * count, 2):
        sent += frame(1, encoder.encode(fields()), stream=number, flags=5)
        sent += after and frame(3, after, stream=number)
    return sent


FLOODS = {
    "ping": frame(6, bytes(8)),
    "settings": frame(4),
    "settings in one": frame(4, bytes([0, 4, 0, 0, 255, 255]) * 100),
    "window": frame(8, bytes([0, 0, 0, 1])),
    "priority": frame(2, bytes([0, 0, 0, 0, 1]), stream=3),
    "unknown": frame(0xEE),
}


@pytest.mark.parametrize("name", [*FLOODS])
def test_frames_that_ask_for_nothing_are_not_endless(name: str) -> None:
    peer = Peer()
    peer.send(FLOODS[name] * (ALLOWED + 1))
    assert peer.goodbye() == CALM
    assert peer.wire.closed
    assert any("too many frames" in line for line in peer.wire.log)


def test_data_without_data_is_not_endless() -> None:
    peer = Peer()
    number = peer.ask(fields(**{":method": "POST"}), end=False)
    peer.send(frame(0, stream=number) * (ALLOWED + 1))
    assert peer.goodbye() == CALM
    assert len(peer.wire.errors) == 1


def test_a_head_in_pieces_without_end_is_not_kept() -> None:
    peer = Peer()
    peer.send(frame(1, hpack.Encoder().encode(fields()), stream=1))
    peer.send(frame(9, bytes(FRAME_BYTES), stream=1) * 70)
    assert peer.wire.closed
    assert peer.wire.flows == []


def test_requests_that_are_taken_back_at_once_are_not_endless() -> None:
    peer = Peer(request=None)
    peer.send(requests(ALLOWED // STREAM_LOST + 10, after=bytes([0, 0, 0, 8])))
    assert peer.goodbye() == CALM
    assert peer.wire.flows == []


def test_a_client_may_take_back_all_that_it_may_ask_for() -> None:
    peer = Peer(request=None)
    for _ in range(20):
        for number in [peer.ask(fields()) for _ in range(BOUNDS.streams)]:
            peer.h2.reset_stream(number, h2.errors.ErrorCodes.CANCEL)
        peer.send()
    assert peer.goodbye() is None
    assert not peer.wire.closed


def test_requests_that_are_taken_back_with_the_same_bytes_are_not_begun() -> None:
    peer = Peer(request=None)
    peer.send(requests(100, after=bytes([0, 0, 0, 8])))
    assert peer.wire.flows == []
    assert not peer.wire.closed


def test_requests_beyond_the_bound_are_not_endless() -> None:
    peer = Peer(request=None)
    peer.wire.receive(requests(ALLOWED // STREAM_LOST + BOUNDS.streams + 1))
    assert peer.wire.closed
    assert len(peer.wire.flows) == BOUNDS.streams


def bomb(count: int) -> bytes:
    """Requests of a few bytes with 15 fields of 4 KB, which only the first one brings."""
    encoder = hpack.Encoder()
    head = [*fields(), *[("x-big", "x" * 3900)] * 15]
    return b"".join(
        frame(1, encoder.encode(head), stream=number, flags=5) for number in range(1, 2 * count, 2)
    )


def test_heads_that_compression_blows_up_are_not_endless() -> None:
    """Not even as many as a client may send at once; its own heads are never like that."""
    bounds = Bounds()
    peer = Peer(Gateway(bounds=bounds), request=None)
    peer.wire.receive(bomb(bounds.streams))
    assert CALM.to_bytes(4) in peer.wire.sent
    [line] = peer.wire.log
    assert "than a client needs" in line
    assert peer.wire.closed
    assert len(peer.wire.flows) < bounds.streams


def test_of_many_heads_in_one_piece_few_are_decoded_before_the_first_is_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decode, seen = hpack.Decoder.decode, []

    def counted(*asked: Any) -> Any:
        seen.append(1)
        return decode(*asked)

    monkeypatch.setattr(hpack.Decoder, "decode", counted)
    peer = Peer(request=None)
    peer.wire.receive(requests(1500))
    assert peer.wire.closed
    assert len(seen) <= ALLOWED // STREAM_LOST + 100


def test_heads_of_a_stream_that_is_closed_are_paid_for_as_well() -> None:
    peer = Peer()
    number = peer.ask(fields(**{":path": "/" + "a" * 100}), end=False)
    head = frame(1, hpack.Encoder().encode(fields()), stream=number, flags=5)
    peer.send(head * 4 * ALLOWED)
    assert peer.wire.closed
    assert peer.wire.flows == []


def test_many_requests_at_a_time_again_and_again_are_answered() -> None:
    """As many as a client may, each with a token and fields of 2 KB."""
    bounds = Bounds()
    peer = Peer(Gateway(bounds=bounds))
    long = [*fields(), ("authorization", "a" * 1200), *((f"x-{n}", "value" * 8) for n in range(15))]
    asked = []
    for _ in range(12):
        for _ in range(bounds.streams):
            asked.append(peer.h2.get_next_available_stream_id())
            peer.h2.send_headers(asked[-1], long, end_stream=True)
        peer.send()
    assert peer.answers() == dict.fromkeys(asked, 200)


def test_our_table_stays_small_whatever_the_client_would_let_us() -> None:
    peer = Peer()
    peer.h2.update_settings({1: 2**31})
    peer.send()
    server = peer.wire.server
    assert isinstance(server, ClientHttp2)
    assert server.h2_conn.encoder.header_table_size == TABLE_BYTES
    peer.ask(fields())
    assert peer.answers() == {1: 200}


def test_the_log_does_not_repeat_a_header() -> None:
    peer = Peer()
    peer.ask(fields(authorization="Bearer my\r\nsecret"))
    assert peer.goodbye() is not None
    [line] = peer.wire.log
    assert "HTTP/2 protocol error" in line
    assert "secret" not in line
    assert "my" not in line


def test_mitmproxy_s_own_errors_are_json() -> None:
    peer = Peer(body_size_limit="100")
    number = peer.ask(fields(**{":method": "POST", "content-length": "200"}), end=False)
    assert peer.answers() == {number: 413}
    assert json.loads(peer.body())["error"]["code"] == "request_too_large"


def test_a_failure_inside_ends_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer()

    def fail(*_: object) -> None:
        raise KeyError("made up")

    monkeypatch.setattr(h2.connection.H2Connection, "receive_data", fail)
    peer.wire.receive(frame(6, bytes(8)))
    assert peer.wire.closed
    [line] = peer.wire.log
    assert line.endswith("failed on what it received (KeyError)")
