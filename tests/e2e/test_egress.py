"""What of a client's head reaches a provider, and of a provider's a client: our lists alone."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from support.echo import EVENT_STREAM
from support.openai_shapes import completion, last_chunk, message, text_chunk, usage
from support.process import run_gateway
from support.raw_http import RawConnection, json_request, request_bytes
from support.recording_server import Handler, HeaderList, Received, RecordingServer, Reply
from support.rig import HOST, PATH, TOKEN, Rig, chat, config_text, run_rig
from support.tls import make_authority

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = Path(__file__).parents[1] / "support" / "header_names"
CANARY = "canary-header-value"
TO_PROVIDERS = {
    "accept",
    "accept-encoding",
    "authorization",
    "content-length",
    "content-type",
    "host",
    "user-agent",
    "x-llm-gateway-mark",
}
"""All that a provider is sent in the head of a request, as docs/usage.md says."""
TO_CLIENTS = {
    "cache-control",
    "connection",
    "content-length",
    "content-type",
    "retry-after",
    "retry-after-ms",
    "transfer-encoding",
    "x-ai-proxy-attempts",
    "x-ai-proxy-model",
    "x-request-id",
    "x-should-retry",
}
"""All that a client is sent in the head of an answer here; docs/usage.md has more of ours."""

FROM_CLIENTS = (NAMES / "clients.txt").read_text().split()
FROM_PROVIDERS = (NAMES / "providers.txt").read_text().split()
"""A hundred names that are, or were, somewhere in use."""
HOP_BY_HOP = "authorization, x-api-key, cookie, x-request-id, close"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    async with run_rig(tmp_path_factory.mktemp("egress")) as running:
        yield running


def names(headers: HeaderList) -> set[str]:
    return {name.lower() for name, _ in headers}


@pytest.mark.parametrize("stream", [False, True])
async def test_no_field_of_a_client_s_is_forwarded(rig: Rig, stream: bool) -> None:
    fields = [(name, CANARY) for name in FROM_CLIENTS]
    fields += [("connection", HOP_BY_HOP), ("authorization", f"Bearer {rig.token}")]
    assert len(fields) > 100
    async with RawConnection(rig.gateway.port) as client:
        content = chat("hello", stream=stream)
        await client.send(json_request(PATH, content, host=HOST, headers=fields))
        head = await client.read_head()
        assert head.status == 200, await client.read_body(head)
        await client.read_body(head)
    received = rig.provider.requests[-1]
    assert names(received.headers) == TO_PROVIDERS
    assert not [each for each in received.headers if CANARY in each[1]]
    assert rig.had_key(received)
    assert received.header("host") == f"127.0.0.1:{rig.provider.port}"


def telling(status: int, *, stream: bool) -> Handler:
    """A provider with a hundred fields, more than one of which would do harm."""
    fields = [(name, CANARY) for name in FROM_PROVIDERS]
    assert len(fields) > 100

    async def handler(_received: Received, reply: Reply) -> None:
        if stream and status == 200:
            await reply.head(200, [*fields, EVENT_STREAM[0]])
            await reply.event(text_chunk("m", "hello"))
            await reply.event(last_chunk("m"))
            await reply.event("[DONE]")
        elif status == 200:
            await reply.json(200, completion("m", [message("hello")], "stop", usage(1, 1)), fields)
        else:
            await reply.json(status, {"error": {"message": "No."}}, fields)

    return handler


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [200, 302, 400, 401, 429, 500])
async def test_no_field_of_a_provider_s_is_returned(rig: Rig, status: int, stream: bool) -> None:
    model = rig.spare()
    rig.provider.script(model, telling(status, stream=stream))
    async with rig.asking("hello", model, stream=stream) as client:
        head = await client.read_head()
        body = await client.read_body(head)
    assert names(head.headers) <= TO_CLIENTS
    assert CANARY not in str(head.headers)
    assert CANARY.encode() not in body
    assert (head.status == 200) is (status == 200)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(rig: Rig, status: int, stream: bool) -> None:
    async def nothing(_received: Received, reply: Reply) -> None:
        await reply.json(200, {})

    async with RecordingServer(nothing) as elsewhere:

        async def redirect(_received: Received, reply: Reply) -> None:
            await reply.json(status, {}, [("location", f"{elsewhere.url}/stolen")])

        model = rig.spare()
        rig.provider.script(model, redirect)
        async with rig.asking("hello", model, stream=stream) as client:
            head = await client.read_head()
        assert head.status == 502
        assert elsewhere.count_connections == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"api_base": "http://127.0.0.1:9"},
        {"base_url": "http://127.0.0.1:9", "api_key": CANARY},
        {"extra_headers": {"x-canary": CANARY}, "headers": {"authorization": CANARY}},
        {"organization": CANARY, "api_version": CANARY, "custom_llm_provider": "openai"},
    ],
)
async def test_fields_of_a_body_choose_no_destination(rig: Rig, fields: dict[str, object]) -> None:
    before = len(rig.provider.requests)
    async with RawConnection(rig.gateway.port) as client:
        content = chat("hello", rig.spare()) | fields
        await client.send(json_request(PATH, content, host=HOST, token=rig.token))
        await client.read_head()
    [received] = rig.provider.requests[before:]
    assert names(received.headers) == TO_PROVIDERS
    assert CANARY not in str(received.headers)
    assert received.path == "/v1/chat/completions"


async def test_a_request_that_comes_back_is_answered_with_508(rig: Rig) -> None:
    """As behind a base_url that leads, by whatever way, to the gateway."""
    await rig.ask("hello")
    mark = rig.provider.requests[-1].header("x-llm-gateway-mark")
    assert mark is not None
    fields = [("x-llm-gateway-mark", mark)]
    async with RawConnection(rig.gateway.port) as client:
        request = json_request(PATH, chat("hello"), host=HOST, token=rig.token, headers=fields)
        head, body = await client.exchange(request)
    assert (head.status, json.loads(body)["error"]["code"]) == (508, "loop")


async def test_options_that_weaken_mitmproxy_do_not_weaken_the_gateway(tmp_path: Path) -> None:
    """Its connections to providers, and what it serves."""
    authority = make_authority(tmp_path)

    async def nothing(_received: Received, reply: Reply) -> None:
        await reply.json(200, {})

    async with RecordingServer(nothing, tls=authority.server) as strange:
        async with run_gateway(
            tmp_path,
            config_text=config_text(f"{strange.url}/v1"),
            env={"AUTH_TOKEN": TOKEN, "FAKE_KEY": CANARY},
            args=["--ssl-insecure", "--set", "onboarding=true", "--set", "block_global=false"],
        ) as gateway:
            for host in ("mitm.it", "mitm.it:80"):
                async with RawConnection(gateway.port) as client:
                    head, _ = await client.exchange(request_bytes("GET", "/", host=host))
                assert head.status == 421
            async with RawConnection(gateway.port) as client:
                request = json_request(PATH, chat("hello"), host=HOST, token=TOKEN)
                head, body = await client.exchange(request)
            assert head.status == 502
            assert b"certificate could not be verified" in body
        assert strange.requests == []
