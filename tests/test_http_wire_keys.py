"""HttpWire and the keys: each goes where it belongs, nowhere else, and does not come back."""

from contextlib import AbstractAsyncContextManager

import pytest

from llm_gateway.config import Credential
from llm_gateway.http_wire import HttpWire
from llm_gateway.secret import Secret
from llm_gateway.wire import UpstreamRequest, read_whole
from support.fake_openai import FakeOpenAI
from support.fakes import KEY, LABEL, make_provider
from support.http1 import values
from support.recording_server import Handler, Received, RecordingServer, Reply
from support.wires import (
    CHAT,
    HEAD,
    MASKED,
    bearer,
    clear_proxies,
    fine,
    post,
    raw,
    send,
    whole,
    wire_of,
    wire_to,
)

SECOND = "canary-second-key-0123456789"
SECOND_MASKED = Secret(SECOND).masked
PLAIN = Credential("x-api-key", "", Secret(SECOND))


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_proxies(monkeypatch)


async def test_the_key_is_put_where_its_masked_form_stands(provider: FakeOpenAI) -> None:
    async with wire_to(provider.url, key="sk-test") as wire:
        request = post(provider.url, authorization=bearer(Secret("sk-test").masked))
        response = await send(wire, request)
        assert response.status == 200
        await read_whole(response)
    [received] = provider.requests
    assert values(received.headers, "authorization") == ["Bearer sk-test"]


@pytest.mark.parametrize(
    "authorization",
    [None, "Bearer another", "Bearer ***", MASKED.lower(), f"{MASKED}0", f"x {MASKED}"],
)
async def test_without_the_masked_form_the_request_is_sent_as_it_is(
    authorization: str | None,
) -> None:
    async with RecordingServer(fine) as server, wire_to(server.url) as wire:
        await read_whole(await send(wire, post(server.url, authorization=authorization)))
    [received] = server.requests
    expected = [] if authorization is None else [authorization.strip()]
    assert values(received.headers, "authorization") == expected


async def test_another_key_s_masked_form_stands_for_the_key_as_well() -> None:
    """A recorded request may have been made with the key of that time."""
    async with RecordingServer(fine) as server, wire_to(server.url) as wire:
        await whole(wire, post(server.url, authorization="Bearer ***0123abcd"))
    assert values(server.requests[0].headers, "authorization") == [bearer(KEY)]


async def test_the_header_s_name_may_be_spelled_in_any_case() -> None:
    async with RecordingServer(fine) as server, wire_to(server.url) as wire:
        request = post(server.url, CHAT, ("Authorization", MASKED), authorization=None)
        await read_whole(await send(wire, request))
    assert values(server.requests[0].headers, "authorization") == [bearer(KEY)]


async def test_a_provider_without_a_key_is_sent_none() -> None:
    async with RecordingServer(fine) as server, wire_to(server.url, key=None) as wire:
        await read_whole(await send(wire, post(server.url, authorization=None)))
    assert values(server.requests[0].headers, "authorization") == []


async def test_a_request_that_was_pointed_elsewhere_travels_without_the_key() -> None:
    async with (
        RecordingServer(fine) as other,
        RecordingServer(fine) as server,
        wire_to(server.url) as wire,
    ):
        await read_whole(await send(wire, post(other.url)))
    [received] = other.requests
    assert values(received.headers, "authorization") == []
    assert server.requests == []


async def test_another_name_of_the_same_host_is_elsewhere() -> None:
    async with RecordingServer(fine) as server, wire_to(server.url) as wire:
        await read_whole(await send(wire, post(f"http://localhost:{server.port}")))
    assert values(server.requests[0].headers, "authorization") == []


async def test_a_key_that_the_provider_repeats_is_masked_in_head_and_body() -> None:
    async def repeats(received: Received, reply: Reply) -> None:
        given = values(received.headers, "authorization")[0]
        await reply.head(401, [("x-repeated", given)])
        for piece in (f"You sent: {given[:12]}", f"{given[12:]}, which is wrong."):
            await reply.send(piece.encode())

    async with RecordingServer(repeats) as server, wire_to(server.url) as wire:
        response = await send(wire, post(server.url))
        assert response.headers["X-Repeated"] == MASKED
        assert await read_whole(response) == f"You sent: {MASKED}, which is wrong.".encode()


