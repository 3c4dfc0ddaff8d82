"""What a provider was not told stands in a header."""

import logging
from collections.abc import Mapping
from typing import Any, override

import pytest

from llm_gateway.api.server import MAX_FIELD
from llm_gateway.errors import UpstreamConnectionError
from llm_gateway.wire import UpstreamRequest
from support.fakes import FakeResponse, FakeSink, chat_body, frame, make_config, make_model
from support.scripted import PlainAdapter, make_kind
from support.served import PROMPT, Served


class Dropping(PlainAdapter):
    """Sends nothing but the model and the messages."""

    @override
    def encode(self) -> UpstreamRequest:
        kept = {"model", "messages", "stream"}
        self.dropped = tuple(name for name in self.call.body if name not in kept)
        return self.call.post("/chat", {})


@pytest.fixture(autouse=True)
def _kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_gateway.runtime.KINDS", {"openai": make_kind(Dropping)})


async def served(
    caplog: pytest.LogCaptureFixture,
    fields: Mapping[str, Any],
    *,
    answer: FakeResponse | Exception | None = None,
    omit: tuple[str, ...] = (),
) -> FakeSink:
    caplog.set_level(logging.INFO)
    answer = answer or FakeResponse(b"fine", content_type="application/json")
    scene = Served(caplog, answer, config=make_config(models=[make_model(omit=omit)]))
    sink = await scene.serve(body=chat_body(PROMPT, **fields))
    assert scene.line
    return sink


@pytest.mark.parametrize(
    ("fields", "omit", "header"),
    [
        ({}, (), None),
        ({}, ("top_p",), None),
        ({"seed": 7}, (), "seed"),
        ({"seed": 7, "user": "u"}, (), "seed, user"),
        ({"seed": 7, "top_p": 1}, ("top_p",), "top_p, seed"),
        ({"m[0].name": 1, "m[12].name": 1, "m[1].x[2]": 1}, (), "m[].name, m[].x[]"),
    ],
)
async def test_it_names_what_was_left_out_and_is_not_there_where_nothing_was(
    fields: dict[str, Any],
    omit: tuple[str, ...],
    header: str | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sink = await served(caplog, fields, omit=omit)
    assert sink.status == 200
    assert sink.header("x-ai-proxy-dropped") == header


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("größe", "gr??e"),
        ("😀", "?"),
        ("a\r\nset-cookie: b", "a??set-cookie: b"),
        ("a\0\x1b\x7f", "a???"),
        ("\u202ea", "?a"),
    ],
)
async def test_it_is_plain_ascii_whatever_a_client_calls_its_fields(
    name: str, shown: str, caplog: pytest.LogCaptureFixture
) -> None:
    sink = await served(caplog, {name: 1})
    assert sink.header("x-ai-proxy-dropped") == shown


@pytest.mark.parametrize("names", [["x" * 100_000], [f"field_{n}" for n in range(10_000)]])
async def test_it_is_bounded(names: list[str], caplog: pytest.LogCaptureFixture) -> None:
    header = (await served(caplog, dict.fromkeys(names, 1))).header("x-ai-proxy-dropped")
    assert header is not None
    assert len(header) == MAX_FIELD + 3
    assert header.startswith(names[0][:100])
    assert header.endswith("...")


async def test_one_that_just_fits_is_whole(caplog: pytest.LogCaptureFixture) -> None:
    name = "x" * MAX_FIELD
    assert (await served(caplog, {name: 1})).header("x-ai-proxy-dropped") == name


@pytest.mark.parametrize(
    "answer",
    [
        FakeResponse(frame("hello"), frame("[DONE]")),
        FakeResponse(b"", status=503),
        UpstreamConnectionError("It broke."),
    ],
    ids=["stream", "error status", "no answer"],
)
async def test_streams_and_failures_have_it_as_well(
    answer: FakeResponse | Exception, caplog: pytest.LogCaptureFixture
) -> None:
    sink = await served(caplog, {"stream": True, "seed": 7}, answer=answer)
    assert sink.header("x-ai-proxy-dropped") == "seed"
