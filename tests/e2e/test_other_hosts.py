"""Hosts that are not ours, and clients that use the gateway as their proxy."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import openai
import pytest
import pytest_asyncio

from support import behaviours
from support.echo import echo
from support.process import free_port, run_gateway
from support.raw_http import RawConnection, plain_request, request_bytes
from support.recording_server import Received, RecordingServer, Reply
from support.scene import (
    BEARER,
    HOST,
    MODEL,
    TOKEN,
    Scene,
    chat_request,
    config_text,
    get_request,
    open_scene,
)
from support.tls import client_context, http2_context

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOREIGN = "example.com"


async def answer(_received: Received, reply: Reply) -> None:
    await reply.whole(200, b"from the target", "text/plain")


@dataclass(frozen=True)
class House:
    """A gateway that is a reverse proxy of `target` at one port and a proxy at another."""

    scene: Scene
    target: RecordingServer
    proxy_port: int

    def proxy(self) -> RawConnection:
        """A connection to the proxy's port."""
        return RawConnection(self.proxy_port)


async def house(factory: pytest.TempPathFactory, gateway: str) -> AsyncIterator[House]:
    port = free_port()
    args = ["--mode", f"regular@127.0.0.1:{port}"]
    async with RecordingServer(answer) as target:
        mode = f"reverse:{target.url}"
        directory = factory.mktemp("gateway")
        async with open_scene(directory, gateway=gateway, mode=mode, args=args) as scene:
            yield House(scene, target, port)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def closed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """The default: nothing passes."""
    async for each in house(tmp_path_factory, ""):
        yield each
        assert each.target.count_connections == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def passing(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """Other hosts pass."""
    gateway = "passthrough: true\n  virtual_hosts: [localhost]"
    async for each in house(tmp_path_factory, gateway):
        yield each


async def test_another_host_passes_as_mitmproxy_would_send_it(passing: House) -> None:
    fields = [("X-Api-Key", "theirs"), ("Authorization", "Bearer theirs")]
    async with passing.scene.connect() as client:
        head, body = await client.exchange(
            request_bytes("POST", "/some/path?q=1", fields, b"body", host=FOREIGN)
        )
    assert (head.status, body) == (200, b"from the target")
    received = passing.target.requests[-1]
    assert (received.method, received.target) == ("POST", "/some/path?q=1")
    assert received.body == b"body"
    assert received.header("host") == f"127.0.0.1:{passing.target.port}"
    assert received.header("authorization") == "Bearer theirs"
    assert received.header("x-api-key") == "theirs"


async def test_passing_and_serving_share_a_connection(passing: House) -> None:
    before = len(passing.target.requests)
    async with passing.scene.connect() as client:
        for _ in range(2):
            head, body = await client.exchange(request_bytes("GET", "/", host=FOREIGN))
            assert (head.status, body) == (200, b"from the target")
            head, body = await client.exchange(get_request("/v1/models"))
            assert (head.status, json.loads(body)["object"]) == (200, "list")
            head, _ = await client.exchange(request_bytes("GET", "/v1/models", host=HOST))
            assert head.status == 401
    assert len(passing.target.requests) == before + 2


async def test_a_bad_host_does_not_pass(passing: House) -> None:
    before = len(passing.target.requests)
    for fields in ((), (("Host", FOREIGN), ("Host", FOREIGN)), (("Host", "a b"),)):
        async with passing.scene.connect() as client:
            head, _ = await client.exchange(plain_request("GET", "/", *fields))
            assert head.status == 400
    assert len(passing.target.requests) == before


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/", [BEARER]),
        ("/", [("Authorization", f"Basic {TOKEN}")]),
        ("/", [("Authorization", TOKEN)]),
        ("/", [("Authorization", "Bearer theirs"), BEARER]),
        ("/", [("X-Api-Key", TOKEN)]),
        ("/", [("Proxy-Authorization", f"Bearer {TOKEN}")]),
        (f"/?key={TOKEN}", []),
    ],
    ids=["bearer", "basic", "bare", "second", "x-api-key", "proxy-authorization", "query"],
)
async def test_our_own_token_does_not_pass(
    passing: House, path: str, fields: list[tuple[str, str]]
) -> None:
    before = len(passing.target.requests)
    async with passing.scene.connect() as client:
        head, _ = await client.exchange(request_bytes("GET", path, fields, host=FOREIGN))
    assert len(passing.target.requests) == before
    assert head.status == 400


async def test_a_token_with_padding_does_not_pass_in_any_form(tmp_path: Path) -> None:
    """`=` ends many tokens, and stands between names and values as well."""
    token = "canary+of/the+tests12=="
    quoted = quote(token, safe="")
    basic = base64.b64encode(f"user:{token}".encode()).decode()
    requests: list[tuple[str, list[tuple[str, str]]]] = [
        ("/", [("Authorization", f"Bearer {token}")]),
        ("/", [("X-Api-Key", token)]),
        ("/", [("Cookie", f"a=b; session={token}; c=d")]),
        ("/", [("Cookie", f'session="{token}"')]),
        ("/", [("Cookie", f"session={quoted}")]),
        ("/", [("Authorization", f"Basic {basic}")]),
        ("/", [("Proxy-Authorization", f"Basic {basic}")]),
        (f"/?key={token}", []),
        (f"/?key={quoted}", []),
        (f"/?key={quoted.lower()}&x=1", []),
        (f"/{quoted}/x", []),
    ]
    text = config_text("http://127.0.0.1:9/v1", gateway="passthrough: true").replace(TOKEN, token)
    async with (
        RecordingServer(answer) as target,
        run_gateway(tmp_path, config_text=text, mode=f"reverse:{target.url}") as gateway,
        RawConnection(gateway.port) as client,
    ):
        for path, fields in requests:
            head, _ = await client.exchange(request_bytes("GET", path, fields, host=FOREIGN))
            assert head.status == 400, (path, fields)
        assert target.requests == []
        _, body = await client.exchange(request_bytes("GET", "/?key=other==", host=FOREIGN))
        assert body == b"from the target"


