"""HttpWire with access tokens: fetched once, kept apart from the key, and never repeated."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from llm_gateway.config import Credential, Http, OAuth
from llm_gateway.errors import (
    Retry,
    UpstreamAuthError,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamTimeout,
    UpstreamUnavailable,
)
from llm_gateway.http_wire import TOKEN_BYTES, HttpWire
from llm_gateway.secret import Secret
from llm_gateway.tasks import spawn
from llm_gateway.wire import read_whole
from support.behaviours import redirect
from support.fakes import KEY, make_provider
from support.recording_server import Handler, Received, RecordingServer, Reply
from support.tls import make_authority
from support.wires import (
    CHAT,
    HEAD,
    MASKED,
    TokenServer,
    access_token,
    bearer,
    clear_proxies,
    fine,
    post,
    raw,
    send,
    whole,
    wire_of,
)

SECOND = Credential("x-client-id", "", Secret("canary-client-id"))


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_proxies(monkeypatch)


@asynccontextmanager
async def wire_with(
    api: RecordingServer, auth: RecordingServer, *further: Credential
) -> AsyncIterator[HttpWire]:
    """A wire to ``api`` whose first key is exchanged for a token at ``auth``."""
    first = Credential("authorization", "Bearer ", Secret(KEY))
    provider = make_provider(
        base_url=f"{api.url}/v1",
        credentials=(first, *further),
        oauth=OAuth(f"{auth.url}/oauth", "THE_SCOPE"),
    )
    async with wire_of(provider) as wire:
        yield wire


def authorizations(server: RecordingServer) -> list[str | None]:
    """What each request to the server had in its Authorization field."""
    return [received.header("authorization") for received in server.requests]


async def test_the_key_is_exchanged_for_a_token_which_is_sent_in_its_place() -> None:
    async with RecordingServer(fine) as api, TokenServer() as auth, wire_with(api, auth) as wire:
        assert await whole(wire, post(api.url)) == b'"fine"'
    [asked] = auth.requests
    assert (asked.method, asked.target, asked.body) == ("POST", "/oauth", b"scope=THE_SCOPE")
    assert asked.header("authorization") == f"Basic {KEY}"
    assert asked.header("content-type") == "application/x-www-form-urlencoded"
    assert asked.header("rquid")
    assert authorizations(api) == [bearer(access_token(1))]


async def test_requests_at_the_same_time_share_one_token_and_later_ones_too() -> None:
    async with RecordingServer(fine) as api, TokenServer() as auth, wire_with(api, auth) as wire:
        auth.open.clear()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(5):
                tasks.create_task(whole(wire, post(api.url)))
            await auth.request()
            assert api.requests == []
            auth.open.set()
        await whole(wire, post(api.url))
        assert len(auth.requests) == 1
    assert authorizations(api) == [bearer(access_token(1))] * 6


async def test_the_key_and_the_token_never_meet() -> None:
    async with RecordingServer(fine) as api, TokenServer() as auth, wire_with(api, auth) as wire:
        for _ in range(3):
            await whole(wire, post(api.url))
    for received in api.requests:
        assert KEY not in f"{received.target} {received.headers} {received.body!r}"
    for received in auth.requests:
        assert access_token(1) not in f"{received.target} {received.headers} {received.body!r}"


async def test_only_the_first_credential_is_exchanged() -> None:
    async with (
        RecordingServer(fine) as api,
        TokenServer() as auth,
        wire_with(api, auth, SECOND) as wire,
    ):
        await whole(wire, post(api.url, CHAT, ("x-client-id", SECOND.secret.masked)))
    assert authorizations(api) == [bearer(access_token(1))]
    assert api.requests[0].header("x-client-id") == SECOND.secret.reveal()
    assert SECOND.secret.reveal() not in str(auth.requests[0].headers)


@pytest.mark.parametrize("authorization", [None, "Bearer by-hand", f"Basic {MASKED}"])
async def test_where_the_key_does_not_belong_no_token_is_fetched(authorization: str | None) -> None:
    async with RecordingServer(fine) as api, TokenServer() as auth, wire_with(api, auth) as wire:
        await whole(wire, post(api.url, authorization=authorization))
    assert authorizations(api) == [authorization]
    assert auth.requests == []


async def test_elsewhere_neither_key_nor_token_is_sent() -> None:
    async with (
        RecordingServer(fine) as other,
        RecordingServer(fine) as api,
        TokenServer() as auth,
        wire_with(api, auth) as wire,
    ):
        await whole(wire, post(other.url))
        await whole(wire, post(api.url))
        await whole(wire, post(other.url))
        await whole(wire, post(auth.url))
    assert authorizations(other) == [None, None]
    assert [each for each in authorizations(auth) if each] == [f"Basic {KEY}"]


def refusing(*refused: str) -> Handler:
    """An API that answers 401 to these tokens."""

    async def handler(received: Received, reply: Reply) -> None:
        good = received.header("authorization") not in {bearer(each) for each in refused}
        await reply.json(200 if good else 401, "fine" if good else {"message": "expired"})

    return handler


async def test_after_a_401_the_next_request_fetches_a_new_token() -> None:
    api = RecordingServer(refusing(access_token(1)))
    async with api, TokenServer() as auth, wire_with(api, auth) as wire:
        refused = await send(wire, post(api.url))
        assert (refused.status, await read_whole(refused)) == (401, b'{"message": "expired"}')
        assert len(auth.requests) == 1
        for _ in range(2):
            assert await whole(wire, post(api.url)) == b'"fine"'
        assert len(auth.requests) == 2
    tokens = [access_token(1), access_token(2), access_token(2)]
    assert authorizations(api) == [bearer(each) for each in tokens]


async def test_a_late_401_does_not_drop_the_newer_token() -> None:
    """Two requests with the old token: the second is refused when the new one is there already."""
    late = asyncio.Event()

    async def handler(received: Received, reply: Reply) -> None:
        if received.target == "/v1/chat/completions?late":
            await late.wait()
        await refusing(access_token(1))(received, reply)

    async with (
        RecordingServer(handler) as api,
        TokenServer() as auth,
        wire_with(api, auth) as wire,
    ):
        request = post(api.url)
        slow = asyncio.create_task(whole(wire, replace(request, url=f"{request.url}?late")))
        await api.request()
        assert b"expired" in await whole(wire, request)
        assert await whole(wire, request) == b'"fine"'
        late.set()
        assert b"expired" in await slow
        assert await whole(wire, request) == b'"fine"'
        assert len(auth.requests) == 2


async def test_another_status_keeps_the_token() -> None:
    async def handler(_received: Received, reply: Reply) -> None:
        await reply.json(403, "no")

    async with RecordingServer(handler) as api, TokenServer() as auth, wire_with(api, auth) as wire:
        for _ in range(3):
            await whole(wire, post(api.url))
        assert len(auth.requests) == 1


async def test_a_token_that_the_api_repeats_is_masked_in_head_and_body() -> None:
    async def repeats(received: Received, reply: Reply) -> None:
        given = received.header("authorization") or ""
        await reply.head(401, [("x-repeated", given)])
        for byte in given.encode():
            await reply.send(bytes([byte]))

    expected = bearer(Secret(access_token(1)).masked)
    async with RecordingServer(repeats) as api, TokenServer() as auth, wire_with(api, auth) as wire:
        response = await send(wire, post(api.url))
        assert response.headers["X-Repeated"] == expected
        assert (await read_whole(response)).decode() == expected


def answering(status: int, content: object) -> Handler:
    async def handler(_received: Received, reply: Reply) -> None:
        await reply.json(status, content)

    return handler


FAILURES: dict[str, tuple[Handler, type[UpstreamError]]] = {
    "refused": (answering(401, {"message": f"Unknown key {KEY}"}), UpstreamAuthError),
    "limited": (answering(429, {"message": f"Slow down, {KEY}"}), UpstreamRateLimited),
    "broken": (answering(500, {"message": KEY}), UpstreamUnavailable),
    "no token": (answering(200, {"access_key": KEY}), UpstreamInvalidResponse),
    "no JSON": (raw(HEAD + b"content-length: 6\r\n\r\n<html>"), UpstreamInvalidResponse),
    "no HTTP": (raw(b"220 " + KEY.encode() + b"\r\n\r\n"), UpstreamConnectionError),
    "half a head": (raw(b"HTTP/1.1 200 OK\r\n"), UpstreamConnectionError),
    "half a body": (raw(HEAD + b"content-length: 99\r\n\r\n{"), UpstreamConnectionError),
    "endless": (
        answering(200, {"x": "x" * TOKEN_BYTES, "access_token": "late"}),
        UpstreamInvalidResponse,
    ),
}


async def token_failure(sending: Awaitable[object]) -> UpstreamError:
    """The error of a request for which there is no token, so that it never leaves.

    It holds no secret.
    """
    with pytest.raises(UpstreamError) as caught:
        await sending
    error = caught.value
    told = f"{error!r} {error.message} {error.detail} {error.body()!r} {error.headers}"
    assert KEY not in told
    assert "127.0.0.1" not in error.message
    assert not error.sent
    return error


@pytest.mark.parametrize("name", FAILURES)
async def test_without_a_token_nothing_is_sent_and_the_failure_tells_no_secret(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    handler, expected = FAILURES[name]
    async with (
        RecordingServer(fine) as api,
        RecordingServer(handler) as auth,
        wire_with(api, auth) as wire,
    ):
        error = await token_failure(send(wire, post(api.url)))
        assert api.requests == []
    assert type(error) is expected
    assert KEY not in caplog.text


async def test_the_next_request_after_a_failure_asks_again() -> None:
    answers = iter([answering(500, {}), answering(200, {"access_token": "canary-second-try"})])

    async def handler(received: Received, reply: Reply) -> None:
        await next(answers)(received, reply)

    async with (
        RecordingServer(fine) as api,
        RecordingServer(handler) as auth,
        wire_with(api, auth) as wire,
    ):
        await token_failure(send(wire, post(api.url)))
        assert await whole(wire, post(api.url)) == b'"fine"'
    assert authorizations(api) == [bearer("canary-second-try")]


async def test_an_authorization_server_that_is_not_there_is_a_connection_error() -> None:
    async with TokenServer() as gone:
        pass
    async with RecordingServer(fine) as api, wire_with(api, gone) as wire:
        error = await token_failure(send(wire, post(api.url)))
        assert api.requests == []
    assert isinstance(error, UpstreamConnectionError)


async def test_an_authorization_server_that_does_not_answer_is_a_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("llm_gateway.http_wire.TOKEN_SECONDS", 0.02)
    async with RecordingServer(fine) as api, TokenServer() as auth, wire_with(api, auth) as wire:
        auth.open.clear()
        error = await token_failure(send(wire, post(api.url)))
        assert api.requests == []
        await auth.requests[0].closed.wait()
    assert isinstance(error, UpstreamTimeout)
    assert (error.status, error.message) == (504, "The provider gave no access token in time.")


async def test_a_redirect_of_the_authorization_server_is_not_followed() -> None:
    async with (
        RecordingServer(fine) as api,
        RecordingServer(fine) as other,
        RecordingServer(redirect(f"{other.url}/stolen", 307)) as auth,
        wire_with(api, auth) as wire,
    ):
        error = await token_failure(send(wire, post(api.url)))
        assert (api.requests, other.requests) == ([], [])
    assert isinstance(error, UpstreamInvalidResponse)


async def test_closing_the_wire_while_a_token_is_fetched_ends_the_request() -> None:
    async with RecordingServer(fine) as api, TokenServer() as auth, wire_with(api, auth) as wire:
        auth.open.clear()
        sending = asyncio.create_task(send(wire, post(api.url)))
        await auth.request()
        spawn(wire.close(), "close the wire")
        error = await token_failure(sending)
        assert api.requests == []
    assert (error.status, error.code) == (503, "gateway_shutdown")


async def test_the_authorization_server_s_certificate_is_judged_likewise(tmp_path: Path) -> None:
    """A provider with a private authority has both of its servers' certificates from there."""
    authority = make_authority(tmp_path)
    give = answering(200, {"access_token": access_token(1)})
    async with (
        RecordingServer(fine) as api,
        RecordingServer(give, tls=authority.server) as auth,
    ):
        oauth = OAuth(auth.url, "S")
        provider = make_provider(base_url=api.url, oauth=oauth, ca_file=authority.ca_file)
        async with wire_of(provider) as wire:
            assert await whole(wire, post(api.url)) == b'"fine"'
        async with wire_of(make_provider(base_url=api.url, oauth=oauth)) as wire:
            error = await token_failure(send(wire, post(api.url)))
    assert "certificate could not be verified" in error.message
    assert error.retry is Retry.ELSEWHERE
    assert len(auth.requests) == 1


