"""An attempt's flow shows masked texts; the provider and the engine get what was written."""

import json
import re
from collections.abc import Callable

import pytest
from mitmproxy import http
from mitmproxy.test import taddons

from llm_gateway.errors import UpstreamConnectionError
from llm_gateway.inspect.attempts import Publisher
from llm_gateway.masks import Masks
from llm_gateway.patience import Patience
from llm_gateway.wire import JSON, UpstreamRequest, read_whole
from support.fakes import LABEL, FakeResponse, FakeWire

MAIL = "x@example.com"
ASKED = json.dumps({"content": f"from {MAIL}"}).encode()
ANSWERED = json.dumps({"content": f"hello {MAIL}"}).encode()
EVENTS = (b'data: {"delta": "to x@exa"}\n\n', b'data: {"delta": "mple.com."}\n\n')
REQUEST = UpstreamRequest("POST", "https://p.invalid/v1/chat/completions", (), ASKED, LABEL)

type Edit = Callable[[http.Message], None]


def nothing(message: http.Message) -> None:
    """Nobody edits it."""


def shout(message: http.Message) -> None:
    """A person edits what they see."""
    message.text = (message.text or "").replace("from", "FROM").replace("hello", "HELLO")


class Editor:
    """An addon that keeps what it is shown, and edits it."""

    def __init__(self, edit: Edit) -> None:
        self._edit = edit
        self.shown: list[str] = []
        self.flow: http.HTTPFlow | None = None

    def request(self, flow: http.HTTPFlow) -> None:
        self._see(flow.request)

    def response(self, flow: http.HTTPFlow) -> None:
        assert flow.response is not None
        self._see(flow.response)

    def error(self, flow: http.HTTPFlow) -> None:
        self.flow = flow

    def _see(self, message: http.Message) -> None:
        self.shown.append(re.sub(r"\[masked:\w{8}\]", "#", message.text or ""))
        self._edit(message)


async def sent(editor: Editor, wire: FakeWire) -> bytes:
    """What the engine reads of the answer."""
    masks = Masks()
    masks.adopt([re.compile(re.escape(MAIL))])
    with taddons.context(editor) as context:
        publisher = Publisher(context.master.addons, lambda: True, masks=masks)
        return await read_whole(await publisher.wrap(wire).send(REQUEST, Patience()))


@pytest.mark.parametrize("edit", [nothing, shout])
async def test_what_is_shown_is_masked_and_what_goes_on_is_not(edit: Edit) -> None:
    editor = Editor(edit)
    wire = FakeWire(FakeResponse(ANSWERED, content_type=JSON))
    answer = await sent(editor, wire)
    assert editor.shown == ['{"content": "from #"}', '{"content": "hello #"}']
    edited = edit is shout
    assert wire.requests[0].body == (ASKED.replace(b"from", b"FROM") if edited else ASKED)
    assert answer == (ANSWERED.replace(b"hello", b"HELLO") if edited else ANSWERED)


async def test_a_stream_goes_on_as_it_comes_and_is_kept_masked() -> None:
    editor = Editor(nothing)
    assert await sent(editor, FakeWire(FakeResponse(*EVENTS))) == b"".join(EVENTS)
    assert editor.shown[1] == 'data: {"delta":"to #"}\n\ndata: {"delta":"."}\n\n'


async def test_an_error_that_quotes_the_text_is_masked() -> None:
    editor = Editor(nothing)
    with pytest.raises(UpstreamConnectionError, match=r"about x@example\.com"):
        await sent(editor, FakeWire(UpstreamConnectionError(f"about {MAIL}")))
    assert editor.flow is not None
    assert editor.flow.error is not None
    assert editor.flow.error.msg.startswith("about [masked:")
