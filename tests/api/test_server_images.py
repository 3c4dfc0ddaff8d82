"""The two endpoints for pictures, from the request's bytes to the answer's."""

import base64
import json
import logging
from typing import Any

import pytest

from llm_gateway.config import Capability, Config
from llm_gateway.errors import UpstreamConnectionError
from support.fakes import FakeResponse, FakeSink, make_config, make_model, make_provider
from support.pictures import JPEG, PNG
from support.scripted import PlainPainter, make_kind
from support.served import PROMPT, Served, error_of

GENERATIONS = ["/v1/images/generations", "/images/generations"]


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


@pytest.fixture(autouse=True)
def _kind(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = make_kind(images=PlainPainter)
    monkeypatch.setattr("llm_gateway.runtime.KINDS", {"openai": kind})


def painters() -> Config:
    image = (Capability.IMAGE,)
    models = [
        make_model("talker", model="up-talker"),
        make_model("painter", model="up-painter", capabilities=image),
        make_model("another", model="up-another", capabilities=image),
    ]
    return make_config([make_provider()], models)


def served(caplog: pytest.LogCaptureFixture, *answers: FakeResponse | Exception) -> Served:
    return Served(caplog, *answers, config=painters())


def drawn(content: bytes = PNG, **headers: str) -> FakeResponse:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return FakeResponse(content, content_type="image/png", headers=fields)


def ask(**fields: Any) -> dict[str, Any]:
    return {"prompt": PROMPT, **fields}


def headers_of(sink: FakeSink, model: str = "p/up-painter") -> None:
    """The headers that every answer to an exchange has."""
    assert sink.header("x-request-id") == "req_test"
    assert sink.header("x-ai-proxy-model") == model
    assert sink.header("x-ai-proxy-attempts") == "1"


@pytest.mark.parametrize("path", GENERATIONS)
async def test_pictures_are_answered_as_openai_does(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    scene = served(caplog, drawn(x_tokens="42"), drawn(JPEG))
    sink = await scene.serve(path, ask(model="painter", n=2))
    assert (sink.status, sink.header("content-type")) == (200, "application/json")
    answer = json.loads(sink.body)
    pictures = [base64.b64decode(each["b64_json"]) for each in answer["data"]]
    assert pictures == [PNG, JPEG]
    assert answer["usage"] == {"input_tokens": 1, "output_tokens": 42}
    headers_of(sink)
    assert scene.line == (
        f"req_test POST {path} painter -> p/up-painter 200 total 0.500s tokens 1+42"
    )


async def test_pictures_are_urls_where_that_was_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = served(caplog, drawn(JPEG))
    sink = await scene.serve(GENERATIONS[0], ask(response_format="url"))
    [picture] = json.loads(sink.body)["data"]
    assert picture["url"] == f"data:image/jpeg;base64,{base64.b64encode(JPEG).decode()}"
    assert "b64_json" not in picture
    assert scene.line


@pytest.mark.parametrize("body", [ask(), ask(model=""), ask(model="all"), {"inputs": PROMPT}])
async def test_one_picture_is_drawn_by_any_model_that_draws(
    body: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    scene = served(caplog, drawn())
    sink = await scene.serve("/image", body)
    assert (sink.status, sink.header("content-type"), sink.body) == (200, "image/png", PNG)
    assert not sink.streamed
    headers_of(sink)
    assert scene.wire.requests[0].body == PROMPT.encode()
    assert scene.line == "req_test POST /image any -> p/up-painter 200 total 0.500s"


async def test_one_picture_is_drawn_by_the_model_that_was_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = served(caplog, drawn(JPEG))
    sink = await scene.serve("/image", ask(model="another", n=3))
    assert (sink.status, sink.header("content-type"), sink.body) == (200, "image/jpeg", JPEG)
    headers_of(sink, "p/up-another")
    assert len(scene.wire.requests) == 1


@pytest.mark.parametrize("content", [b"https://p.invalid/a.png", b"<!doctype html>", b""])
async def test_one_picture_that_is_none_is_a_502_in_json(
    content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    scene = served(caplog, drawn(content))
    sink = await scene.serve("/image", ask(quality="high"))
    assert (sink.status, error_of(sink)["code"]) == (502, "upstream_invalid_response")
    headers_of(sink)
    assert sink.header("x-ai-proxy-dropped") == "quality"
    assert " 502 upstream_invalid_response " in scene.line


@pytest.mark.parametrize("path", [*GENERATIONS, "/image"])
@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, None),
        (b"{}", 400, "missing_required_parameter"),
        (b'{"prompt": ""}', 400, "invalid_value"),
        (b'{"prompt": "x", "model": ["painter"]}', 400, "invalid_type"),
        (b'{"prompt": "x", "model": "talker"}', 404, "model_not_found"),
        (b'{"prompt": "x", "model": "nobody"}', 404, "model_not_found"),
    ],
)
async def test_a_bad_request_is_refused_and_nothing_is_sent(
    path: str, body: bytes, status: int, code: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    scene = served(caplog)
    sink = await scene.serve(path, body)
    assert (sink.status, error_of(sink)["code"]) == (status, code)
    assert sink.header("x-ai-proxy-model") is None
    assert scene.wire.requests == []
    assert f" {status} " in scene.line


@pytest.mark.parametrize("path", [GENERATIONS[0], "/image"])
async def test_a_provider_s_failure_is_answered_with_its_status(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    broken = UpstreamConnectionError("It broke.", detail="reset")
    scene = served(caplog, FakeResponse(b"", status=503), broken)
    sinks = [await scene.serve(path, ask(model="painter")) for _ in range(2)]
    assert [sink.status for sink in sinks] == [503, 502]
    for sink in sinks:
        assert error_of(sink)["code"]
        headers_of(sink)
