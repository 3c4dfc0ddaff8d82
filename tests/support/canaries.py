"""Secrets that a test looks for, and every place where it looks.

The secrets hold characters that look different when they are URL-encoded, and none of the prefixes
by which a provider's key could be told.
"""

import base64
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from support.mitmweb import FlowJSON, Mitmweb
from support.rig import Rig

TOKEN = "GATEWAYcanary+7f3c/9a5e1b2d~8c4f"
KEY = "PROVIDERcanary+8a1b/2c3d4e5f~6a7b"
WRONG = "WRONGcanary+6d8e/0f2a4c6b~1d3e"
SECRETS = {"token": TOKEN, "key": KEY, "wrong token": WRONG}
CONTEXT = 60

PAGES = (
    "/",
    "/ai/",
    "/ai/data.json",
    "/flows",
    "/events",
    "/options",
    "/state",
    "/flows/dump",
    "/commands",
)
"""What can be read of mitmweb, beside each flow."""
COMMANDS = ("ai.models", "ai.models.names", "ai.limits", "ai.faults", "ai.reload")
"""Commands that tell of the gateway."""
FLOW_COMMANDS = ("ai.curl",)
"""Commands that tell of one flow."""
EXPORTS = ("curl", "httpie", "raw", "raw_request", "raw_response")
"""Formats of mitmproxy's `export`."""
FILES = ("save.har", "save.file", "ai.har")
"""Commands that write flows to a file."""


def forms(secret: str) -> Iterator[tuple[str, bytes]]:
    """Every way in which a secret may stand somewhere; cut at both ends, as a text may be."""
    core = secret[2:-2]
    yield "raw", core.encode()
    yield "URL-encoded", quote(core, safe="").encode()
    yield "URL-encoded but for slashes", quote(core).encode()
    yield "hex", core.encode().hex().encode()
    for shift in range(3):
        padded = b"\0" * shift + core.encode()
        text = base64.b64encode(padded[: len(padded) // 3 * 3])[4:]
        yield "base64", text
        yield "URL-safe base64", text.replace(b"+", b"-").replace(b"/", b"_")


def leaks(surfaces: dict[str, bytes], secrets: Mapping[str, str] = SECRETS) -> list[str]:
    """Where a secret is, with what stands around it."""
    found = []
    for surface, data in surfaces.items():
        for name, secret in secrets.items():
            for form, text in forms(secret):
                at = data.find(text)
                if at >= 0:
                    around = data[max(0, at - CONTEXT) : at + len(text) + CONTEXT]
                    found.append(f"{name} ({form}) in {surface}: {around!r}")
    return found


@dataclass(frozen=True)
class Screen:
    """A page of mitmweb's, and everything that can be read there or was printed since."""

    rig: Rig
    web: Mitmweb
    printed: int

    async def surfaces(self) -> dict[str, bytes]:
        """What is looked at after whatever was done."""
        surfaces = {page: await self.web.get(page) for page in PAGES}
        surfaces["WebSocket"] = "\n".join(self.web.messages).encode()
        surfaces["output"] = self.rig.gateway.output()[self.printed :].encode()
        for flow in self._flows(surfaces):
            surfaces |= await self._bodies(flow, ["Auto"])
            surfaces |= await self._told(flow, EXPORTS[:2])
        return surfaces

    async def everything(self, directory: Path) -> dict[str, bytes]:
        """All there is; `directory` is for files."""
        for name in COMMANDS:
            await self.web.command(name)
        files = await self._files(directory)
        surfaces = await self.surfaces() | files
        known = json.loads(surfaces["/state"])["contentViews"]
        # Others mitmweb cannot be asked for.
        views = [name for name in known if re.fullmatch(r"[\w -]+", name, re.ASCII)]
        assert {"ai message", "ai chat", "ai diff", "ai route"} <= {*views}
        for flow in self._flows(surfaces):
            surfaces |= await self._bodies(flow, views)
            surfaces |= await self._told(flow, EXPORTS)
        # What the commands have said, and what has happened because of them.
        return surfaces | await self.surfaces()

    def _flows(self, surfaces: dict[str, bytes]) -> list[FlowJSON]:
        flows: list[FlowJSON] = json.loads(surfaces["/flows"])
        return flows

    async def _bodies(self, flow: FlowJSON, views: Sequence[str]) -> dict[str, bytes]:
        paths = [
            f"/flows/{flow['id']}/{side}/{page}"
            for side in ("request", "response")
            if side in flow and flow[side]["contentLength"] is not None
            for page in ("content.data", *(f"content/{quote(view, safe='')}" for view in views))
        ]
        return {path: await self.web.get(path) for path in paths}

    async def _told(self, flow: FlowJSON, exports: Sequence[str]) -> dict[str, bytes]:
        """What commands say of the flow; an answer without a body has no raw form."""
        if flow["request"]["contentLength"] is None:
            return {}
        named = f"@{flow['id']}"
        calls: list[tuple[str, ...]] = [(name, named) for name in FLOW_COMMANDS]
        calls += [("export", form, named) for form in exports]
        whole = "response" in flow and flow["response"]["contentLength"] is not None
        calls = [call for call in calls if whole or call[1] not in ("raw", "raw_response")]
        return {str(call): await self._refused_or_done(*call) for call in calls}

    async def _refused_or_done(self, name: str, *arguments: str) -> bytes:
        """A flow that failed early may be none of the gateway's."""
        return await self.web.post(f"/commands/{name}", {"arguments": arguments})

    async def _files(self, directory: Path) -> dict[str, bytes]:
        files = {name: directory / f"{name}.{time.monotonic_ns()}" for name in FILES}
        for name, file in files.items():
            await self.web.command(name, "@all", str(file))
        return {name: file.read_bytes() for name, file in files.items()}