async def test_a_field_that_is_named_by_the_key_is_masked() -> None:
    async def repeats(received: Received, reply: Reply) -> None:
        given = values(received.headers, "authorization")[0].removeprefix("Bearer ")
        await reply.head(200, [(given, "a"), (f"x-{given.upper()}-y", "b"), ("x-other", "c")])

    async with RecordingServer(repeats) as server, wire_to(server.url) as wire:
        response = await send(wire, post(server.url))
        names = {name: value for name, value in response.headers.items() if value in {*"abc"}}
        assert names == {Secret(KEY).masked: "a", f"x-{Secret(KEY).masked}-y": "b", "x-other": "c"}
        response.close()


async def test_a_key_is_masked_however_the_provider_writes_it() -> None:
    async def repeats(received: Received, reply: Reply) -> None:
        await reply.head(401, [("location", "/?key=canary%2Bkey%2F0123")])
        await reply.send(rb'{"key": "canary+key\/01')
        await reply.send(rb'23 canary\u002Bkey/0123"}')

    async with (
        RecordingServer(repeats) as server,
        wire_to(server.url, key="canary+key/0123") as wire,
    ):
        response = await send(wire, post(server.url))
        assert "canary" not in response.headers["location"]
        assert b"canary" not in await read_whole(response)


async def test_a_key_that_json_writes_in_numbers_is_masked_in_good_answers_as_well() -> None:
    """Whoever reads the answer would read the key."""
    written = "".join(f"\\u{ord(letter):04x}" for letter in KEY)

    async def repeats(received: Received, reply: Reply) -> None:
        await reply.head(200, [("content-type", "application/json")])
        await reply.send(f'{{"content": "{written}"}}'.encode())

    async with RecordingServer(repeats) as server, wire_to(server.url) as wire:
        answer = await read_whole(await send(wire, post(server.url)))
    assert answer == f'{{"content": "{Secret(KEY).masked}"}}'.encode()


@pytest.mark.parametrize("key", ["test", "EMPTY", "ollama", "none", "x"])
async def test_a_key_that_is_a_plain_word_does_not_change_answers(key: str) -> None:
    """Local servers take any key, and people write such words for it."""
    answer = (
        f'{{"id": "x", "content": "A test: the ollama server is EMPTY, there is none: {key}."}}'
    )
    handler = raw(HEAD + f"content-length: {len(answer)}\r\n\r\n{answer}".encode())
    async with RecordingServer(handler) as server, wire_to(server.url, key=key) as wire:
        assert await read_whole(await send(wire, post(server.url))) == answer.encode()


def two_keys(url: str, second: Credential = PLAIN) -> AbstractAsyncContextManager[HttpWire]:
    """A wire with a key in `authorization`, and another one in a header of its own."""
    first = Credential("authorization", "Bearer ", Secret(KEY))
    return wire_of(make_provider(base_url=f"{url}/v1", credentials=(first, second)))


def request_to(url: str, *headers: tuple[str, str]) -> UpstreamRequest:
    return UpstreamRequest("POST", f"{url}/v1/chat/completions", headers, CHAT, LABEL)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (
            {"authorization": MASKED, "x-api-key": SECOND_MASKED},
            {"authorization": bearer(KEY), "x-api-key": SECOND},
        ),
        ({"x-api-key": SECOND_MASKED}, {"x-api-key": SECOND}),
        ({"authorization": MASKED}, {"authorization": bearer(KEY)}),
        ({"x-api-key": "***0123abcd"}, {"x-api-key": SECOND}),
        ({"x-api-key": Secret(KEY).masked}, {"x-api-key": SECOND}),
        ({"X-API-Key": SECOND_MASKED}, {"x-api-key": SECOND}),
    ],
    ids=["both", "second", "first", "a former key", "the other key's form", "spelling"],
)
async def test_each_key_is_put_into_its_own_header(
    given: dict[str, str], sent: dict[str, str]
) -> None:
    async with RecordingServer(fine) as server, two_keys(server.url) as wire:
        await whole(wire, request_to(server.url, *given.items()))
    [received] = server.requests
    keys = ("authorization", "x-api-key")
    assert {name: received.header(name) for name in keys if received.header(name)} == sent


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-api-key", MASKED),
        ("x-api-key", f"{SECOND_MASKED}0"),
        ("x-api-key", f"x{SECOND_MASKED}"),
        ("x-api-key", "***"),
        ("x-api-key", "a key put in by hand"),
        ("authorization", SECOND_MASKED),
        ("authorization", f"Basic {SECOND_MASKED}"),
        ("x-other", SECOND_MASKED),
        ("x-goog-api-key", SECOND_MASKED),
    ],
)
async def test_no_key_is_put_where_its_masked_form_does_not_stand_after_its_scheme(
    name: str, value: str
) -> None:
    async with RecordingServer(fine) as server, two_keys(server.url) as wire:
        await whole(wire, request_to(server.url, (name, value)))
    [received] = server.requests
    assert received.header(name) == value
    assert KEY not in str(received.headers)
    assert SECOND not in str(received.headers)


