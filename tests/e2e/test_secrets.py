"""No credential comes out of any surface, whatever is done and whatever goes wrong."""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

import pytest
import pytest_asyncio

from support.behaviours import closes_before_head
from support.canaries import KEY, TOKEN, WRONG, Screen, leaks
from support.echo import EVENT_STREAM
from support.mitmweb import FlowJSON, Mitmweb
from support.openai_shapes import text_chunk
from support.process import ADDON, GatewaySettings
from support.raw_http import RawConnection, json_request, request_bytes
from support.recording_server import Handler, HeaderList, Received, Reply
from support.rig import HOST, PATH, Rig, chat, run_rig

pytestmark = pytest.mark.asyncio(loop_scope="module")

FAULTS = """
import aiohttp
import llm_gateway.api.server as server
import llm_gateway.entrance as entrance

def failing(inner, mark):
    def wrapper(*args, **kwargs):
        if mark(*args, **kwargs):
            raise RuntimeError("injected")
        return inner(*args, **kwargs)
    return wrapper

entrance.request_head = failing(
    entrance.request_head, lambda flow: "fault=head" in flow.request.path
)
server.parse_chat = failing(server.parse_chat, lambda body, *_: b"fault-parse" in body)
aiohttp.ClientSession.request = failing(
    aiohttp.ClientSession.request, lambda *_, data, **__: b"fault-wire" in data
)
"""


async def exchange(rig: Rig, request: bytes) -> tuple[int, bytes]:
    """The status and body of the answer to a raw request."""
    async with RawConnection(rig.gateway.port) as client:
        head, body = await client.exchange(request)
    return head.status, body


type Scenario = Callable[[Rig], Awaitable[dict[str, bytes]]]
"""Does something with a gateway; returns what clients were told, which is a surface as well."""


async def ordinary(rig: Rig) -> dict[str, bytes]:
    return {
        "answer": await rig.ask("hello"),
        "stream": await rig.ask("hello", stream=True),
        "models": (await exchange(rig, get("/v1/models", f"Bearer {TOKEN}")))[1],
    }


def get(target: str, authorization: str) -> bytes:
    return request_bytes("GET", target, [("Authorization", authorization)], host=HOST)


def credentials(target: str, *headers: tuple[str, str], host: str = HOST) -> Scenario:
    """A chat request with its credentials in other places; a client that gets it wrong."""

    async def scenario(rig: Rig) -> dict[str, bytes]:
        request = json_request(target, chat("hello"), host=host, headers=headers)
        _, body = await exchange(rig, request)
        return {"answer": body}

    return scenario


def basic(secret: str) -> str:
    return "Basic " + base64.b64encode(f"user:{secret}".encode()).decode()


QUOTED = quote(TOKEN, safe="")
CREDENTIALS: dict[str, Scenario] = {
    "wrong token": credentials(PATH, ("Authorization", f"Bearer {WRONG}")),
    "token in the query": credentials(f"{PATH}?access_token={QUOTED}"),
    "token in the query, not encoded": credentials(f"{PATH}?api_key={TOKEN}&x=1"),
    "token in the query, name encoded": credentials(f"{PATH}?access%5Ftoken={QUOTED}"),
    "token in the query and in the header": credentials(
        f"{PATH}?key={QUOTED}", ("Authorization", f"Bearer {TOKEN}")
    ),
    "token in another header": credentials(PATH, ("X-API-Key", TOKEN)),
    "token in Azure's header": credentials(PATH, ("api-key", TOKEN)),
    "token in Google's header": credentials(PATH, ("x-goog-api-key", TOKEN)),
    "token as a password": credentials(PATH, ("Authorization", basic(TOKEN))),
    "token without a scheme": credentials(PATH, ("Authorization", TOKEN)),
    "token before its scheme": credentials(PATH, ("Authorization", f"{TOKEN} Bearer")),
    "token after a tab": credentials(PATH, ("Authorization", f"Bearer\t{TOKEN}")),
    "token and more": credentials(PATH, ("Authorization", f"Bearer {TOKEN} {WRONG}")),
    "two tokens": credentials(
        PATH, ("Authorization", f"Bearer {TOKEN}"), ("Authorization", f"Bearer {WRONG}")
    ),
    "token for a proxy": credentials(
        PATH, ("Authorization", f"Bearer {TOKEN}"), ("Proxy-Authorization", basic(TOKEN))
    ),
    "token to another host": credentials(
        PATH, ("Authorization", f"Bearer {TOKEN}"), host="other.example"
    ),
    "token in a cookie": credentials(
        PATH, ("Authorization", f"Bearer {TOKEN}"), ("Cookie", f"session={TOKEN}; a={QUOTED}")
    ),
    "token in a query of another name": credentials(
        f"{PATH}?session={QUOTED}&x={TOKEN}", ("Authorization", f"Bearer {TOKEN}")
    ),
    "token in any header": credentials(
        PATH, ("Authorization", f"Bearer {TOKEN}"), ("X-Anything", f"a {TOKEN} b")
    ),
    "token in the path": credentials(f"{PATH}/{TOKEN}", ("Authorization", f"Bearer {TOKEN}")),
    "token to an unknown path": credentials("/nowhere", ("Authorization", f"Bearer {TOKEN}")),
}


