"""Access tokens are fetched once, kept while they are good, and never printed."""

import asyncio
import base64
import gc
import itertools
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

import orjson
import pytest
from multidict import CIMultiDict

from llm_gateway.adapters.contract import Whole
from llm_gateway.config import OAuth
from llm_gateway.errors import (
    Retry,
    UpstreamAuthError,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from llm_gateway.oauth import AccessToken
from llm_gateway.secret import Secret

NOW = 1763700000.0
CLIENT_ID = "0f1e2d3c-aaaa-bbbb-cccc-1234567890ab"
CLIENT_SECRET = "9e8d7c6b-dddd-eeee-ffff-ba0987654321"
PLAIN = f"{CLIENT_ID}:{CLIENT_SECRET}"
ENCODED = base64.b64encode(PLAIN.encode()).decode()
OAUTH = OAuth("https://auth.invalid/oauth", "GIGACHAT_API_PERS")

type Answer = tuple[int, object] | Exception


class Server:
    """An authorization server: the answers it gives one after another, and what it was asked.

    While ``held`` is set it waits before it answers.
    """

    def __init__(self, *answers: Answer) -> None:
        self.answers = iter(answers)
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.held: asyncio.Event | None = None
        self.now = NOW

    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Whole:
        self.asked.append((url, dict(headers), body))
        if self.held is not None:
            await self.held.wait()
        answer = next(self.answers)
        if isinstance(answer, Exception):
            raise answer
        status, content = answer
        encoded = content if isinstance(content, bytes) else orjson.dumps(content)
        return Whole(status, CIMultiDict({"Retry-After": "7"}), encoded)

    def token(self, key: str = ENCODED) -> AccessToken:
        """The token that this server gives for ``key``."""
        ids = (f"id-{number}" for number in itertools.count(1))
        return AccessToken(OAUTH, Secret(key), self.post, lambda: self.now, lambda: next(ids))


def good(token: str = "first", expires_at: Any = (NOW + 1800) * 1000) -> Answer:
    return 200, {"access_token": token, "expires_at": expires_at}


async def failure(*answers: Answer, key: str = ENCODED) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        await Server(*answers).token(key).get()
    return caught.value


async def test_a_token_is_asked_for_with_the_key_the_scope_and_an_id() -> None:
    server = Server(good("first"), good("second"))
    token = server.token()
    assert await token.get() == Secret("first")
    token.drop(Secret("first"))
    assert await token.get() == Secret("second")
    for number, (url, headers, body) in enumerate(server.asked, 1):
        assert url == OAUTH.url
        assert headers["authorization"] == f"Basic {ENCODED}"
        assert headers["rquid"] == f"id-{number}"
        assert headers["content-type"] == "application/x-www-form-urlencoded"
        assert headers["accept"] == "application/json"
        assert headers["user-agent"].startswith("llm-gateway/")
        assert parse_qs(body.decode()) == {"scope": ["GIGACHAT_API_PERS"]}


async def test_a_client_id_and_secret_are_made_into_the_authorization_key() -> None:
    server = Server(good())
    await server.token(PLAIN).get()
    assert server.asked[0][1]["authorization"] == f"Basic {ENCODED}"


async def test_a_token_is_kept_until_a_minute_before_its_end() -> None:
    server = Server(good("first"), good("second", (NOW + 3600) * 1000))
    token = server.token()
    for now in (NOW, NOW + 1000, NOW + 1739):
        server.now = now
        assert await token.get() == Secret("first")
    server.now = NOW + 1740
    assert await token.get() == Secret("second")
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("expires_at", "seconds"),
    [
        ((NOW + 600) * 1000, 600),
        (int(NOW + 600) * 1000, 600),
        (NOW + 600, 600),
        (int(NOW + 600), 600),
        (None, 1800),
        ("soon", 1800),
        (str(int(NOW + 600) * 1000), 1800),
        (True, 1800),
        ({}, 1800),
        (0, 1800),
        (-1, 1800),
        (NOW, 1800),
        ((NOW - 600) * 1000, 1800),
    ],
)
async def test_the_end_is_a_point_in_time_or_else_half_an_hour_away(
    expires_at: object, seconds: float
) -> None:
    server = Server(good("first", expires_at), good("second"))
    token = server.token()
    await token.get()
    server.now = NOW + seconds - 61
    assert await token.get() == Secret("first")
    server.now = NOW + seconds - 60
    assert await token.get() == Secret("second")


