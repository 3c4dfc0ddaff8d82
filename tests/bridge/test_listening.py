"""Listeners: how many may wait, and what is said when nobody can be let in."""

import asyncio
import errno
import logging
import resource
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from mitmproxy.addons.proxyserver import Proxyserver
from mitmproxy.proxy import mode_specs
from mitmproxy.test import taddons

from llm_gateway.bridge.listening import Listening, calm_exhaustion
from support.process import free_port

MANY = 300
"""More than wait at asyncio's own listeners."""
FEW = 110
"""As many as those let wait, and some."""
OTHER_FILES = 50


def allowed() -> int:
    """How many may wait here, or be connected by one process."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(MANY, socket_queue(), soft - OTHER_FILES if soft > 0 else MANY)


def socket_queue() -> int:
    """What the kernel makes of a longer queue; macOS tells it elsewhere, and makes 128."""
    try:
        return int(Path("/proc/sys/net/core/somaxconn").read_text())
    except (OSError, ValueError):
        return 128


@pytest.mark.skipif(allowed() < FEW, reason="too few may wait here to tell")
async def test_as_many_may_wait_as_the_kernel_allows() -> None:
    """Nobody accepts here: those who wait fill the queue, and more would not connect at once."""
    proxyserver = Proxyserver()
    with taddons.context(proxyserver) as context, ExitStack() as stack:
        context.options.mode = ["reverse:http://127.0.0.1:1@127.0.0.1:0"]
        _listening = Listening(proxyserver)
        assert await proxyserver.setup_servers()
        [address] = proxyserver.listen_addrs()
        for _ in range(allowed()):
            client = stack.enter_context(socket.socket())
            client.settimeout(5)
            client.connect(address[:2])
        # Before the event loop has a turn in which it would accept some of them.
        for instance in proxyserver.servers:
            await instance.stop()


async def test_modes_that_are_changed_in_haste_leave_the_last_of_them_listening(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = asyncio.get_running_loop()
    # mitmproxy's own way to run tasks.
    loop.set_task_factory(asyncio.eager_task_factory)
    proxyserver = Proxyserver()
    port = free_port()
    modes = [
        [mode_specs.ProxyMode.parse(f"{mode}@127.0.0.1:{port}")]
        for mode in ["regular", "reverse:http://127.0.0.1:1"] * 4
    ]
    with taddons.context(proxyserver):
        _listening = Listening(proxyserver)
        changes = [proxyserver.servers.update(each) for each in modes]
        assert await asyncio.gather(*changes) == [True] * len(changes)
        assert caplog.text == ""
        assert proxyserver.listen_addrs() == [("127.0.0.1", port)]
        assert await proxyserver.servers.update([])
        with socket.socket() as client, pytest.raises(ConnectionRefusedError):
            client.connect(("127.0.0.1", port))


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """What the handler before ours is told."""
    caplog.set_level(logging.ERROR)
    return []


async def test_a_lack_of_descriptors_is_told_of_once(
    told: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: told.append(context))
    calm_exhaustion(loop)
    error = OSError(errno.EMFILE, "Too many open files")
    for _ in range(100):
        loop.call_exception_handler({"message": "", "exception": error, "socket": None})
    assert caplog.text.count("No connection can be accepted") == 1
    assert told == []


async def test_every_other_failure_is_told_as_before(told: list[dict[str, Any]]) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: told.append(context))
    calm_exhaustion(loop)
    loop.call_exception_handler({"message": "another"})
    assert [context["message"] for context in told] == ["another"]
