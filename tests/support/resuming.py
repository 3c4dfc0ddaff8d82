"""Streams that break off, targets that go on with them, and what a client makes of the result."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from llm_gateway.config import Capability
from llm_gateway.errors import UpstreamConnectionError
from support.exchange import DONE
from support.fakes import FakeResponse, frame
from support.openai_shapes import chunk, first_chunk, last_chunk, text_chunk, usage
from support.targets import Answer, Targets

BROKEN = UpstreamConnectionError("It broke.")
PREFILL = frozenset({Capability.CHAT, Capability.PREFILL})
RESUMING = {"resume": True, "capabilities": PREFILL}


def said(name: str, text: str) -> bytes:
    return frame({**text_chunk(name, text), "id": name})


def opening(name: str) -> bytes:
    return frame({**first_chunk(name), "id": name})


def breaking(name: str, *texts: str, by: Exception = BROKEN) -> FakeResponse:
    """A stream of these texts that breaks off."""
    return FakeResponse(opening(name), *(said(name, text) for text in texts), by)


def ending(name: str) -> bytes:
    end = frame({**last_chunk(name), "id": name})
    return end + frame({**chunk(name, None), "id": name, "usage": usage(3, 2)}) + DONE


def finishing(name: str, *texts: str) -> FakeResponse:
    """A stream of these texts that ends well."""
    return FakeResponse(opening(name), *(said(name, text) for text in texts), ending(name))


def targets_of(
    scripts: Mapping[str, Sequence[Answer]], everywhere: Mapping[str, Any] = RESUMING, **more: Any
) -> Targets:
    """Targets that go on with each other's texts."""
    return Targets(scripts, everywhere=everywhere, **more)


def events_of(stream: bytes) -> list[dict[str, Any]]:
    """The chunks of a stream that ends with [DONE]."""
    assert stream.endswith(DONE)
    assert stream.count(DONE) == 1
    frames = stream.removesuffix(DONE).split(b"\n\n")[:-1]
    return [orjson.loads(each.removeprefix(b"data: ")) for each in frames]


def unbroken(stream: bytes) -> str:
    """The text of what must look like one good answer."""
    events = events_of(stream)
    assert not any("error" in each for each in events)
    assert len({(each["id"], each["model"], each["created"]) for each in events}) == 1
    deltas = [choice["delta"] for each in events for choice in each["choices"]]
    assert ["role" in delta for delta in deltas] == [True] + [False] * (len(deltas) - 1)
    *others, last = [c["finish_reason"] for each in events for c in each["choices"]]
    assert (set(others), last) == ({None}, "stop")
    assert events[-1]["usage"] == usage(3, 2)
    return "".join(delta.get("content") or "" for delta in deltas)


def sent(targets: Targets) -> list[dict[str, Any]]:
    """The bodies of all requests."""
    return [orjson.loads(request.body) for request in targets.wires.requests]
