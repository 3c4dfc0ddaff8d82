"""With ``passthrough`` nobody gets to the gateway's own ports, by whatever way and spelling."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from support.process import ADDON, Gateway, free_port, run_gateway
from support.raw_http import RawConnection, plain_request
from support.recording_server import Received, RecordingServer, Reply
from support.scene import config_text, get_request

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = """
import itertools
import socket

asked = itertools.count()
lookup = socket.getaddrinfo

def getaddrinfo(host, *args, **kwargs):
    if host == "inside.test":
        host = "127.0.0.1"
    if host == "rebinds.test":
        host = "127.0.0.1" if next(asked) % 2 else "127.0.0.2"
    return lookup(host, *args, **kwargs)

socket.getaddrinfo = getaddrinfo
"""
"""A name server that an attacker has."""

SPELLINGS = [
    "127.0.0.1",
    "localhost",
    "LOCALHOST",
    "0.0.0.0",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "127.1",
    "2130706433",
    "0x7f.1",
    "0177.0.0.1",
    "inside.test",
]
REFUSED = ("it is the gateway itself", "Request destination unknown", "services of a cloud")
"""What is said by us, and by mitmproxy where it notices by itself."""


async def answer(_received: Received, reply: Reply) -> None:
    await reply.whole(200, b"from the target", "text/plain")


@dataclass(frozen=True)
class House:
    """A mitmweb that passes other hosts on, as a proxy and as the reverse proxy of its own page."""

    gateway: Gateway
    target: RecordingServer
    proxy_port: int

    def ports(self) -> dict[str, int]:
        """Those that nobody may get to."""
        gateway = self.gateway
        return {"proxy": self.proxy_port, "reverse": gateway.port, "page": gateway.web_port}

    def reached(self) -> bool:
        """Whether mitmweb has been asked for anything, which it would have complained of."""
        return "GET /" in self.gateway.output()

    async def refuses(self, *requests: bytes) -> bool:
        """Whether the last of these is answered with an error, and the log says why."""
        begin = len(self.gateway.output())
        said = await self.said(*requests)
        told = self.gateway.output()[begin:]
        return said.startswith(b"HTTP/1.1 502") and any(each in told for each in REFUSED)

    async def said(self, *requests: bytes) -> bytes:
        """All that is answered to these, one after the other."""
        async with RawConnection(self.proxy_port) as client:
            for request in requests[:-1]:
                await client.send(request)
                assert (await client.read_head()).status == 200
            await client.send(requests[-1])
            return await client.read_to_end()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    directory: Path = tmp_path_factory.mktemp("fence")
    names = directory / "names.py"
    names.write_text(NAMES)
    port = free_port()
    gateway = "passthrough: true\n  virtual_hosts: [ai.test]"
    async with (
        RecordingServer(answer) as target,
        run_gateway(
            directory,
            config_text=config_text("http://127.0.0.1:9/v1", gateway=gateway),
            tool="mitmweb",
            scripts=[ADDON, names],
            mode=f"regular@127.0.0.1:{port}",
            args=["--mode", "reverse:http://127.0.0.1:1", "--set", "tcp_hosts=raw"],
        ) as running,
    ):
        yield House(running, target, port)
        assert not target.requests[1:]


def get(target: str, host: str, *fields: tuple[str, str]) -> bytes:
    return plain_request("GET", target, ("Host", host), ("Connection", "close"), *fields)


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("port", ["proxy", "reverse", "page"])
async def test_an_absolute_address_does_not_lead_to_our_ports(
    house: House, port: str, spelling: str
) -> None:
    authority = f"{spelling}:{house.ports()[port]}"
    assert await house.refuses(get(f"http://{authority}/", authority))
    assert not house.reached()


@pytest.mark.parametrize("spelling", ["127.0.0.1", "inside.test", "0.0.0.0"])
async def test_a_tunnel_does_not_lead_to_our_ports(house: House, spelling: str) -> None:
    for number in house.ports().values():
        authority = f"{spelling}:{number}"
        connect = plain_request("CONNECT", authority, ("Host", authority))
        assert await house.refuses(connect, get("/", authority))
        upgrade = get("/updates", authority, ("Upgrade", "websocket"))
        assert await house.refuses(connect, upgrade)
        assert await house.said(connect, b"\x00\x01 no HTTP\r\n\r\n") == b""
    assert not house.reached()


async def test_a_name_that_changes_after_it_was_looked_up_leads_nowhere(house: House) -> None:
    authority = f"rebinds.test:{house.gateway.web_port}"
    said = await house.said(get(f"http://{authority}/", authority))
    assert b"502" in said.splitlines()[0]
    assert "led into the gateway; it is cut off" in house.gateway.output()
    assert not house.reached()


@pytest.mark.parametrize("host", ["169.254.169.254", "[fd00:ec2::254]", "[::ffff:169.254.169.254]"])
async def test_the_services_of_a_cloud_are_not_asked(house: House, host: str) -> None:
    assert await house.refuses(get(f"http://{host}/latest/meta-data/", host))


async def test_other_ports_of_this_machine_may_be_asked(house: House) -> None:
    authority = f"localhost:{house.target.port}"
    said = await house.said(get(f"http://{authority}/", authority))
    assert said.endswith(b"from the target")


@pytest.mark.parametrize("port", ["proxy", "reverse", "page"])
async def test_a_configuration_that_leads_back_is_refused(house: House, port: str) -> None:
    file = Path(house.gateway._log.parent) / "provider_config.yaml"
    before = file.read_text()
    file.write_text(before.replace("127.0.0.1:9/", f"localhost:{house.ports()[port]}/"))
    answer = await house.gateway.web_json("/commands/ai.reload", "POST", {"arguments": []})
    file.write_text(before)
    assert "the gateway's own" in answer["error"]


async def test_the_gateway_serves_on(house: House) -> None:
    async with RawConnection(house.gateway.port) as client:
        head, _ = await client.exchange(get_request("/v1/models", host="ai.test"))
    assert head.status == 200
