"""What happens to a gateway at work: other files, other times, few sockets, and the end."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from support import wall_clock
from support.fault_scene import (
    HOST,
    Answer,
    FaultScene,
    Target,
    chat_request,
    config_text,
    open_faults,
)
from support.marks import call_of, mark
from support.process import ADDON, BAD_OUTPUT
from support.raw_http import Head, RawConnection, request_bytes

pytestmark = pytest.mark.asyncio(loop_scope="module")

STREAMS = 50
DAY = 24 * 3600
HOUR = 3600
KEEPALIVE = 0.1
DRAIN = 0.5
GATEWAY = {"keepalive": f"{KEEPALIVE}s"}
FEW = 8
"""How many more sockets a process may open that has nearly no more."""

BROKEN = {"breaker": {"failures": 1, "open": "60s"}, "retry": {"attempts": 1}}

ROUTES = {
    "plain": (Target(),),
    "stream": (Target("held-after-1"),),
    "counted": (Target(model={"limits": {"minute": 2, "day": 1}}),),
    "broken": (Target("status-503", provider=BROKEN),),
    "clocked": (Target(model={"limits": {"minute": 1}}),),
    "daily": (Target(model={"limits": {"minute": 100, "day": 1}}),),
    "clocked-breaker": (Target("status-503", provider=BROKEN),),
    "slow": (Target("late-300-ok"),),
    "slow-and-left": (Target("hang"),),
    "slow-failure": (Target("late-300-status-503", provider={"retry": {"attempts": 1}}),),
}
CHANGED = {
    **ROUTES,
    "stream": (Target("ok", http={"idle": "20s"}),),
    "counted": (Target(model={"limits": {"minute": 2, "day": 10}}),),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gateway")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(directory: Path) -> AsyncIterator[FaultScene]:
    clock = Path(wall_clock.__file__)
    async with open_faults(directory, ROUTES, GATEWAY, scripts=[clock, ADDON]) as scene:
        yield scene


class Listener:
    """A client in the middle of a stream."""

    def __init__(self, client: RawConnection, head: Head) -> None:
        self._head = head
        self._pieces = client.body(head)
        self._body = b""

    async def listen(self) -> None:
        """Read up to the first piece of content."""
        while b":0] " not in self._body:
            self._body += await anext(self._pieces)

    async def answer(self) -> Answer:
        """Read to the end, which must be one."""
        async for piece in self._pieces:
            self._body += piece
        return Answer(self._head, self._body)


@asynccontextmanager
async def listening(scene: FaultScene, *routes: str) -> AsyncIterator[list[Listener]]:
    """One client for each route, all of which have a first piece of content."""

    async def begin(route: str) -> Listener:
        client = await stack.enter_async_context(scene.connect())
        await client.send(chat_request(route, stream=True))
        listener = Listener(client, await client.read_head())
        await listener.listen()
        return listener

    async with AsyncExitStack() as stack:
        yield await asyncio.gather(*map(begin, routes))


async def test_a_stream_that_has_long_to_wait_is_kept_alive(scene: FaultScene) -> None:
    answer = await scene.ask("slow", stream=True)
    [call] = scene.calls("slow")
    assert answer.call == call.number
    assert answer.told.comments >= 1
    assert answer.body.startswith(b":")


async def test_a_failure_after_a_sign_of_life_is_told_in_the_stream(scene: FaultScene) -> None:
    streamed, whole = await asyncio.gather(
        *(scene.ask("slow-failure", stream=stream) for stream in (True, False))
    )
    told = streamed.told
    assert told.error is not None
    assert told.error["code"] == "upstream_unavailable"
    assert (told.text, told.finish_reasons) == ("", [])
    assert whole.verdict == (503, "upstream_unavailable")


async def test_a_client_that_leaves_after_a_sign_of_life_takes_its_call_with_it(
    scene: FaultScene,
) -> None:
    async with scene.connect() as client:
        await client.send(chat_request("slow-and-left", stream=True))
        head = await client.read_head()
        assert (await anext(client.body(head))).startswith(b":")
        call = await scene.call("slow-and-left")
        assert call.left is None
        client.abort()
        assert await scene.server.ended(call) == "left"


async def test_a_configuration_that_is_wrong_changes_nothing(
    scene: FaultScene, directory: Path
) -> None:
    file = directory / "provider_config.yaml"
    file.write_text(file.read_text().replace('"providers"', '"profiders"'))
    await scene.gateway.wait_output("the old one stays")
    answer = await scene.ask("plain")
    assert answer.call == scene.calls("plain")[0].number


async def test_a_new_configuration_cuts_no_stream_and_keeps_what_was_counted(
    scene: FaultScene, directory: Path
) -> None:
    """The day's quota was used up and is raised; what was refused for it took nothing else."""
    statuses = [(await scene.ask("counted")).status for _ in range(3)]
    assert statuses == [200, 429, 429]
    assert (await scene.ask("broken")).verdict == (503, "upstream_unavailable")
    async with listening(scene, *["stream"] * STREAMS) as listeners:
        changed = config_text(scene.server, CHANGED, GATEWAY)
        (directory / "provider_config.yaml").write_text(changed)
        await scene.gateway.wait_output("was read again")
        new = await scene.ask("stream", stream=True)
        assert scene.calls("stream")[-1].model == "ok"
        assert new.call == scene.calls("stream")[-1].number
        scene.let_go("stream")
        answers = [await listener.answer() for listener in listeners]
    calls = {call.number for call in scene.calls("stream")[:-1]}
    assert {answer.call for answer in answers} == calls
    assert len(calls) == STREAMS

    answer = await scene.ask("counted")
    assert answer.status == 200
    assert answer.head.header("x-ratelimit-remaining-requests") == "0"
    answer = await scene.ask("counted")
    assert answer.status == 429
    assert "per minute" in answer.error["message"]
    assert (await scene.ask("broken")).verdict == (503, "no_healthy_upstream")
    assert len(scene.calls("broken")) == 1


