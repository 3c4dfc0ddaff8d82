"""What is held back is not read; what goes on, or is cut, is."""

import asyncio
import socket
from typing import override

import pytest
from mitmproxy.proxy.layers.http._http1 import Http1Server

from llm_gateway.bridge.intake import HOLD_BACK, Intake, let_go
from support.client_wire import ClientWire
from support.waiting import DEADLINE


class Transport(asyncio.BaseTransport):
    """One that can only be closed."""

    closing = False

    @override
    def is_closing(self) -> bool:
        return self.closing


def make(look_seconds: float = 60.0) -> tuple[asyncio.StreamReader, Transport, Intake]:
    reader, transport = asyncio.StreamReader(), Transport()
    return reader, transport, Intake(reader, transport, look_seconds)


async def test_what_comes_is_read() -> None:
    reader, _, intake = make()
    reader.feed_data(b"abc")
    assert await intake.read(2) == b"ab"
    assert await intake.read(2) == b"c"
    reader.feed_eof()
    assert await intake.read(2) == b""


async def test_who_is_held_back_is_read_when_it_may_go_on() -> None:
    reader, _, intake = make()
    reader.feed_data(b"abc")
    intake.hold_back(True)
    reading = asyncio.ensure_future(intake.read(5))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(reading), 0.01)
    intake.hold_back(False)
    assert await reading == b"abc"


@pytest.mark.parametrize("closing_before", [False, True])
async def test_a_connection_that_is_cut_from_this_side_ends(closing_before: bool) -> None:
    reader, transport, intake = make(0.01)
    reader.feed_data(b"unread")
    intake.hold_back(True)
    transport.closing = closing_before
    reading = asyncio.ensure_future(intake.read(5))
    transport.closing = True
    assert await reading == b""


@pytest.mark.parametrize("how", ["closes", "closes its side", "resets"])
async def test_who_leaves_while_it_is_held_back_is_noticed(how: str) -> None:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours)
    intake = Intake(reader, writer.transport, 0.01)
    with theirs:
        writer.write(b"unread as well")
        theirs.sendall(b"unread")
        intake.hold_back(True)
        reading = asyncio.ensure_future(intake.read(5))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(reading), 0.05)
        match how:
            case "closes":
                theirs.recv(100)
                theirs.close()
            case "closes its side":
                theirs.shutdown(socket.SHUT_WR)
            case _:
                theirs.close()
        assert await asyncio.wait_for(reading, DEADLINE) == b""
    writer.close()


async def test_a_reader_that_is_held_back_can_be_cancelled() -> None:
    _, _, intake = make()
    intake.hold_back(True)
    reading = asyncio.ensure_future(intake.read(5))
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


def test_nothing_remains_of_it_with_a_client_that_has_left() -> None:
    client = ClientWire(Http1Server).client
    setattr(client, HOLD_BACK, bool)
    let_go(client)
    let_go(client)
    assert not hasattr(client, HOLD_BACK)
