"""No secret of any provider's comes out, whatever providers quote, and whatever goes wrong.

One mitmdump that prints all it can: `-v`, the level of debugging, whole flows, and crashes.
"""

import base64
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio

from support.canaries import leaks
from support.fleet import TOKEN, Fleet, open_fleet
from support.process import ADDON
from support.raw_http import RawConnection, json_request
from support.recording_server import Handler, Received, Reply
from support.rig import HOST, PATH, chat

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = (
    "openai",
    "openrouter",
    "groq",
    "anthropic",
    "gemini",
    "cloudflare",
    "cloudflare-openai",
    "cloudflare-gateway",
    "gigachat",
)
STATUSES = (200, 302, 400, 401, 403, 404, 413, 429, 500, 503)

CRASHES = f"""
import asyncio
import logging
import sys
import threading

import llm_gateway.addon as addon
import llm_gateway.entrance as entrance
import llm_gateway.http_wire as http_wire

TOKEN = {TOKEN!r}

class Falls:
    def __del__(self):
        raise RuntimeError("dropped " + TOKEN)

def fall(where):
    raise RuntimeError(where + " with " + TOKEN)

def ordinary(inner, name):
    def wrapper(self, data, *args):
        if "crash=" + name in getattr(getattr(data, "request", None), "path", ""):
            fall(name)
        return inner(self, data, *args)
    return wrapper

async def report(self, flow, inner=entrance.Entrance.request):
    if "crash=request" in flow.request.path:
        fall("request")
    if "crash=elsewhere" in flow.request.path:
        loop = asyncio.get_running_loop()
        loop.call_soon(fall, "a callback")
        self.lost = asyncio.ensure_future(asyncio.to_thread(fall, "a task"))
        await asyncio.wait([self.lost])
        del self.lost
        Falls()
        thread = threading.Thread(target=fall, args=("a thread",))
        thread.start()
        thread.join()
        log = logging.getLogger("somebody")
        log.debug("debugging %s", TOKEN)
        log.info("do not fit %s %s", TOKEN)
        log.warning("with a stack", stack_info=True, extra={{"x": TOKEN}})
        logging.getLogger("hpack").debug({{"authorization": "Bearer " + TOKEN}})
    return await inner(self, flow)

entrance.Entrance.requestheaders = ordinary(entrance.Entrance.requestheaders, "requestheaders")
entrance.Entrance.request = report
for hook in ("began", "ended"):
    setattr(addon.Desk, hook, ordinary(getattr(addon.Desk, hook), hook))
"""


@dataclass
class Watched:
    """A fleet and all that its clients were told."""

    fleet: Fleet
    directory: Path
    answers: list[bytes] = field(default_factory=list)

    async def ask(self, name: str, model: str, *, stream: bool, target: str = PATH) -> int:
        """Ask a provider's model; keeps the answer, and gives its status."""
        async with RawConnection(self.fleet.gateway.port) as client:
            content = chat("hello", model, stream=stream)
            await client.send(json_request(target, content, host=HOST, token=TOKEN))
            head = await client.read_head()
            body = await client.read_body(head)
        self.answers += [str(head.headers).encode(), body]
        return head.status

    def surfaces(self) -> dict[str, bytes]:
        """All that there is to see."""
        return {
            "answers": b"\n".join(self.answers),
            "output": self.fleet.gateway.output().encode(),
            "flow file": (self.directory / "flows").read_bytes(),
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    directory = tmp_path_factory.mktemp("canaries")
    crashes = directory / "crashes.py"
    crashes.write_text(CRASHES)
    printed = ("-v", "--set", "termlog_verbosity=debug", "--set", "flow_detail=4")
    async with open_fleet(
        directory, args=[*printed, "-w", "flows"], scripts=[ADDON, crashes], expect_clean=False
    ) as fleet:
        yield Watched(fleet, directory)


def quoted(received: Received, *, coded: bool) -> str:
    """The credentials of a request in every way in which a server may write them."""
    sent = [value.split(" ")[-1] for _, value in received.headers if "canary" in value.lower()]
    sent += [value[7:] for name, value in received.headers if value.startswith("Bearer ")]
    forms = []
    for each in sent:
        forms += [each, quote(each, safe=""), json.dumps(each)]
        forms += [base64.b64encode(f"id:{each}".encode()).decode()] if coded else []
    return "You sent " + ", ".join(forms)


def telling(status: int) -> Handler:
    """A provider that repeats the credentials, in an error's every part and in its headers."""

    async def handler(received: Received, reply: Reply) -> None:
        # In what looks like a good answer, base64 is not searched for.
        said = quoted(received, coded=status != 200)
        error = {"message": said, "code": said, "param": said, "type": said, "status": said}
        location = ("location", f"https://elsewhere.example/?key={quote(said)}")
        headers = [("x-request-id", said), ("retry-after", said), location]
        await reply.json(status, {"error": error, "message": said, "errors": [error]}, headers)

    return handler


@pytest.mark.parametrize("name", NAMES)
async def test_what_a_provider_repeats_is_masked(watched: Watched, name: str) -> None:
    fleet = watched.fleet
    assert await watched.ask(name, f"{name}-chat", stream=True) == 200
    for status in STATUSES:
        model = fleet.spare(name)
        fleet.berths[name].fake.script(model, telling(status))
        assert await watched.ask(name, f"{name}/{model}", stream=status % 2 == 0) >= 400
    check(watched)


@pytest.mark.parametrize("hook", ["requestheaders", "request", "began", "ended", "elsewhere"])
async def test_a_crash_tells_no_secret(watched: Watched, hook: str) -> None:
    await watched.ask("openai", "openai-chat", stream=False, target=f"{PATH}?crash={hook}")
    check(watched)


async def test_the_end_of_the_process_tells_no_secret(watched: Watched) -> None:
    """The last test: the process is gone after it."""
    for fell in ("request", "requestheaders", "a callback", "a task", "a thread", "dropped"):
        await watched.fleet.gateway.wait_output(fell)
    await watched.fleet.gateway.wait_output("Traceback")
    await watched.fleet.gateway.wait_output("debugging ***")
    watched.fleet.gateway.signal(signal.SIGABRT)
    await watched.fleet.gateway.wait_exit()
    check(watched)


def check(watched: Watched) -> None:
    secrets = {str(number): each for number, each in enumerate(watched.fleet.secrets)}
    assert not leaks(watched.surfaces(), secrets)
