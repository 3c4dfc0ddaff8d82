"""What people look at and play again: flows with anything in them."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from mitmproxy import contentviews, http

from fuzz.recorded import replies, requests
from fuzz.target import Choices, Shape, Target
from llm_gateway.adapters import KINDS
from llm_gateway.errors import RequestError
from llm_gateway.inspect.kin import Kin
from llm_gateway.inspect.views.chat import ChatView
from llm_gateway.inspect.views.compare import CompareView
from llm_gateway.inspect.views.diff import DiffView
from llm_gateway.inspect.views.message import MessageView
from llm_gateway.inspect.views.route import RouteView
from llm_gateway.recordings.answers import serve
from llm_gateway.recordings.asked import by_gateway
from llm_gateway.recordings.tape import Tape, TapeError
from support.our_flows import answered, attempt_flow, client_flow
from support.tapes import flow, record, stream, whole

CHAT_KINDS = tuple(KINDS)
TYPES = ("application/json", "text/event-stream", "text/plain", "", "image/png")
STATUSES = (200, 200, 400, 429, 500, 204)
BUG = "This view failed"
LONGEST_VIEW = 4_000_000
"""Characters."""


def view(data: bytes) -> None:
    """Every view shows any body as text."""
    choices = Choices(data)
    kind, content_type = choices.one_of(CHAT_KINDS), choices.one_of(TYPES)
    status, is_answer = choices.one_of(STATUSES), choices.flag()
    body = choices.rest
    made = (
        attempt_flow(answer=answered(body, content_type, status), kind=kind, compare="c")
        if is_answer
        else attempt_flow(body, answer=answered(b"{}"), kind=kind)
    )
    client = client_flow(body if not is_answer else b"{}", answer=answered(body, content_type))
    kin = Kin()
    for shown in (made, client):
        kin.add(shown)
    views = (MessageView(), ChatView(), CompareView(kin), DiffView(kin), RouteView(kin))
    for each in views:
        for shown in (made, client):
            look(each, shown)


def look(view: contentviews.Contentview, shown: http.HTTPFlow) -> None:
    """What a view says of the two messages of a flow."""
    for message in (shown.request, shown.response):
        assert message is not None
        about = contentviews.Metadata(
            content_type=message.headers.get("content-type"), flow=shown, http_message=message
        )
        body = message.raw_content or b""
        view.render_priority(body, about)
        text = view.prettify(body, about)
        assert BUG not in text, text
        assert len(text) <= LONGEST_VIEW


def tape(data: bytes) -> None:
    """Any file is a recording, or it is said why it is none."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "tape.mitm"
        path.write_bytes(data)
        play(path)


def play(path: Path) -> None:
    """Serve every answer on a tape, to whom it was given and to whom wants it otherwise."""
    try:
        found = Tape(path)
    except TapeError as error:
        assert str(error).isprintable()
        return
    for recording in found.recordings:
        asked, answer = found.play(recording)
        served = serve(answer, asked)
        assert all(seconds >= 0 for seconds, _ in served.pieces)
        other = by_gateway("https://a/v1/chat/completions", b'{"model": "m"}')
        serve(answer, other)


def recording(data: bytes) -> None:
    """The same for a file that is well-formed, with anything in it."""
    told = _told(data)
    path, status, metadata = told.get("path"), told.get("status"), told.get("metadata", {})
    if not isinstance(path, str) or not isinstance(metadata, dict):
        return
    made = flow(
        _content(told.get("asked")),
        _content(told.get("answer")),
        path=path.encode("ascii", "replace").decode(),
        status=status if isinstance(status, int) and 0 <= status < 1000 else 200,
        content_type=str(told.get("type")).encode("ascii", "replace").decode(),
        metadata={f"ai.{name}": value for name, value in metadata.items()},
    )
    with tempfile.TemporaryDirectory() as name:
        play(record(Path(name) / "tape.mitm", [made]))


def asked(data: bytes) -> None:
    """What the gateway asks is found again, however its keys are ordered."""
    try:
        found = by_gateway("https://a/v1/chat/completions", data)
    except RequestError:
        return
    again = orjson.dumps(orjson.loads(data), option=orjson.OPT_SORT_KEYS)
    assert by_gateway("https://b/v1/chat/completions", again).key == found.key


def _told(data: bytes) -> dict[str, Any]:
    try:
        told = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def _content(value: object) -> bytes:
    return value.encode() if isinstance(value, str) else orjson.dumps(value)


def _bodies() -> Iterator[bytes]:
    for kind, body in requests():
        yield bytes([CHAT_KINDS.index(kind), 0, 0, 0]) + body
    for number, name in enumerate(("reply.json", "reply.sse")):
        for kind, body in replies(name):
            yield bytes([CHAT_KINDS.index(kind), number, 0, 1]) + body


def _tapes() -> Iterator[bytes]:
    chat = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    with tempfile.TemporaryDirectory() as name:
        for answer in (whole("Hello"), stream("Hel", "lo"), None):
            yield record(Path(name) / "tape", [flow(chat, answer)]).read_bytes()


def _described() -> Iterator[bytes]:
    chat = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    metadata = {"arrivals": [10, 5, 40, 8], "prompt_tokens": 3, "completion_tokens": 2}
    for path, answer in (
        ("/v1/chat/completions", whole("Hello").decode()),
        ("/v1/chat/completions", stream("Hel", "lo").decode()),
        ("/image", "\x89PNG"),
        ("/v1/images/generations", '{"data": [{"url": "data:image/png;base64,AAAA"}]}'),
    ):
        asks = {**chat, "stream": "data:" in answer, "prompt": "A cat"}
        told = {"path": path, "asked": asks, "answer": answer, "type": "", "status": 200}
        yield orjson.dumps({**told, "metadata": metadata})


def _asked() -> list[bytes]:
    return [body for _, body in requests()]


TARGETS = (
    Target("views", view, 4, Shape.JSON, _bodies, longest=16384),
    Target("tape", tape, recorded=_tapes),
    Target("recording", recording, shape=Shape.JSON, recorded=_described),
    Target("asked", asked, shape=Shape.JSON, recorded=_asked),
)
