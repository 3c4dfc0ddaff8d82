"""What the log says of an exchange, and what it never says."""

import re
from pathlib import Path

import pytest

from support import behaviours
from support.compatible_answers import user_text
from support.echo import echo
from support.openai_shapes import error_body
from support.process import Gateway, StartGateway
from support.raw_http import plain_request, request_bytes
from support.recording_server import Received, Reply
from support.scene import (
    BEARER,
    HOST,
    KEY,
    MODEL,
    TOKEN,
    Scene,
    chat_request,
    get_request,
    open_scene,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPT = "canary-prompt"
TIMES = r"total \d+\.\d{3}s"
WHO = "client token 1"
STREAM_TIMES = rf"ttft \d+\.\d{{3}}s {TIMES}"
CHAT = f"POST /v1/chat/completions {MODEL} -> fake/{MODEL}"


async def line_of(scene: Scene, request: bytes, *, leave: bool = False) -> str:
    """Make one request; return the log's one line on it without its id, which is the answer's."""
    async with scene.connect() as client:
        await client.send(request)
        head = await client.read_head()
        if leave:
            await anext(client.events(head))
        else:
            await client.read_body(head)
    exchange = head.header("x-request-id")
    await scene.gateway.wait_output(f"{exchange} {request.split()[0].decode()} ")
    [line] = [line for line in lines(scene.gateway) if line.startswith(f"{exchange} ")]
    return line.partition(" ")[2]


def lines(gateway: Gateway) -> list[str]:
    """The log's lines on exchanges."""
    return re.findall(r"^\[[0-9:.]+\] (req_[0-9a-f]{32} .*)$", gateway.output(), re.MULTILINE)


async def test_each_exchange_has_one_line(scene: Scene) -> None:
    provider = scene.provider
    usage = {"include_usage": True}
    provider.script(MODEL, echo)
    for request, expected in (
        (
            chat_request(PROMPT, stream_options=usage),
            f"{CHAT} 200 {STREAM_TIMES} tokens 1\\+3 {WHO}",
        ),
        (chat_request(PROMPT, stream=False), f"{CHAT} 200 {TIMES} tokens 1\\+3 {WHO}"),
        (get_request("/v1/models"), f"GET /v1/models 200 {TIMES} {WHO}"),
        (get_request("/ping"), f"GET /ping 200 {TIMES}"),
        (
            chat_request(PROMPT, model="a\n`b\x1b"),
            r"POST /v1/chat/completions a\?\?b\? -> nowhere 404 model_not_found model "
            rf"{TIMES} {WHO}",
        ),
        (
            request_bytes("POST", f"/v1/chat/completions?key={TOKEN}", host=HOST),
            f"POST /v1/chat/completions 400 invalid_request {TIMES}",
        ),
        (
            plain_request("GET", "/v1/models", ("Host", HOST)),
            f"GET /v1/models 401 invalid_request_error {TIMES}",
        ),
        (
            plain_request("GET", "/", ("Host", "example.com"), BEARER),
            f"GET / 421 misdirected_request {TIMES}",
        ),
    ):
        assert re.fullmatch(expected, await line_of(scene, request))

    model = scene.spare()
    provider.script(model, behaviours.error_json(429, error_body(f"slow down, {KEY}")))
    assert re.fullmatch(
        rf"{CHAT.replace(MODEL, model)} 429 rate_limit_exceeded "
        rf"\(provider answered 429\) {TIMES} {WHO}",
        await line_of(scene, chat_request(PROMPT, model=model)),
    )
    way = rf"{model} -> nowhere by way of \[fake/{model}=parked\]"
    assert re.fullmatch(
        f"POST /v1/chat/completions {way} 429 rate_limit_exceeded {TIMES} {WHO}",
        await line_of(scene, chat_request(PROMPT, model=model)),
    )
    provider.script(MODEL, behaviours.dies_after(1, "reset"))
    assert re.fullmatch(
        rf"{CHAT} 200 upstream_connection_error \(.*\) {STREAM_TIMES} {WHO}",
        await line_of(scene, chat_request(PROMPT)),
    )
    provider.script(MODEL, behaviours.stalls_after(1))
    assert re.fullmatch(
        f"{CHAT} 499 {STREAM_TIMES} {WHO}", await line_of(scene, chat_request(PROMPT), leave=True)
    )
    output = scene.gateway.output()
    assert PROMPT not in output
    assert TOKEN not in output
    assert KEY not in output


async def test_a_request_that_breaks_off_leaves_no_token_in_the_log(scene: Scene) -> None:
    async with scene.connect() as client:
        await client.send(get_request("/v1/models")[:-2])
    async with scene.connect() as client:
        await client.exchange(get_request("/ping"))
    assert TOKEN not in scene.gateway.output()


async def test_with_all_details_on_there_is_no_secret_in_the_output(tmp_path: Path) -> None:
    """flow_detail=4 prints every header and body of both sides."""
    async with open_scene(tmp_path, args=["--set", "flow_detail=4"]) as scene:
        async with scene.connect() as client:
            for request in (
                chat_request(PROMPT),
                chat_request(PROMPT, stream=False),
                get_request("/v1/models"),
                get_request(f"/v1/models?access_token={TOKEN}"),
                request_bytes("GET", "/", [("X-Api-Key", TOKEN), BEARER], host=HOST),
                request_bytes("GET", "/", [("Authorization", f"Basic {TOKEN}")], host=HOST),
                request_bytes("GET", "/", [("Authorization", TOKEN)], host=HOST),
                request_bytes("GET", "/", [BEARER, BEARER], host="example.com"),
            ):
                await client.exchange(request)
        await scene.gateway.wait_output("GET / 421")
        assert PROMPT in scene.gateway.output()
        assert TOKEN not in scene.gateway.output()
        assert KEY not in scene.gateway.output()


MALFORMED = {
    "no status line": "data: {said}\r\n\r\n",
    "bad header": "HTTP/1.1 200 OK\r\n{said}\r\n\r\n",
    "bad chunk size": "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    "transfer-encoding: chunked\r\n\r\n{said}\r\n",
    "more than the length": "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    "content-length: 4\r\n\r\nabcd{said}\r\n\r\n",
}


async def test_what_a_malformed_answer_says_is_neither_printed_nor_saved(tmp_path: Path) -> None:
    """aiohttp quotes what it cannot parse; that may be the key, or somebody's prompt."""
    files = ["-w", "flows", "-v", "--set", "flow_detail=4"]

    async def malformed(received: Received, reply: Reply) -> None:
        template = MALFORMED[user_text(received.json)]
        said = f"canary-of-the-provider {received.header('authorization')}"
        await reply.raw(template.format(said=said).encode())
        await reply.close()

    async with open_scene(tmp_path, args=files) as scene, scene.connect() as client:
        scene.provider.script(MODEL, malformed)
        for name in MALFORMED:
            for stream in (True, False):
                head, body = await client.exchange(chat_request(name, stream=stream))
                assert head.status == 502
                assert b"canary" not in body
    flows = (tmp_path / "flows").read_bytes()
    assert scene.gateway.output().count(" 502 upstream_") == 2 * len(MALFORMED)
    assert b"upstream_" in flows
    for secret in ("canary-of-the-provider", KEY):
        assert secret not in scene.gateway.output()
        assert secret.encode() not in flows


async def test_quiet_is_quiet(gateway: StartGateway, tmp_path: Path) -> None:
    async with open_scene(tmp_path, args=["-q"]) as scene, scene.connect() as client:
        for request in (chat_request(), get_request("/none"), chat_request(model="none")):
            await client.exchange(request)
        scene.provider.script(MODEL, behaviours.dies_after(1, "reset"))
        await client.exchange(chat_request())
    assert scene.gateway.output() == ""