async def test_a_reply_without_an_end_is_good_for_half_an_hour() -> None:
    server = Server((200, {"access_token": "first"}), good("second"))
    token = server.token()
    server.now = NOW
    await token.get()
    server.now = NOW + 1739
    assert await token.get() == Secret("first")


async def test_an_end_beyond_all_numbers_is_no_reason_to_fail() -> None:
    body = b'{"access_token": "first", "expires_at": 1e300}'
    server = Server((200, body))
    token = server.token()
    await token.get()
    assert await token.get() == Secret("first")


async def test_callers_at_the_same_time_share_one_fetch() -> None:
    server = Server(good("first"))
    server.held = asyncio.Event()
    token = server.token()
    async with asyncio.TaskGroup() as group:
        callers = [group.create_task(token.get()) for _ in range(5)]
        await asyncio.sleep(0)
        assert not any(caller.done() for caller in callers)
        server.held.set()
    assert {caller.result() for caller in callers} == {Secret("first")}
    assert len(server.asked) == 1


async def test_a_cancelled_caller_leaves_the_fetch_to_the_others() -> None:
    server = Server(good("first"))
    server.held = asyncio.Event()
    token = server.token()
    async with asyncio.TaskGroup() as group:
        first = group.create_task(token.get())
        await asyncio.sleep(0)
        second = group.create_task(token.get())
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        server.held.set()
    assert first.cancelled()
    assert second.result() == Secret("first")
    assert len(server.asked) == 1


async def test_a_fetch_that_everyone_left_is_still_of_use() -> None:
    server = Server(good("first"))
    server.held = asyncio.Event()
    token = server.token()
    caller = asyncio.ensure_future(token.get())
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    server.held.set()
    assert await token.get() == Secret("first")
    assert len(server.asked) == 1


async def test_every_caller_gets_the_failure_and_the_next_one_tries_again() -> None:
    error = UpstreamConnectionError("No connection.")
    server = Server(error, good("second"))
    server.held = asyncio.Event()
    token = server.token()
    callers = [asyncio.ensure_future(token.get()) for _ in range(3)]
    await asyncio.sleep(0)
    server.held.set()
    assert await asyncio.gather(*callers, return_exceptions=True) == [error] * 3
    assert await token.get() == Secret("second")
    assert len(server.asked) == 2


async def test_a_failure_that_nobody_waits_for_is_not_reported_as_a_bug(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Server(UpstreamConnectionError("No connection."), good("second"))
    server.held = asyncio.Event()
    token = server.token()
    caller = asyncio.ensure_future(token.get())
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    del caller
    with caplog.at_level(logging.WARNING):
        server.held.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        gc.collect()
    assert not caplog.records
    assert await token.get() == Secret("second")


async def test_the_end_of_the_fetch_by_force_ends_the_wait() -> None:
    asking: list[asyncio.Task[Any] | None] = []

    async def post(_url: str, _headers: Mapping[str, str], _body: bytes) -> Whole:
        asking.append(asyncio.current_task())
        await asyncio.Event().wait()
        return Whole(200, {}, b"")

    token = AccessToken(OAUTH, Secret(ENCODED), post, lambda: NOW, lambda: "id")
    caller = asyncio.ensure_future(token.get())
    await asyncio.sleep(0)
    assert asking[0] is not None
    asking[0].cancel()
    await asyncio.wait([caller])
    assert caller.cancelled()


async def test_only_the_current_token_can_be_dropped() -> None:
    server = Server(good("first"), good("second"))
    token = server.token()
    first = await token.get()
    token.drop(first)
    second = await token.get()
    token.drop(first)
    assert await token.get() is second
    assert len(server.asked) == 2


REFUSALS = [
    (400, {"code": 5, "message": "scope is empty"}),
    (400, {"code": 7, "message": "scope from db not fully includes consumed scope"}),
    (401, {"code": 4, "message": "Can't decode 'Authorization' header"}),
    (401, {"code": 6, "message": "credentials doesn't match db data"}),
    (403, {"code": 1, "message": "forbidden"}),
]


@pytest.mark.parametrize(("status", "body"), REFUSALS)
async def test_a_refusal_is_a_matter_of_the_operators_with_the_servers_sentence(
    status: int, body: dict[str, Any]
) -> None:
    error = await failure((status, body))
    assert isinstance(error, UpstreamAuthError)
    assert error.retry is Retry.ELSEWHERE
    assert error.message.endswith(f"(status {status}): {body['message']}")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"message": 7}', b'"no"'])
