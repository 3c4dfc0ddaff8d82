"""The recording server records what was sent and lets no fault go unseen."""

import ssl
from pathlib import Path

import pytest

from support.http1 import Malformed
from support.raw_http import RawConnection, request_bytes
from support.recording_server import Handler, Received, RecordingServer, Reply
from support.tls import make_authority

HOST = "server.test"


async def fine(_received: Received, reply: Reply) -> None:
    await reply.json(200, "fine")


async def test_requests_are_recorded_as_sent() -> None:
    fields = [("AUTHORIZATION", "Bearer \xe9"), ("X-Two", "a"), ("X-Two", "b")]
    request = request_bytes("POST", "/path?a=1", fields, b'{"a": 1}', host=HOST)
    async with RecordingServer(fine) as server:
        async with RawConnection(server.port) as client:
            await client.exchange(request)
            await client.exchange(request)
            assert server.open_connections == 1
        await server.until(lambda: server.open_connections == 0)
    seen, second = server.requests
    assert (seen.method, seen.target, seen.path) == ("POST", "/path?a=1", "/path")
    assert seen.headers == [("Host", HOST), ("Content-Length", "8"), *fields]
    assert seen.header("authorization") == "Bearer \xe9"
    assert seen.json == {"a": 1}
    assert (seen.connection_id, second.connection_id) == (1, 1)
    assert server.count_connections == 1


async def test_a_repeated_header_is_not_read_as_one() -> None:
    request = request_bytes("GET", "/", [("X-Two", "a"), ("X-Two", "b")], host=HOST)
    async with RecordingServer(fine) as server, RawConnection(server.port) as client:
        await client.exchange(request)
        with pytest.raises(ValueError, match="2 x-two fields"):
            server.requests[0].header("x-two")


async def test_a_chunked_request_body_is_read() -> None:
    head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    body = b"5\r\nhello\r\nA;ext=1\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n"
    async with RecordingServer(fine) as server, RawConnection(server.port) as client:
        await client.exchange(head + body)
        await client.exchange(head + body)
    assert [each.body for each in server.requests] == [b"hello0123456789"] * 2


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    ],
)
async def test_a_malformed_request_is_answered_400_and_fails_the_test(request_: bytes) -> None:
    async def session() -> None:
        async with RecordingServer(fine) as server, RawConnection(server.port) as client:
            await client.send(request_)
            assert (await client.read_head()).status == 400

    with pytest.raises(ExceptionGroup) as failure:
        await session()
    assert failure.group_contains(Malformed)


async def fail(_received: Received, _reply: Reply) -> None:
    raise KeyError("made up")


async def say_nothing(_received: Received, _reply: Reply) -> None:
    return


@pytest.mark.parametrize(("handler", "kind"), [(fail, KeyError), (say_nothing, AssertionError)])
async def test_a_handler_that_fails_or_forgets_to_answer_fails_the_test(
    handler: Handler, kind: type[Exception]
) -> None:
    async def session() -> None:
        async with RecordingServer(handler) as server, RawConnection(server.port) as client:
            await client.send(request_bytes("GET", "/", host=HOST))
            assert await client.read_to_end() == b""

    with pytest.raises(ExceptionGroup) as failure:
        await session()
    assert failure.group_contains(kind)


async def test_over_tls_only_a_client_that_trusts_the_authority_is_answered(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    async with RecordingServer(fine, tls=authority.server) as server:
        assert server.url == f"https://127.0.0.1:{server.port}"
        async with RawConnection(server.port, tls=authority.client) as client:
            head, body = await client.exchange(request_bytes("GET", "/", host=HOST))
            assert (head.status, body) == (200, b'"fine"')
            client.abort()
        with pytest.raises(ssl.SSLCertVerificationError):
            await RawConnection(server.port, tls=ssl.create_default_context()).__aenter__()
        await server.until(lambda: server.open_connections == 0)