async def test_limits_outlive_a_wall_clock_that_jumps(scene: FaultScene) -> None:
    """A day is one of the calendar; all else is time that has really passed."""
    assert (await scene.ask("clocked")).status == 200
    assert (await scene.ask("daily")).status == 200
    assert (await scene.ask("clocked-breaker")).status == 503
    for jump, daily in ((0, 429), (DAY, 200), (DAY, 429), (-HOUR, None), (0, None)):
        clock = [(wall_clock.HEADER, str(jump))]
        answer = await scene.ask("daily", headers=clock)
        assert answer.status == daily or daily is None
        if answer.status == 429:
            assert 1 <= answer.retry_after <= 2 * DAY
        answer = await scene.ask("clocked")
        assert answer.verdict == (429, "rate_limit_exceeded")
        assert 1 <= answer.retry_after <= 62
        answer = await scene.ask("clocked-breaker")
        assert answer.verdict == (503, "no_healthy_upstream")
        assert 1 <= answer.retry_after <= 72
    assert [len(scene.calls(route)) for route in ("clocked", "clocked-breaker")] == [1, 1]


async def test_a_gateway_that_is_told_to_stop_ends_in_good_order(tmp_path: Path) -> None:
    """Streams go on for as long as they may; those that take longer are ended in words."""
    routes = {
        "short": (Target("held-after-1"),),
        "long": (Target("held-after-1"),),
        "silent": (Target("hang"),),
    }
    gateway = {"drain": f"{DRAIN}s"}
    async with (
        open_faults(tmp_path, routes, gateway, expect_clean=False) as scene,
        listening(scene, *["short", "long"] * (STREAMS // 2)) as listeners,
        scene.connect() as known,
    ):
        await known.exchange(request_bytes("GET", "/ping", host=HOST))
        waiting = asyncio.ensure_future(scene.ask("silent"))
        await scene.call("silent")
        begun = asyncio.get_running_loop().time()
        psutil.Process(scene.gateway.pid).send_signal(signal.SIGTERM)
        await scene.gateway.wait_output("Stopping")
        with pytest.raises(ConnectionRefusedError):
            await scene.ask("short")
        refused = Answer(*await known.exchange(chat_request("short")))
        assert refused.verdict == (503, "gateway_shutdown")
        assert refused.retry_after >= 1
        scene.let_go("short")
        short = [await listener.answer() for listener in listeners[::2]]
        assert {answer.call for answer in short} == {call.number for call in scene.calls("short")}
        for listener in listeners[1::2]:
            told = (await listener.answer()).told
            assert told.error is not None
            assert told.error["code"] == "gateway_shutdown"
            assert told.text == mark(call_of(told.text), 0)
            assert told.finish_reasons == []
        assert (await waiting).verdict == (503, "gateway_shutdown")
        assert asyncio.get_running_loop().time() - begun >= DRAIN
        assert await scene.gateway.wait_exit() == 0
        for call in [*scene.calls("long"), *scene.calls("silent")]:
            assert await scene.server.ended(call) == "left"
    for text in BAD_OUTPUT:
        assert text not in scene.gateway.output()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process")
async def test_a_gateway_without_sockets_says_so_and_recovers(tmp_path: Path) -> None:
    routes = {"held": (Target("held-ok"),), "ok": (Target(),)}
    async with open_faults(tmp_path, routes, expect_clean=False) as scene:
        await scene.ask("ok")
        process = psutil.Process(scene.gateway.pid)
        usual = process.rlimit(psutil.RLIMIT_NOFILE)
        process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds() + FEW, usual[1]))
        crowd = [asyncio.ensure_future(scene.ask(route)) for route in ["ok", "held"] * (2 * FEW)]
        await scene.gateway.wait_output("Too many open files")
        process.rlimit(psutil.RLIMIT_NOFILE, usual)
        scene.let_go("held")
        for answer in await asyncio.gather(*crowd):
            if answer.status != 200:
                assert answer.verdict == (502, "upstream_connection_error")
        assert (await scene.ask("ok")).status == 200
        output = scene.gateway.output()
    assert "Addon error" not in output
    assert "has crashed" not in output
