"""Other addons answer in our place, mitmproxy's own and a user's: the client gets their answer."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from support.process import ADDON, free_port
from support.raw_http import RawConnection, json_request
from support.recording_server import HeaderList
from support.scene import HOST, TOKEN, Scene, chat_body, open_scene

pytestmark = pytest.mark.asyncio(loop_scope="module")

PATH = "/v1/chat/completions"
SCRIPT = """
import logging
from mitmproxy import ctx, http

class Answering:
    def requestheaders(self, flow):
        if "x-block" in flow.request.headers:
            flow.response = http.Response.make(403, b"blocked")

    def request(self, flow):
        if "x-map" in flow.request.headers:
            flow.response = http.Response.make(299, b"mapped")

    def response(self, flow):
        if "x-map" in flow.request.headers:
            known = len(ctx.master.addons.get("ai_proxy")._bridge._exchanges)
            logging.warning("PROBE %s knows %d", flow.request.host, known)

addons = [Answering()]
"""
PASSWORD = "Basic " + base64.b64encode(b"user:pass").decode()
KNOWN = ("Proxy-Authorization", PASSWORD)


@dataclass(frozen=True)
class House:
    """A gateway at two ports, as reverse proxy and as proxy, which mitmproxy asks a password for.

    A user's script is loaded after it.
    """

    scene: Scene
    proxy_port: int


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    directory: Path = tmp_path_factory.mktemp("gateway")
    script = directory / "answering.py"
    script.write_text(SCRIPT)
    port = free_port()
    modes = ["--mode", f"regular@127.0.0.1:{port}"]
    args = [*modes, "--set", "proxyauth=user:pass"]
    async with open_scene(directory, scripts=[ADDON, script], args=args) as scene:
        yield House(scene, port)


async def exchange(port: int, request: bytes) -> tuple[int, bytes]:
    async with RawConnection(port, deadline=5) as client:
        head, body = await client.exchange(request)
    return head.status, body


def through_the_proxy(token: str, *fields: tuple[str, str], chunked: bool = False) -> bytes:
    """A chat request as a client sends it that takes us for its proxy."""
    headers: HeaderList = fields
    request = json_request(
        f"http://{HOST}{PATH}", chat_body(), host=HOST, token=token, headers=headers
    )
    return in_a_chunk(request) if chunked else request


def in_a_chunk(request: bytes) -> bytes:
    """The same request with its body in one chunk."""
    head, _, body = request.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.startswith(b"Content-Length")]
    chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return b"\r\n".join([*lines, b"Transfer-Encoding: chunked", b"", b""]) + chunks


chunked_or_not = pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
right_or_wrong = pytest.mark.parametrize("token", [TOKEN, "wrong"], ids=["right", "wrong"])


@chunked_or_not
@right_or_wrong
async def test_a_proxy_s_client_is_asked_for_its_password(
    house: House, token: str, chunked: bool
) -> None:
    status, body = await exchange(house.proxy_port, through_the_proxy(token, chunked=chunked))
    assert status == 407
    assert body.startswith(b"<html>")


@chunked_or_not
@right_or_wrong
async def test_a_reverse_proxy_s_client_is_asked_for_its_password(
    house: House, token: str, chunked: bool
) -> None:
    request = json_request(PATH, chat_body(), host=HOST, token=token)
    request = in_a_chunk(request) if chunked else request
    status, body = await exchange(house.scene.gateway.port, request)
    assert status == 401
    assert body.startswith(b"<html>")


@chunked_or_not
@right_or_wrong
async def test_what_a_script_after_us_answers_to_the_head_is_the_answer(
    house: House, token: str, chunked: bool
) -> None:
    request = through_the_proxy(token, KNOWN, ("X-Block", "yes"), chunked=chunked)
    assert await exchange(house.proxy_port, request) == (403, b"blocked")


async def test_what_a_script_after_us_answers_to_a_request_without_token_is_the_answer(
    house: House,
) -> None:
    """Also where the request has no body that could come late."""
    request = f"GET http://{HOST}/v1/models HTTP/1.1\r\nHost: {HOST}\r\nX-Block: yes\r\n"
    fields = f"Proxy-Authorization: {PASSWORD}\r\n\r\n"
    assert await exchange(house.proxy_port, (request + fields).encode()) == (403, b"blocked")


async def test_a_flow_that_a_script_answered_is_forgotten_and_shows_its_host(house: House) -> None:
    for _ in range(3):
        request = through_the_proxy(TOKEN, KNOWN, ("X-Map", "yes"))
        assert await exchange(house.proxy_port, request) == (299, b"mapped")
    output = house.scene.gateway.output()
    assert output.count(f"PROBE {HOST} knows 0") == output.count("PROBE") == 3


async def test_whom_nobody_stops_is_served_by_us(house: House) -> None:
    before = len(house.scene.provider.requests)
    status, body = await exchange(house.proxy_port, through_the_proxy(TOKEN, KNOWN))
    assert (status, body[-14:]) == (200, b"data: [DONE]\n\n")
    status, body = await exchange(house.proxy_port, through_the_proxy("wrong", KNOWN))
    assert (status, json.loads(body)["error"]["code"]) == (401, "invalid_api_key")
    assert len(house.scene.provider.requests) == before + 1
