"""A configuration that changes under load: nothing is cut, and nothing is forgotten."""

import json
from contextlib import AsyncExitStack
from pathlib import Path

from support import behaviours
from support.echo import echo
from support.fake_openai import FakeOpenAI
from support.gate import Gate
from support.process import Gateway, StartGateway
from support.raw_http import RawConnection
from support.recording_server import Handler, Received, Reply
from support.scene import KEY, MODEL, chat_request, config_text

STREAMS = 50
MORE = 5


def limited(base_url: str, limit: int) -> str:
    """So many requests a minute, over a pool of connections that is as large."""
    models = (MODEL, f"limited-to-{limit}")
    text = config_text(base_url, http=f"max_connections: {limit}", models=models)
    before = f"{{name: {MODEL}, "
    assert before in text
    return text.replace(before, f"{before}limits: {{minute: {limit}}}, ").replace(KEY, "sk-test")


def streams_or_echo(stream: Handler) -> Handler:
    """An answer to a request that is no stream needs nobody's leave."""

    async def handler(received: Received, reply: Reply) -> None:
        await (stream if received.json.get("stream") else echo)(received, reply)

    return handler


async def check_left(running: Gateway, limit: int) -> None:
    """Exactly MORE requests are left of the limit, and the next one is told when to come back."""
    for left in reversed(range(MORE)):
        async with RawConnection(running.port) as client:
            head, _ = await client.exchange(chat_request(stream=False))
        assert head.status == 200
        assert head.header("x-ratelimit-limit-requests") == str(limit)
        assert head.header("x-ratelimit-remaining-requests") == str(left)
    async with RawConnection(running.port) as client:
        head, _ = await client.exchange(chat_request(stream=False))
    assert head.status == 429
    assert 0 < int(head.header("retry-after") or 0) <= 61


async def test_streams_run_on_and_requests_before_and_after_it_count_together(
    gateway: StartGateway, provider: FakeOpenAI, tmp_path: Path
) -> None:
    """Through two changes, each with a higher limit and a new pool of connections."""
    gate = Gate()
    provider.script(MODEL, streams_or_echo(behaviours.numbered_events(4, gate)))
    first, *later = (STREAMS, STREAMS + MORE, STREAMS + 2 * MORE)
    running = await gateway(config_text=limited(provider.base_url, first))
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(RawConnection(running.port)) for _ in range(STREAMS)
        ]
        for number, client in enumerate(clients):
            await client.send(chat_request(f"s{number}"))
        gate.allow()
        heads = [await client.read_head() for client in clients]
        for limit in later:
            (tmp_path / "provider_config.yaml").write_text(limited(provider.base_url, limit))
            await running.wait_output(f"limited-to-{limit} ")
            await check_left(running, limit)
            gate.allow()
        gate.open()
        for number, (client, head) in enumerate(zip(clients, heads, strict=True)):
            *chunks, _, done = [event async for event in client.events(head)]
            texts = [json.loads(chunk)["choices"][0]["delta"]["content"] for chunk in chunks]
            assert texts == [f"s{number}#{event} " for event in range(1, 5)]
            assert done == "[DONE]"
    assert len(provider.requests) == STREAMS + 2 * MORE
