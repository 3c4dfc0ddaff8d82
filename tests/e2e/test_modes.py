"""What becomes of mitmproxy's modes when they are changed while the gateway runs."""

import json
from collections.abc import AsyncIterator

import aiohttp
import psutil
import pytest
import pytest_asyncio

from support.mitmweb import Mitmweb
from support.process import Gateway, free_port, run_gateway
from support.raw_http import RawConnection
from support.scene import config_text, get_request

pytestmark = pytest.mark.asyncio(loop_scope="module")

REVERSE = "reverse:http://127.0.0.1:1"
WEB = {"Authorization": "Bearer pw", "Cookie": "_mitmproxy_xsrf=abc", "X-XSRFToken": "abc"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    text = config_text("http://127.0.0.1:1/v1")
    directory = tmp_path_factory.mktemp("gateway")
    async with run_gateway(directory, tool="mitmweb", config_text=text) as running:
        await running.wait_output("model on ")
        yield running


def listening(gateway: Gateway) -> set[int]:
    sockets = psutil.Process(gateway.pid).net_connections(kind="inet")
    return {each.laddr.port for each in sockets if not each.raddr}


async def put_options(gateway: Gateway, **values: object) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession(headers=WEB, cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.put(f"{gateway.web_url}/options", json=values) as answer,
    ):
        return answer.status, await answer.text()


async def is_served(gateway: Gateway, port: int) -> bool:
    async with RawConnection(port) as client:
        head, _ = await client.exchange(get_request("/v1/models"))
        return head.status == 200


@pytest.mark.parametrize(
    ("modes", "complaint"),
    [
        (["socks5"], "does not serve mode 'socks5'"),
        ([REVERSE, "socks5@{port}"], "does not serve mode 'socks5@"),
        (["upstream:http://127.0.0.1:1@{port}"], "does not serve mode 'upstream:"),
        (["reverse:tcp://127.0.0.1:1@{port}"], "does not serve mode 'reverse:tcp:"),
        (["nonsense"], "Invalid proxy mode specification: nonsense"),
    ],
)
async def test_a_mode_that_is_not_served_is_refused_before_anything_listens(
    gateway: Gateway, modes: list[str], complaint: str
) -> None:
    before = listening(gateway)
    begin = len(gateway.output())
    port = free_port()
    wanted = [mode.format(port=port) for mode in modes]
    status, said = await put_options(gateway, mode=wanted)
    assert (status, complaint in said) == (400, True), said
    async with Mitmweb(gateway) as web:
        assert json.loads(await web.get("/options"))["mode"]["value"] == [REVERSE]
    assert await is_served(gateway, gateway.port)
    assert listening(gateway) == before
    told = gateway.output()[begin:]
    assert not any(word in told for word in ("listening at", "failed to listen", "stopped"))


async def test_a_mode_that_is_served_may_be_set(gateway: Gateway) -> None:
    port = free_port()
    for modes, told, ports in [
        (["regular"], "HTTP(S) proxy listening at", {gateway.port}),
        ([REVERSE, f"regular@{port}"], f":{port}.", {gateway.port, port}),
        ([REVERSE], f":{port} stopped.", {gateway.port}),
    ]:
        status, said = await put_options(gateway, mode=modes)
        assert status == 200, said
        await gateway.wait_output(told)
        await gateway.started()
        assert listening(gateway) == {*ports, gateway.web_port}
        for each in sorted(ports):
            assert await is_served(gateway, each)
