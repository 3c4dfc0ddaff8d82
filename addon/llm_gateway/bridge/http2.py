"""mitmproxy's HTTP/2 server with bounds, and with JSON in place of its HTML.

hyper-h2 bounds much by itself, but it answers all that it does not like by ending the connection
and with it every other request on it; and it does whatever work a client has for it.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import override

import h2.connection
import h2.errors
import h2.events
from mitmproxy.net.http import url
from mitmproxy.proxy import commands, events, layer
from mitmproxy.proxy.context import Context
from mitmproxy.proxy.layers.http import ResponseData, ResponseProtocolError
from mitmproxy.proxy.layers.http._http2 import Http2Server

from llm_gateway.bridge.frames import STREAM_LOST, FrameBudget, PaidDecoder
from llm_gateway.bridge.heads import check_fields
from llm_gateway.bridge.refusals import new_id, told
from llm_gateway.bridge.responses import error_response
from llm_gateway.config.values import Gateway
from llm_gateway.errors import GatewayError, RequestError

FRAME_BYTES = 2**14
"""The longest frame. The standard's own value: 65 of them, which is how many a head may come in,
are a megabyte, and mitmproxy's are eight."""
HEADS = 4
"""A head that is longer than its bound is read up to this many times the bound, to be answered
with a status; a longer one ends the connection."""
KEPT = 4
"""How many times the streams of a connection are noted before those that are over are forgotten."""
TABLE_BYTES = 4096
"""What our compression remembers of answers, however much the client would let us."""

_LONG = 300
"""No host is so long: names have 253 characters at most (RFC 1035 §2.3.4)."""
_QUOTED = re.compile(r"b?(['\"]).*\1", re.DOTALL)


class ClientHttp2(Http2Server):
    """One client's connection."""

    def __init__(self, gateway: Callable[[], Gateway], context: Context) -> None:
        """``gateway``: the current configuration's section."""
        super().__init__(context)
        self._gateway = gateway
        self._bounds = gateway().bounds
        self._budget = FrameBudget()
        self._served: set[int] = set()
        settings = self.h2_conn.local_settings
        settings.max_concurrent_streams = self._bounds.streams
        settings.max_header_list_size = self._bounds.header_bytes
        settings.max_frame_size = FRAME_BYTES
        # As mitmproxy does: they hold at once, not when the client has agreed.
        settings.acknowledge()
        self.h2_conn.max_inbound_frame_size = FRAME_BYTES
        self.h2_conn.decoder = PaidDecoder(self._budget, HEADS * self._bounds.header_bytes)

    @override
    def _handle_event(self, event: events.Event) -> layer.CommandGenerator[None]:
        if isinstance(event, ResponseData):
            self._budget.earn(len(event.data))
        elif isinstance(event, events.DataReceived):
            return self._receive(event)
        elif isinstance(event, events.Start):
            return self._start(event)
        elif isinstance(event, ResponseProtocolError) and self._can_answer(event.stream_id):
            error = told(event.code, connect=False)
            if error is not None:
                return self._fail(event.stream_id, error)
        return super()._handle_event(event)

    @override
    def handle_h2_event(self, event: h2.events.Event) -> layer.CommandGenerator[bool]:
        if isinstance(event, h2.events.RequestReceived):
            return self._request(event)
        return super().handle_h2_event(event)

    @override
    def protocol_error(
        self, message: str, error_code: int = h2.errors.ErrorCodes.PROTOCOL_ERROR
    ) -> layer.CommandGenerator[None]:
        # It goes into the log, and hyper-h2 quotes the header that it does not like.
        return super().protocol_error(_QUOTED.sub("…", message), error_code)

    def _start(self, event: events.Start) -> layer.CommandGenerator[None]:
        yield from super()._handle_event(event)
        # The client knows how many it may have. One more is refused by us, and alone
        # (RFC 9113 §5.1.2); hyper-h2 would end the connection.
        settings = self.h2_conn.local_settings
        settings.max_concurrent_streams = 2**31 - 1
        settings.acknowledge()

    def _receive(self, event: events.DataReceived) -> layer.CommandGenerator[None]:
        pieces = self._budget.take(event.data)
        if not pieces:
            yield from self._calm_down()
            return
        try:
            for piece in pieces:
                if self.h2_conn.state_machine.state is not h2.connection.ConnectionState.CLOSED:
                    yield from super()._handle_event(events.DataReceived(event.connection, piece))
        except Exception as error:
            words = f"failed on what it received ({type(error).__name__})"
            yield from self.protocol_error(words, h2.errors.ErrorCodes.INTERNAL_ERROR)
            return
        if len(self.streams) > KEPT * self._bounds.streams:
            # mitmproxy keeps a note of each stream that the connection ever had.
            self.streams = {n: each for n, each in self.streams.items() if not self.is_closed(n)}
        encoder = self.h2_conn.encoder
        if encoder.header_table_size != TABLE_BYTES:
            encoder.header_table_size = min(encoder.header_table_size, TABLE_BYTES)

    def _calm_down(self) -> layer.CommandGenerator[None]:
        calm = h2.errors.ErrorCodes.ENHANCE_YOUR_CALM
        yield from self.protocol_error("too many frames that ask for nothing", calm)

    def _request(self, event: h2.events.RequestReceived) -> layer.CommandGenerator[bool]:
        number = event.stream_id
        if self.is_closed(number):
            return False  # taken back already, in what came with it
        if not self._has_room():
            self.h2_conn.reset_stream(number, h2.errors.ErrorCodes.REFUSED_STREAM)
            return (yield from self._lost())
        try:
            check_fields(event.headers, self._gateway().bounds)
            _check_authority(event.headers)
        except GatewayError as error:
            yield from self._fail(number, error)
            return (yield from self._lost())
        self._served.add(number)
        return (yield from super().handle_h2_event(event))

    def _has_room(self) -> bool:
        """Whether one stream more may be served."""
        if len(self._served) >= self._bounds.streams:
            self._served = {number for number in self._served if not self.is_closed(number)}
        return len(self._served) < self._bounds.streams

    def _lost(self) -> layer.CommandGenerator[bool]:
        """A stream was refused. True: that was one too many."""
        if self._budget.spend(STREAM_LOST):
            return False
        yield from self._calm_down()
        return True

    def _can_answer(self, stream_id: int) -> bool:
        if self.is_closed(stream_id) or not self.is_open_for_us(stream_id):
            return False
        return not self.h2_conn.streams[stream_id].state_machine.headers_sent

    def _fail(self, stream_id: int, error: GatewayError) -> layer.CommandGenerator[None]:
        response = error_response(error, new_id())
        status = (b":status", b"%d" % error.status)
        self.h2_conn.send_headers(stream_id, [status, *response.headers.fields])
        self.h2_conn.send_data(stream_id, response.data.content or b"", end_stream=True)
        if not self.is_closed(stream_id):
            # What it goes on to send is nobody's (RFC 9113 §8.1).
            self.h2_conn.reset_stream(stream_id, h2.errors.ErrorCodes.NO_ERROR)
        yield commands.SendData(self.conn, self.h2_conn.data_to_send())


def _check_authority(fields: list[tuple[bytes, bytes]]) -> None:
    """mitmproxy ends the whole connection for one that it cannot read."""
    for name, value in fields:
        if name == b":authority" and value and not (len(value) < _LONG and _is_authority(value)):
            raise RequestError(
                400, "The request's :authority is not a host name with an optional port."
            )
        if name[:1] != b":":
            return


@lru_cache(64)
def _is_authority(value: bytes) -> bool:
    try:
        url.parse_authority(value, check=True)
    except ValueError:
        return False
    return True