def failing(handler: Handler, *, stream: bool = False) -> Scenario:
    """A provider that answers with ``handler``."""

    async def scenario(rig: Rig) -> dict[str, bytes]:
        model = rig.spare()
        rig.provider.script(model, handler)
        before = len(rig.provider.requests)
        async with rig.asking("hello", model, stream=stream) as client:
            head = await client.read_head()
            answer = {"answer": f"{head.headers}".encode() + await client.read_body(head)}
        assert len(rig.provider.requests) > before
        return answer

    return scenario


def complaint(received: Received) -> str:
    """OpenAI's sentence about a wrong key, from a provider that does not shorten the key."""
    key = (received.header("authorization") or "").removeprefix("Bearer ")
    return f"Incorrect API key provided: {key}."


def echoing(status: int, headers: HeaderList = ()) -> Handler:
    """Answer with the key that was received, inside an error."""

    async def handler(received: Received, reply: Reply) -> None:
        await reply.json(status, {"error": {"message": complaint(received)}}, headers)

    return handler


async def echo_as_code(received: Received, reply: Reply) -> None:
    await reply.json(400, {"error": {"message": "No.", "code": complaint(received)}})


async def echo_as_text(received: Received, reply: Reply) -> None:
    await reply.whole(500, complaint(received).encode(), "text/plain")


async def echo_in_header(received: Received, reply: Reply) -> None:
    await reply.json(500, {}, [("x-echo", complaint(received))])


async def echo_escaped(received: Received, reply: Reply) -> None:
    """As other writers of JSON do, PHP's and .NET's."""
    said = complaint(received)
    message = " ".join((said.replace("/", r"\/"), said.replace("+", r"\u002B")))
    body = f'{{"error": {{"message": "{message}", "code": "{quote(said)}"}}}}'
    await reply.whole(400, body.encode(), "application/json")


async def echo_in_cookie(received: Received, reply: Reply) -> None:
    address = f"https://elsewhere.example/?q={quote(complaint(received), safe='')}"
    cookie = f"a={quote(complaint(received))}"
    await reply.json(302, {}, [("location", address), ("set-cookie", cookie)])


async def echo_as_event(received: Received, reply: Reply) -> None:
    await reply.head(200, EVENT_STREAM)
    await reply.event({"error": {"message": complaint(received)}})


async def echo_late(received: Received, reply: Reply) -> None:
    await reply.head(200, EVENT_STREAM)
    await reply.event(text_chunk("any", "so far "))
    head, tail = complaint(received)[:-8], complaint(received)[-8:]
    await reply.send(b'data: {"error": {"message": "' + head.encode())
    await reply.send(tail.encode() + b'"}}\n\n')


ECHOES: dict[str, Scenario] = {
    "401": failing(echoing(401)),
    "500": failing(echoing(500)),
    "400": failing(echoing(400)),
    "400 with a code": failing(echo_as_code),
    "429": failing(echoing(429)),
    "error in 200": failing(echoing(200)),
    "500 to a stream": failing(echoing(500), stream=True),
    "500 as text": failing(echo_as_text),
    "500 with a header": failing(echo_in_header),
    "400 in other spellings": failing(echo_escaped),
    "302 with a cookie": failing(echo_in_cookie),
    "first event": failing(echo_as_event, stream=True),
    "later event, in two pieces": failing(echo_late, stream=True),
}


def faulty(text: str, target: str = PATH) -> Scenario:
    async def scenario(rig: Rig) -> dict[str, bytes]:
        status, body = await exchange(
            rig, json_request(target, chat(text), host=HOST, token=rig.token)
        )
        assert status == 500
        return {"answer": body}

    return scenario


async def unreachable(rig: Rig) -> dict[str, bytes]:
    async with rig.asking("hello", "unreachable") as client:
        return {"answer": await client.read_body(await client.read_head())}


def told(secret: str, *, stream: bool) -> Scenario:
    """A client that writes a secret into its prompt; the model repeats it.

    The provider is told what the client has written, and the client what the provider has said, but
    for the provider's own key.
    """

    async def scenario(rig: Rig) -> dict[str, bytes]:
        answer = await rig.ask(f"my key is {secret} is it not", stream=stream)
        assert (secret.encode() in answer) is (secret != rig.key)
        assert secret.encode() in rig.provider.requests[-1].body
        return {"answer, but for the secret": answer.replace(secret.encode(), b"")}

    return scenario


PROMPTS: dict[str, Scenario] = {
    f"{name} to a {'stream' if stream else 'whole answer'}": told(secret, stream=stream)
    for name, secret in (("token", TOKEN), ("key", KEY))
    for stream in (False, True)
}


FAILURES: dict[str, Scenario] = {
    "no connection": unreachable,
    "connection closed": failing(closes_before_head()),
    "connection reset": failing(closes_before_head("reset"), stream=True),
    "exception in requestheaders": faulty("hello", f"{PATH}?fault=head"),
    "exception in the API": faulty("fault-parse"),
    "exception in the HTTP client": faulty("fault-wire"),
}