async def test_a_wire_without_a_key_exchanges_nothing() -> None:
    async with RecordingServer(fine) as api, TokenServer() as auth:
        provider = make_provider(base_url=api.url, key=None, oauth=OAuth(auth.url, "S"))
        async with wire_of(provider) as wire:
            await whole(wire, post(api.url, authorization=None))
    assert (authorizations(api), auth.requests) == ([None], [])


async def test_a_token_is_fetched_while_every_connection_to_the_api_is_taken() -> None:
    async def refused_at_length(_received: Received, reply: Reply) -> None:
        await reply.head(401, [("content-type", "application/json")])
        await reply.client_gone()

    async with RecordingServer(refused_at_length) as api, TokenServer() as auth:
        provider = make_provider(
            base_url=f"{api.url}/v1",
            http=Http(max_connections=1),
            credentials=(Credential("authorization", "Bearer ", Secret(KEY)),),
            oauth=OAuth(f"{auth.url}/oauth", "THE_SCOPE"),
        )
        async with wire_of(provider) as wire:
            taken = await send(wire, post(api.url))
            assert taken.status == 401
            waiting = asyncio.ensure_future(send(wire, post(api.url)))
            await auth.request(2)
            waiting.cancel()
            await asyncio.wait([waiting])
            taken.close()