async def test_a_proxy_client_reaches_other_hosts(passing: House) -> None:
    async with httpx.AsyncClient(proxy=f"http://127.0.0.1:{passing.proxy_port}") as client:
        reply = await client.get(f"{passing.target.url}/path")
        assert reply.text == "from the target"
    assert passing.target.requests[-1].target == "/path"


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        (f"http://{HOST}/v1/models", HOST, 200),
        (f"http://{HOST}:1234/v1/models", f"{HOST}:1234", 200),
        (f"http://{FOREIGN}/v1/models", FOREIGN, 421),
        (f"http://{FOREIGN}/v1/models", HOST, 400),
        (f"http://{HOST}/v1/models", FOREIGN, 400),
        ("/v1/models", HOST, 200),
        ("/v1/models", FOREIGN, 421),
    ],
)
async def test_a_proxy_client_asks_for_a_whole_address(
    closed: House, target: str, host: str, status: int
) -> None:
    async with closed.proxy() as client:
        head, _ = await client.exchange(plain_request("GET", target, ("Host", host), BEARER))
        assert head.status == status


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "ai.localhost"])
async def test_a_tunnel_to_a_virtual_host_leads_to_the_gateway(closed: House, host: str) -> None:
    async with closed.proxy() as client:
        authority = f"{host}:80"
        await client.send(plain_request("CONNECT", authority, ("Host", authority)))
        assert (await client.read_head()).status == 200
        head, body = await client.exchange(get_request("/v1/models", host=host))
        assert (head.status, json.loads(body)["object"]) == (200, "list")
        head, _ = await client.exchange(get_request("/v1/models", host=FOREIGN))
        assert head.status == 400


@pytest.mark.parametrize(
    ("authority", "status"),
    [
        (f"{FOREIGN}:443", 421),
        ("127.0.0.2:443", 421),
        ("[::2]:443", 421),
        ("a%20b:443", 400),
        ("user@localhost:443", 400),
    ],
)
async def test_a_tunnel_to_anywhere_else_is_refused(
    closed: House, authority: str, status: int
) -> None:
    async with closed.proxy() as client:
        head, body = await client.exchange(plain_request("CONNECT", authority, ("Host", authority)))
        assert head.status == status
        assert "from the target" not in body.decode()


async def test_a_tunnel_to_the_target_itself_is_refused(closed: House) -> None:
    authority = f"127.0.0.2:{closed.target.port}"
    async with closed.proxy() as client:
        head, _ = await client.exchange(plain_request("CONNECT", authority, ("Host", authority)))
        assert head.status == 421


@pytest.mark.parametrize("http2", [False, True], ids=["http1", "http2"])
async def test_the_sdk_streams_through_a_tunnel(closed: House, http2: bool) -> None:
    closed.scene.provider.script(MODEL, echo)
    ca_file = closed.scene.ca_file
    trust = http2_context(ca_file) if http2 else client_context(ca_file)
    proxy = f"http://127.0.0.1:{closed.proxy_port}"
    transport = openai.DefaultAsyncHttpxClient(proxy=proxy, verify=trust, http2=http2)
    async with openai.AsyncOpenAI(
        base_url=f"https://{HOST}/v1",
        api_key=TOKEN,
        max_retries=0,
        timeout=10,
        http_client=transport,
    ) as client:
        stream = await client.chat.completions.create(
            model=MODEL, messages=[{"role": "user", "content": "through"}], stream=True
        )
        words = [chunk.choices[0].delta.content or "" async for chunk in stream]
        assert "".join(words) == "You said: through"


async def test_a_client_that_leaves_a_tunnel_ends_its_call(closed: House) -> None:
    scene = closed.scene
    scene.provider.script(MODEL, behaviours.stalls_after(1))
    before = len(scene.provider.requests)
    async with closed.proxy() as client:
        await client.send(plain_request("CONNECT", f"{HOST}:80", ("Host", f"{HOST}:80")))
        assert (await client.read_head()).status == 200
        await client.send(chat_request())
        events = client.events(await client.read_head())
        assert json.loads(await anext(events))["model"] == MODEL
        received = await scene.provider.request(before + 1)
        await client.close()
        async with asyncio.timeout(2):
            await received.closed.wait()


async def test_what_is_no_http_in_a_tunnel_leads_nowhere(closed: House) -> None:
    authority = f"{HOST}:{closed.target.port}"
    async with closed.proxy() as client:
        await client.send(plain_request("CONNECT", authority, ("Host", authority)))
        assert (await client.read_head()).status == 200
        await client.send(b"\x00\x01\x02 not http\r\n\r\n")
        assert b"from the target" not in await client.read_to_end()
    assert closed.target.count_connections == 0
