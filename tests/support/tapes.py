"""Flow files with exchanges of the gateway, as it leaves them."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from mitmproxy import http
from mitmproxy.flow import Flow
from mitmproxy.io import FlowWriter
from mitmproxy.test import tflow, tutils

from llm_gateway import sse
from support.openai_shapes import JSONObject, completion, message, usage
from support.openai_shapes import first_chunk as first
from support.openai_shapes import last_chunk as last
from support.openai_shapes import text_chunk as text

CHAT = "/v1/chat/completions"
ASKED_AT = 1_763_733_780.0
"""2025-11-21 14:03:00 UTC."""


def chat(said: str = "What is it?", model: str = "gpt-4o", **fields: Any) -> JSONObject:
    """A chat request with one user message."""
    return {"model": model, "messages": [{"role": "user", "content": said}], **fields}


def whole(said: str, model: str = "gpt-4o") -> bytes:
    """A whole answer that says this."""
    return json.dumps(completion(model, [message(said)], "stop", usage(3, 2))).encode()


def stream(*words: str, model: str = "gpt-4o") -> bytes:
    """A whole stream that says this, a chunk for each word; without usage."""
    chunks = [first(model), *(text(model, word) for word in words), last(model)]
    return b"".join(sse.encode(orjson.dumps(each)) for each in chunks) + sse.DONE


def flow(
    body: JSONObject | bytes,
    answer: bytes | None,
    *,
    path: str = CHAT,
    status: int = 200,
    content_type: str = "",
    headers: Mapping[str, str] = {},
    at: float = ASKED_AT,
    metadata: Mapping[str, Any] = {},
) -> http.HTTPFlow:
    """A client flow; without ``answer``, one that was broken off."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    is_stream = answer is not None and answer.startswith(b"data:")
    kind = content_type or ("text/event-stream" if is_stream else "application/json")
    request = tutils.treq(method=b"POST", path=path.encode(), content=content, timestamp_start=at)
    made = tflow.tflow(req=request)
    made.timestamp_created = at
    made.metadata |= {"ai.exchange": f"req_{made.id}", **metadata}
    if answer is not None:
        made.response = http.Response.make(status, answer, {"content-type": kind, **headers})
        made.response.timestamp_start = made.response.timestamp_end = at + 2
    return made


def record(path: Path, flows: Iterable[Flow]) -> Path:
    """Write a flow file."""
    with path.open("wb") as file:
        writer = FlowWriter(file)
        for each in flows:
            writer.add(each)
    return path


def arrivals(body: bytes, times: Sequence[int]) -> list[int]:
    """The metadata of a stream whose events came at these times, in milliseconds."""
    ends = [end + 2 for end in range(len(body)) if body[end : end + 2] == b"\n\n"]
    return [each for pair in zip(ends, times, strict=True) for each in pair]
