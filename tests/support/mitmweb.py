"""What a person at mitmweb's page sees and does, through its REST interface and WebSocket."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Literal, Self

import aiohttp
from mitmproxy import http
from mitmproxy.io import FlowReader

from support.process import WEB_PASSWORD, Gateway
from support.waiting import DEADLINE, Changes

type FlowJSON = dict[str, Any]
type Side = Literal["request", "response"]


class Mitmweb:
    """`async with Mitmweb(gateway) as web:` is one open page: `web.flows` follows the list."""

    def __init__(self, gateway: Gateway) -> None:
        self._url = gateway.web_url
        self._changes = Changes()
        self.flows: dict[str, FlowJSON] = {}
        """The flows of the list by id, in order, as mitmweb's JSON."""
        self.messages: list[str] = []
        """Every message that the page was sent."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            self._url,
            headers={
                "Authorization": f"Bearer {WEB_PASSWORD}",
                "Cookie": "_mitmproxy_xsrf=abc",
                "X-XSRFToken": "abc",
            },
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=DEADLINE),
        )
        self._socket = await self._session.ws_connect("/updates")
        self._reader = asyncio.ensure_future(self._read())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self._socket.close()
        await self._reader
        await self._session.close()

    async def until(self, fact: Callable[[], bool], within: float = DEADLINE) -> None:
        """Wait for a fact about `flows`; raises TimeoutError that shows them."""
        try:
            await self._changes.until(fact, within)
        except TimeoutError:
            raise TimeoutError(f"the flows are {json.dumps(list(self.flows.values()))}") from None

    async def held(self, where: Callable[[FlowJSON], bool] = bool) -> FlowJSON:
        """Wait until a flow of that kind is intercepted, and return it."""

        def found() -> list[FlowJSON]:
            return [each for each in self.flows.values() if each["intercepted"] and where(each)]

        await self.until(lambda: bool(found()))
        return found()[0]

    async def get(self, path: str) -> bytes:
        """Read any page; raises AssertionError on a status other than 2xx."""
        return await self._call("GET", path)

    async def post(self, path: str, content: object = None) -> bytes:
        """Do something; `content` is sent as JSON."""
        return await self._call("POST", path, {} if content is None else content)

    async def resume(self, flow: FlowJSON) -> None:
        """Let an intercepted flow go, perhaps to its next stop."""
        await self.post(f"/flows/{flow['id']}/resume")

        def gone_on() -> bool:
            now = self.flows[flow["id"]]
            return not now["intercepted"] or ("response" in now) is not ("response" in flow)

        await self.until(gone_on)

    async def kill(self, flow: FlowJSON) -> None:
        """Press "Abort"."""
        await self.post(f"/flows/{flow['id']}/kill")

    async def delete(self, flow: FlowJSON) -> None:
        """Press "Delete"."""
        await self._call("DELETE", f"/flows/{flow['id']}")

    async def revert(self, flow: FlowJSON) -> None:
        """Press "Revert": back to what it was before it was edited or replayed."""
        await self.post(f"/flows/{flow['id']}/revert")

    async def edit(self, flow: FlowJSON, side: Side, **changes: object) -> None:
        """Change parts of a message: content (text), headers, path, code …"""
        await self._call("PUT", f"/flows/{flow['id']}", {side: changes})

    async def replay(self, flow_id: str) -> FlowJSON:
        """Press "Replay" and wait for the outcome; the flow must not have been replayed before."""
        await self.post(f"/flows/{flow_id}/replay")

        def over() -> bool:
            flow = self.flows.get(flow_id)
            if flow is None:  # a file that was opened is still being read
                return False
            return flow["is_replay"] == "request" and ("error" in flow or _is_answered(flow))

        await self.until(over)
        return self.flows[flow_id]

    async def duplicate(self, flow: FlowJSON) -> str:
        """Press "Duplicate"; return the id of the copy."""
        copy = (await self.post(f"/flows/{flow['id']}/duplicate")).decode()
        await self.until(lambda: copy in self.flows)
        return copy

    async def content(self, flow: FlowJSON, side: Side) -> bytes:
        """Read a body as the page shows it."""
        return await self.get(f"/flows/{flow['id']}/{side}/content.data")

    async def grown(self, flow_id: str, text: bytes) -> FlowJSON:
        """Wait until the page was told of a response whose body holds this text."""
        seen: set[str] = set()

        def is_news() -> bool:
            shown = self.flows[flow_id].get("response", {}).get("contentHash")
            return shown is not None and shown not in seen

        while True:
            await self.until(is_news)
            flow = self.flows[flow_id]
            seen.add(flow["response"]["contentHash"])
            if text in await self.content(flow, "response"):
                return flow

    async def dump(self) -> bytes:
        """Download all flows as a flow file."""
        return await self.get("/flows/dump")

    async def saved(self) -> dict[str, http.HTTPFlow]:
        """Read all flows from a flow file, by id: this shows their metadata."""
        return {flow.id: flow for flow in read_flows(await self.dump())}

    async def upload(self, flow_file: bytes) -> None:
        """Open a flow file in place of the list."""
        await self._call("POST", "/flows/dump", flow_file)

    async def clear(self) -> None:
        """Empty the list."""
        await self.post("/clear")
        await self.until(lambda: not self.flows)

    async def command(self, name: str, *arguments: str) -> Any:
        """Run a mitmproxy command and return its value; flows are named `@` and their id."""
        answer = json.loads(await self.post(f"/commands/{name}", {"arguments": arguments}))
        assert "error" not in answer, f"{name}: {answer['error']}"
        return answer["value"]

    @asynccontextmanager
    async def options(self, **values: object) -> AsyncIterator[None]:
        """Set mitmproxy's options, and set them back afterwards."""
        before = json.loads(await self.get("/options"))
        await self._call("PUT", "/options", values)
        try:
            yield
        finally:
            await self._call("PUT", "/options", {name: before[name]["value"] for name in values})

    async def _call(self, method: str, path: str, content: object = None) -> bytes:
        is_raw = isinstance(content, bytes)
        async with self._session.request(
            method, path, data=content if is_raw else None, json=None if is_raw else content
        ) as answer:
            body = await answer.read()
        assert answer.status // 100 == 2, f"{method} {path}: {answer.status} {body[:500]!r}"
        return body

    async def _read(self) -> None:
        async for message in self._socket:
            self.messages.append(message.data)
            self._note(json.loads(message.data))
            self._changes.tell()

    def _note(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "flows/add" | "flows/update":
                flow = message["payload"]["flow"]
                self.flows[flow["id"]] = flow
            case "flows/remove":
                del self.flows[message["payload"]]
            case "flows/reset":
                self.flows.clear()


def read_flows(flow_file: bytes) -> list[http.HTTPFlow]:
    """Read the HTTP flows of a flow file."""
    flows = FlowReader(io.BytesIO(flow_file)).stream()
    return [flow for flow in flows if isinstance(flow, http.HTTPFlow)]


def _is_answered(flow: FlowJSON) -> bool:
    return "response" in flow and flow["response"]["timestamp_end"] is not None
