"""Bodies that stand for much more than they are, and large ones that do not."""

import json

import pytest

from support.raw_http import request_bytes
from support.scene import BEARER, HOST, MODEL, Scene, chat_body, error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON = ("Content-Type", "application/json")
OBJECTS = 2_500_000
"""As objects they would be 180 MB; as text they are 7.5 MB."""
GROWTH = 80_000_000
"""Bytes of memory that they may cost: the text, some times over while it arrives."""


def chat(body: bytes) -> bytes:
    return request_bytes("POST", "/v1/chat/completions", [BEARER, JSON], body, host=HOST)


async def test_millions_of_objects_are_refused_and_not_made(scene: Scene) -> None:
    begin = json.dumps(chat_body(stream=False)).encode()[:-1]
    before = scene.gateway.rss()
    head, answer = await scene.json(chat(begin + b', "x": [' + b"{}," * OBJECTS + b"1]}"))
    assert head.status == 400
    assert "gateway.bounds.values" in error_of(answer)["message"]
    assert scene.gateway.rss() - before < GROWTH


async def test_what_is_sent_is_what_was_written_and_each_key_once(scene: Scene) -> None:
    text = "1,[2],{3}\\n" * 200_000
    body = f'{{"model": "x", "messages": [{{"role": "user", "content": "{text}"}}], '
    head, _ = await scene.json(chat(f'{body}"seed": 1, "seed": 2, "model": "{MODEL}"}}'.encode()))
    assert head.status == 200
    sent = scene.provider.requests[-1]
    assert sent.body.count(b'"seed"') == sent.body.count(b'"model"') == 1
    received = json.loads(sent.body)
    assert (received["seed"], received["model"]) == (2, MODEL)
    assert received["messages"][0]["content"] == text.replace("\\n", "\n")