@pytest.mark.parametrize(
    ("header", "scheme"),
    [("x-api-key", ""), ("x-goog-api-key", ""), ("authorization", "Key "), ("x-token", "Token ")],
)
async def test_any_header_and_any_scheme_will_do(header: str, scheme: str) -> None:
    credential = Credential(header, scheme, Secret(SECOND))
    async with RecordingServer(fine) as server:
        provider = make_provider(base_url=server.url, credentials=(credential,))
        async with wire_of(provider) as wire:
            await whole(wire, request_to(server.url, (header, f"{scheme}{SECOND_MASKED}")))
    assert server.requests[0].header(header) == scheme + SECOND


async def test_a_header_that_stands_twice_is_sent_once_with_the_key() -> None:
    async with RecordingServer(fine) as server, two_keys(server.url) as wire:
        twice = [("x-api-key", SECOND_MASKED)] * 2
        await whole(wire, request_to(server.url, *twice))
    assert values(server.requests[0].headers, "x-api-key") == [SECOND]


async def test_elsewhere_every_masked_key_is_taken_out_and_nothing_else() -> None:
    async with (
        RecordingServer(fine) as other,
        RecordingServer(fine) as server,
        two_keys(server.url) as wire,
    ):
        headers = (("authorization", MASKED), ("x-api-key", SECOND_MASKED), ("x-two", "a"))
        await whole(wire, request_to(other.url, *headers))
        await whole(wire, request_to(other.url, ("authorization", "Bearer by-hand")))
    first, second = other.requests
    assert (first.header("authorization"), first.header("x-api-key")) == (None, None)
    assert first.header("x-two") == "a"
    assert second.header("authorization") == "Bearer by-hand"
    assert server.requests == []


def repeating(text: str) -> Handler:
    """Say this in a header, and in the body byte by byte."""

    async def handler(_received: Received, reply: Reply) -> None:
        await reply.head(400, [("x-repeated", text)])
        for byte in text.encode():
            await reply.send(bytes([byte]))

    return handler


async def test_every_key_that_the_provider_repeats_is_masked_in_head_and_body() -> None:
    said = f"{KEY} {SECOND} {KEY}{SECOND}, {KEY[:-1]} {SECOND[1:]} {KEY}"
    first = Secret(KEY).masked
    expected = f"{first} {SECOND_MASKED} {first}{SECOND_MASKED}, {KEY[:-1]} {SECOND[1:]} {first}"
    async with RecordingServer(repeating(said)) as server, two_keys(server.url) as wire:
        # Even where none of them was sent: the provider may know them from before.
        for headers in ((), (("authorization", MASKED),)):
            response = await send(wire, request_to(server.url, *headers))
            assert response.headers["X-Repeated"] == expected
            assert (await read_whole(response)).decode() == expected


async def test_a_key_that_begins_like_another_one_is_masked_whole() -> None:
    longer = f"{KEY}-and-more"
    said = f"{longer} {KEY} {longer[:-1]}"
    masked = Secret(KEY).masked
    expected = f"{Secret(longer).masked} {masked} {masked}-and-mor"
    credential = Credential("x-api-key", "", Secret(longer))
    async with (
        RecordingServer(repeating(said)) as server,
        two_keys(server.url, credential) as wire,
    ):
        response = await send(wire, request_to(server.url))
        assert response.headers["x-repeated"] == expected
        assert (await read_whole(response)).decode() == expected
