"""Who is let in and who is refused, byte by byte; and the refused never reach the target."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.echo import echo
from support.raw_http import plain_request, request_bytes
from support.recording_server import Received, RecordingServer, Reply
from support.scene import (
    BEARER,
    HOST,
    MODEL,
    TOKEN,
    Scene,
    chat_request,
    error_of,
    get_request,
    open_scene,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHAT = "/v1/chat/completions"
JSON = ("Content-Type", "application/json")


async def unwanted(_received: Received, reply: Reply) -> None:
    await reply.whole(200, b"from the target", "text/plain")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def reverse_target() -> AsyncIterator[RecordingServer]:
    """The reverse target, which no request of this module may reach."""
    async with RecordingServer(unwanted) as server:
        yield server
        assert server.count_connections == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(
    tmp_path_factory: pytest.TempPathFactory, reverse_target: RecordingServer
) -> AsyncIterator[Scene]:
    """A gateway in front of a target that answers."""
    async with open_scene(
        tmp_path_factory.mktemp("gateway"), mode=f"reverse:{reverse_target.url}"
    ) as it:
        yield it


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST:1",
        "localhost.",
        "127.0.0.1:65535",
        "[::1]:8080",
        "[0:0:0:0:0:0:0:1]",
        "ai.localhost:8080",
    ],
)
async def test_a_virtual_host_is_served_whatever_its_port_and_case(scene: Scene, host: str) -> None:
    head, body = await scene.json(get_request("/v1/models", host=host))
    assert (head.status, body["object"]) == (200, "list")


@pytest.mark.parametrize(
    "host", ["example.com", "example.com:8080", "127.0.0.2", "[::2]", "xlocalhost", "a.localhost"]
)
async def test_another_host_is_misdirected(scene: Scene, host: str) -> None:
    head, body = await scene.json(get_request("/v1/models", host=host))
    assert (head.status, error_of(body)["code"]) == (421, "misdirected_request")
    assert head.header("x-request-id")


@pytest.mark.parametrize(
    "fields",
    [
        (),
        (("Host", "localhost"), ("Host", "localhost")),
        (("Host", "localhost"), ("Host", "example.com")),
        (("Host", ""),),
        (("Host", "localhost:99999"),),
        (("Host", "localhost:x"),),
        (("Host", "local host"),),
        (("Host", "user@localhost"),),
        (("Host", "localhost, example.com"),),
        (("Host", "localhost/v1"),),
        (("Host", "[::1"),),
        (("Host", "l\xf6calhost"),),
    ],
    ids=str,
)
async def test_anything_but_exactly_one_valid_host_is_bad(
    scene: Scene, fields: tuple[tuple[str, str], ...]
) -> None:
    async with scene.connect() as client:
        head, _ = await client.exchange(plain_request("GET", "/v1/models", *fields, BEARER))
        assert head.status == 400


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://localhost/v1/models", "localhost", 200),
        ("http://localhost/v1/models", "example.com", 400),
        ("http://example.com/v1/models", "localhost", 400),
        ("http://example.com/v1/models", "example.com", 421),
    ],
)
async def test_an_absolute_target_must_agree_with_host(
    scene: Scene, target: str, host: str, status: int
) -> None:
    async with scene.connect() as client:
        head, _ = await client.exchange(plain_request("GET", target, ("Host", host), BEARER))
        assert head.status == status


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
async def test_the_scheme_is_read_without_regard_to_case(scene: Scene, scheme: str) -> None:
    request = plain_request(
        "GET", "/models", ("Host", HOST), ("authorization", f"{scheme} {TOKEN}")
    )
    head, _ = await scene.json(request)
    assert head.status == 200


@pytest.mark.parametrize(
    ("fields", "status", "challenge"),
    [
        ((), 401, 'Bearer realm="llm-gateway"'),
        ((("Authorization", f"Basic {TOKEN}"),), 401, 'Bearer realm="llm-gateway"'),
        ((("Authorization", "Bearer wrong"),), 401, 'error="invalid_token"'),
        ((("Authorization", f"Bearer {TOKEN}x"),), 401, 'error="invalid_token"'),
        ((("Authorization", f"Bearer {TOKEN} x"),), 401, 'error="invalid_token"'),
        ((("Authorization", "Bearer \xe9"),), 401, 'error="invalid_token"'),
        ((("Authorization", "Bearer"),), 401, 'error="invalid_token"'),
        ((BEARER, BEARER), 400, 'error="invalid_request"'),
        ((BEARER, ("Authorization", "Bearer wrong")), 400, 'error="invalid_request"'),
    ],
    ids=str,
)
async def test_a_request_without_the_right_token_is_refused(
    scene: Scene, fields: tuple[tuple[str, str], ...], status: int, challenge: str
) -> None:
    before = len(scene.provider.requests)
    for request in (
        plain_request("GET", "/v1/models", ("Host", HOST), *fields),
        request_bytes("POST", CHAT, [JSON, *fields], b'{"a": 1}', host=HOST),
    ):
        head, body = await scene.json(request)
        assert head.status == status
        assert challenge in (head.header("www-authenticate") or "")
        assert error_of(body)["type"] == "invalid_request_error"
    assert len(scene.provider.requests) == before


async def test_a_token_in_the_address_is_refused(scene: Scene) -> None:
    request = plain_request("GET", f"/v1/models?api_key={TOKEN}", ("Host", HOST))
    head, body = await scene.json(request)
    assert head.status == 400
    assert TOKEN not in str(body)


async def test_ping_needs_no_token(scene: Scene) -> None:
    async with scene.connect() as client:
        head, body = await client.exchange(plain_request("GET", "/ping", ("Host", HOST)))
        assert (head.status, body) == (200, b"OK")


async def test_without_a_token_no_path_is_told_from_another(scene: Scene) -> None:
    async with scene.connect() as client:
        for target in ("/v1/models", "/none", f"/v1/models/{MODEL}"):
            head, _ = await client.exchange(plain_request("GET", target, ("Host", HOST)))
            assert head.status == 401


@pytest.mark.parametrize(
    ("method", "target", "allow"),
    [
        ("GET", CHAT, "POST"),
        ("POST", "/v1/models", "GET, HEAD"),
        ("DELETE", f"/v1/models/{MODEL}", "GET, HEAD"),
        ("PUT", "/ping", "GET, HEAD"),
        ("OPTIONS", CHAT, "POST"),
    ],
)
async def test_a_wrong_method_is_told_the_right_one(
    scene: Scene, method: str, target: str, allow: str
) -> None:
    head, body = await scene.json(plain_request(method, target, ("Host", HOST), BEARER))
    assert (head.status, head.header("allow")) == (405, allow)
    assert error_of(body)["code"] == "method_not_supported"


async def test_the_answer_to_head_has_no_body(scene: Scene) -> None:
    async with scene.connect() as client:
        await client.send(plain_request("HEAD", "/v1/models", ("Host", HOST), BEARER))
        await client.send(get_request("/ping"))
        assert (await client.read_head()).status == 200
        head = await client.read_head()
        assert (head.status, await client.read_body(head)) == (200, b"OK")


@pytest.mark.parametrize("target", ["/", "/v1", "/v1/embeddings", "/v1/models/", "//v1/models"])
async def test_an_unknown_path_is_not_found(scene: Scene, target: str) -> None:
    head, body = await scene.json(plain_request("GET", target, ("Host", HOST), BEARER))
    assert (head.status, error_of(body)["code"]) == (404, "unknown_url")


async def test_pipelined_requests_are_answered_in_order(scene: Scene) -> None:
    scene.provider.script(MODEL, echo)
    texts = ["one", "two", "three"]
    requests = [chat_request(text, stream=text != "two") for text in texts]
    async with scene.connect() as client:
        await client.send(b"".join(requests) + get_request("/ping"))
        for text in texts:
            head = await client.read_head()
            assert head.status == 200
            assert text.encode() in await client.read_body(head)
        head = await client.read_head()
        assert await client.read_body(head) == b"OK"


async def test_the_target_is_never_reached(scene: Scene, reverse_target: RecordingServer) -> None:
    port = reverse_target.port
    for request in (
        plain_request("GET", "/", ("Host", "example.com")),
        plain_request("GET", "/", ("Host", f"127.0.0.1:{port}"), BEARER),
        plain_request("GET", f"http://127.0.0.1:{port}/", ("Host", HOST), BEARER),
        plain_request("GET", "/v1/models", ("Host", HOST), ("Upgrade", "websocket"), BEARER),
        plain_request("CONNECT", f"127.0.0.1:{port}", ("Host", f"127.0.0.1:{port}")),
        b"garbage\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
    ):
        async with scene.connect() as client:
            await client.send(request)
            assert b"from the target" not in await client.read_some()
    assert reverse_target.count_connections == 0


async def test_a_connection_survives_refusals(scene: Scene) -> None:
    scene.provider.script(MODEL, echo)
    async with scene.connect() as client:
        for request, status in (
            (plain_request("GET", "/v1/models", ("Host", HOST)), 401),
            (plain_request("GET", "/none", ("Host", HOST), BEARER), 404),
            (plain_request("GET", "/v1/models", ("Host", "example.com"), BEARER), 421),
            (plain_request("GET", "/v1/models", ("Host", HOST), ("Host", HOST)), 400),
            (plain_request("PUT", "/ping", ("Host", HOST)), 405),
            (chat_request(model="none"), 404),
            (chat_request("still here"), 200),
        ):
            head, _ = await client.exchange(request)
            assert head.status == status