async def test_a_refusal_needs_no_sentence(body: bytes) -> None:
    error = await failure((401, body))
    assert error.message == "The provider gave no access token for the gateway's key (status 401)."


@pytest.mark.parametrize(
    ("status", "kind", "retry", "answered"),
    [
        (429, UpstreamRateLimited, Retry.HERE, 429),
        (500, UpstreamUnavailable, Retry.HERE, 500),
        (503, UpstreamUnavailable, Retry.HERE, 503),
        (302, UpstreamInvalidResponse, Retry.HERE, 502),
        (204, UpstreamInvalidResponse, Retry.HERE, 502),
    ],
)
async def test_other_failures_are_what_their_status_says(
    status: int, kind: type[UpstreamError], retry: Retry, answered: int
) -> None:
    error = await failure((status, {"message": "later"}))
    assert type(error) is kind
    assert (error.retry, error.status, error.message) == (retry, answered, "later")
    assert error.retry_after == 7


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<!doctype html>",
        b"[]",
        b"null",
        b"{}",
        b'{"access_token": null}',
        b'{"access_token": ""}',
        b'{"access_token": 7}',
        b'{"access_token": "two words"}',
        b'{"access_token": "a\\r\\nx: y"}',
        '{"access_token": "токен"}'.encode(),
    ],
)
async def test_a_success_without_a_token_is_an_invalid_response(body: bytes) -> None:
    error = await failure((200, body))
    assert isinstance(error, UpstreamInvalidResponse)


SECRETS = (ENCODED, PLAIN, CLIENT_ID, CLIENT_SECRET)


@pytest.mark.parametrize(
    ("key", "secrets"),
    [(ENCODED, SECRETS), (PLAIN, SECRETS), ("no-base64-at-all", ("no-base64-at-all",))],
)
@pytest.mark.parametrize("status", [400, 401, 429, 500])
async def test_no_error_repeats_the_key_or_a_part_of_it(
    status: int, key: str, secrets: tuple[str, ...]
) -> None:
    # The last one stands where the sentence is cut off.
    sentence = f"bad {' '.join(secrets)} = Basic {key} {'x' * 200} {key}"
    error = await failure((status, {"message": sentence}), key=key)
    told = f"{error.message} {error.detail} {error!r} {error.body()!r}"
    assert not [each for each in secrets if each[:12] in told]


async def test_no_error_repeats_the_last_token() -> None:
    server = Server(good("eyJhbGciOi.first", NOW + 100), (401, {"message": "eyJhbGciOi.first?"}))
    token = server.token()
    await token.get()
    server.now = NOW + 90
    with pytest.raises(UpstreamAuthError) as caught:
        await token.get()
    assert "first" not in caught.value.message


async def test_even_a_bug_reaches_the_callers() -> None:
    with pytest.raises(TypeError, match="a bug"):
        await Server(TypeError("a bug")).token().get()