SCENARIOS: dict[str, dict[str, Scenario]] = {
    "ordinary": {"ordinary": ordinary, **PROMPTS},
    "credentials": CREDENTIALS,
    "echoes": ECHOES,
    "failures": FAILURES,
}


def settings(directory: Path, *args: str) -> GatewaySettings:
    faults = directory / "faults.py"
    faults.write_text(FAULTS)
    return {"scripts": [ADDON, faults], "args": ["-v", *args], "expect_clean": False}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rig(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Rig]:
    """One mitmweb, verbose, for all tests of this module."""
    directory = tmp_path_factory.mktemp("mitmweb")
    web_settings = settings(directory)
    web_settings["tool"] = "mitmweb"
    async with run_rig(directory, token=TOKEN, key=KEY, **web_settings) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def screen(rig: Rig) -> AsyncIterator[Screen]:
    """Its page, with an empty list of flows and of events."""
    async with Mitmweb(rig.gateway) as page:
        await page.clear()
        yield Screen(rig, page, len(rig.gateway.output()))


async def test_the_search_finds_every_form() -> None:
    texts = {
        "raw": f"<{TOKEN}>",
        "in a URL": quote(f"x={TOKEN}", safe=""),
        **{f"base64 {n}": base64.b64encode(b"u" * n + TOKEN.encode()).decode() for n in range(3)},
    }
    for name, text in texts.items():
        assert leaks({name: text.encode()}), name
    assert not leaks({"other": b"GATEWAYcanary 8c4f"})


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(scenario, id=f"{group}: {name}")
        for group, scenarios in SCENARIOS.items()
        for name, scenario in scenarios.items()
    ],
)
async def test_mitmweb_shows_no_secret(screen: Screen, scenario: Scenario) -> None:
    answers = await scenario(screen.rig)
    flows = screen.web.flows
    await screen.web.until(lambda: bool(flows) and all(map(is_over, flows.values())))
    assert not leaks(answers | await screen.surfaces())


def is_over(flow: FlowJSON) -> bool:
    return "error" in flow or flow.get("response", {}).get("timestamp_end") is not None


async def test_editing_replaying_duplicating_and_reverting_bring_no_secret_to_light(
    screen: Screen,
) -> None:
    rig, web = screen.rig, screen.web
    await rig.ask("hello")
    for flow in await rig.pair(web):
        copy = await web.duplicate(flow)
        await web.edit(web.flows[copy], "request", content=json.dumps(chat("edited")))
        await web.edit(flow, "response", code=500)
        await web.replay(copy)
        assert not leaks(await screen.surfaces())
        for flow_id in (copy, flow["id"]):
            await web.post(f"/flows/{flow_id}/revert")
    assert all(map(rig.had_key, rig.provider.requests[-2:]))
    assert not leaks(await screen.surfaces())


async def test_no_surface_shows_a_secret_whatever_was_done(screen: Screen, tmp_path: Path) -> None:
    """Echoed keys, edits, injected faults, replays of either side, replays on another model."""
    rig, web = screen.rig, screen.web
    await ECHOES["401"](rig)
    await PROMPTS["token to a stream"](rig)
    await web.command("ai.fault", "fake/gpt-test", "401")
    async with rig.asking("injected") as client:
        await client.read_head()
    await web.until(lambda: all(map(is_over, web.flows.values())))
    for flow in [*web.flows.values()][:3]:
        await web.edit(flow, "request", path=f"{flow['request']['path']}?edited=1")
        copy = await web.duplicate(flow)
        await web.edit(web.flows[copy], "request", content=json.dumps(chat(f"edited {KEY}")))
        await web.replay(copy)
    await web.command("ai.replay", f"@{rig.clients(web)[0]['id']}", "hasty")
    await web.until(lambda: all(map(is_over, web.flows.values())))
    assert not leaks(await screen.everything(tmp_path))


async def test_a_held_flow_holds_no_secret(screen: Screen) -> None:
    rig, web = screen.rig, screen.web
    async with web.options(intercept="~q"), rig.asking("hold") as client:
        for _ in ("client flow", "attempt flow"):
            flow = await web.held()
            assert not leaks(await screen.surfaces())
            await web.resume(flow)
        await client.read_head()


@pytest.mark.parametrize("group", SCENARIOS)
async def test_mitmdump_prints_and_saves_no_secret(tmp_path: Path, group: str) -> None:
    files = ["-w", "flows", "--set", "hardump=flows.har", "--set", "flow_detail=4"]
    dump_settings = settings(tmp_path, *files)
    async with run_rig(tmp_path, token=TOKEN, key=KEY, **dump_settings) as running:
        answers = [await scenario(running) for scenario in SCENARIOS[group].values()]
    surfaces = {
        "answers": b"\n".join(body for answer in answers for body in answer.values()),
        "output": running.gateway.output().encode(),
        "flow file": (tmp_path / "flows").read_bytes(),
        "HAR": (tmp_path / "flows.har").read_bytes(),
    }
    assert all(surfaces.values())
    assert not leaks(surfaces)
