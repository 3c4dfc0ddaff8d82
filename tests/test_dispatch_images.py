"""One exchange for pictures, from a validated request to OpenAI's response."""

import asyncio
import base64
from dataclasses import dataclass, field, replace
from typing import Any, override

import pytest

from llm_gateway.adapters.contract import ImageCall, Steps, Usage
from llm_gateway.config import Capability, Limits, Model, ThrottlePolicy, Windows
from llm_gateway.dispatch import ChatRequest, ImageRequest
from llm_gateway.errors import (
    GatewayError,
    RequestError,
    Retry,
    UpstreamAuthError,
    UpstreamConnectionError,
    UpstreamTimeout,
    UpstreamUnsupported,
)
from llm_gateway.trace import Trace
from llm_gateway.wire import Label
from support.exchange import NOW
from support.fakes import (
    FakeResponse,
    FakeWire,
    chat_body,
    make_config,
    make_dispatcher,
    make_gatekeeper,
    make_model,
    make_provider,
    make_upstreams,
)
from support.pictures import PNG
from support.scripted import PlainPainter, make_kind

PICTURE = {"b64_json": base64.b64encode(PNG).decode(), "revised_prompt": "a dot"}
KIND = make_kind(images=PlainPainter)
IMAGE = (Capability.IMAGE,)
MODELS = (
    make_model("talker", model="up-talker"),
    make_model("painter", model="up-painter", capabilities=IMAGE, omit=("style",)),
    make_model("both", model="up-both", capabilities=(Capability.CHAT, Capability.IMAGE)),
)


@dataclass
class Drawing:
    """An exchange over a wire that gives these answers."""

    answers: tuple[FakeResponse | Exception | asyncio.Event, ...]
    body: dict[str, Any] = field(default_factory=dict)
    model: str | None = "painter"
    models: tuple[Model, ...] = MODELS
    kind: Any = KIND
    deadline: float = 10.0

    def __post_init__(self) -> None:
        self.wire = FakeWire(*self.answers)
        self.trace = Trace("req_test")
        config = make_config([make_provider()], self.models)
        upstreams = make_upstreams(config, {"p": self.wire}, {"openai": self.kind})
        self.gatekeeper = make_gatekeeper(config)
        self.dispatcher = make_dispatcher(
            config, upstreams, self.deadline, clock=lambda: NOW, gatekeeper=self.gatekeeper
        )

    async def response(self) -> dict[str, Any]:
        request = ImageRequest({"prompt": "A dot.", **self.body}, self.model)
        return await self.dispatcher.images(request, self.trace)

    async def failure(self) -> GatewayError:
        with pytest.raises(GatewayError) as caught:
            await self.response()
        return caught.value


def drawn(**headers: str) -> FakeResponse:
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return FakeResponse(PNG, content_type="image/png", headers=fields)


async def test_pictures_are_asked_for_and_answered_as_openai_does() -> None:
    drawing = Drawing((drawn(), drawn()), {"n": 2})
    assert await drawing.response() == {"created": int(NOW), "data": [PICTURE, PICTURE]}
    first, second = drawing.wire.requests
    assert first == second
    assert (first.url, first.body) == ("http://p.invalid/v1/draw", b"A dot.")
    assert first.label == Label("req_test", 1, "p", "up-painter", kind="openai")
    trace = drawing.trace
    assert (trace.model, trace.target, trace.attempts) == ("painter", "p/up-painter", 1)
    assert (trace.usage, trace.failure, trace.dropped) == (None, None, ())


async def test_the_usage_that_the_provider_counts_is_noted() -> None:
    drawing = Drawing((drawn(x_tokens="42"),))
    assert (await drawing.response())["usage"] == {"input_tokens": 1, "output_tokens": 42}
    assert drawing.trace.usage == Usage(1, 42, special=True)


@pytest.mark.parametrize(
    ("usage", "noted"),
    [
        ({"input_tokens": 3}, Usage(3, 0, special=True)),
        ({"input_tokens": -3, "output_tokens": True}, Usage(0, 0, special=True)),
        ({"input_tokens": 2**60, "output_tokens": 0.5}, Usage(0, 0, special=True)),
        ({"input_tokens": "3", "output_tokens": None}, Usage(0, 0, special=True)),
        ({}, Usage(0, 0, special=True)),
        (None, None),
        ([], None),
    ],
)
async def test_a_usage_that_is_none_is_no_reason_to_fail(usage: Any, noted: Usage | None) -> None:
    class Counting(PlainPainter):
        @override
        def steps(self) -> Steps[dict[str, Any]]:
            response = yield from super().steps()
            return {**response, "usage": usage}

    drawing = Drawing((drawn(),), kind=make_kind(images=Counting))
    await drawing.response()
    assert drawing.trace.usage == noted


@pytest.mark.parametrize("model", ["painter", "p/painter", "p/up-painter", "both"])
async def test_any_model_that_draws_can_be_asked_for(model: str) -> None:
    drawing = Drawing((drawn(),), model=model)
    assert (await drawing.response())["data"] == [PICTURE]
    assert drawing.trace.model == model


async def test_without_a_model_any_that_draws_is_asked() -> None:
    busy = FakeResponse(b"", status=503)
    drawing = Drawing((busy, drawn()), model=None)
    await drawing.response()
    assert (drawing.trace.model, drawing.trace.target) == ("any", "p/up-both")
    assert drawing.trace.way == "p/up-painter=upstream_unavailable, p/up-both=ok"


async def test_without_a_model_and_none_that_draws_there_is_nothing_to_ask() -> None:
    drawing = Drawing((), model=None, models=MODELS[:1])
    error = await drawing.failure()
    assert isinstance(error, RequestError)
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    assert "image" in error.message
    assert (drawing.trace.model, drawing.trace.attempts) == ("any", 0)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("talker", "The model `talker` makes no pictures, as far as the configuration says."),
        ("p/up-talker", "The model `p/up-talker` makes no pictures"),
        ("nobody", "The model `nobody` does not exist"),
    ],
)
async def test_a_model_that_does_not_draw_is_refused_in_words(model: str, said: str) -> None:
    drawing = Drawing((), model=model)
    error = await drawing.failure()
    assert (error.status, error.code) == (404, "model_not_found")
    assert error.message.startswith(said)
    assert (drawing.trace.model, drawing.trace.target) == (model, None)


async def test_a_model_that_only_draws_cannot_be_talked_to_and_the_endpoint_is_named() -> None:
    drawing = Drawing(())
    request = ChatRequest(chat_body(), "painter", stream=False)
    with pytest.raises(RequestError) as caught:
        await drawing.dispatcher.chat(request, drawing.trace)
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")
    assert caught.value.message == (
        "The model `painter` makes pictures. Use /v1/images/generations."
    )


async def test_a_provider_whose_kind_draws_nothing_is_not_asked() -> None:
    drawing = Drawing((), kind=make_kind())
    error = await drawing.failure()
    assert isinstance(error, UpstreamUnsupported)
    assert (error.status, error.param) == (400, "model")
    assert drawing.wire.requests == []


@pytest.mark.parametrize(
    ("body", "dropped"),
    [
        ({}, ()),
        ({"quality": "high"}, ("quality",)),
        ({"quality": "high", "style": "vivid"}, ("style", "quality")),
    ],
)
async def test_what_the_provider_is_not_told_is_noted(
    body: dict[str, Any], dropped: tuple[str, ...]
) -> None:
    drawing = Drawing((drawn(),), body)
    await drawing.response()
    assert drawing.trace.dropped == dropped


async def test_a_model_s_own_omissions_are_not_in_its_call() -> None:
    seen: list[ImageCall] = []

    def make(call: ImageCall) -> PlainPainter:
        seen.append(call)
        return PlainPainter(call)

    drawing = Drawing((drawn(),), {"style": "vivid"}, kind=make_kind(images=make))
    await drawing.response()
    [call] = seen
    assert call.body == {"prompt": "A dot."}
    assert (call.model, call.created, call.n) == ("up-painter", int(NOW), 1)


async def test_a_failure_of_the_provider_s_is_the_client_s_answer() -> None:
    drawing = Drawing((FakeResponse(b"", status=503),))
    assert (await drawing.failure()).status == 503
    broken = UpstreamConnectionError("It broke.")
    assert await Drawing((drawn(), broken), {"n": 2}).failure() is broken


async def test_a_token_that_is_over_is_mended_by_a_second_attempt() -> None:
    drawing = Drawing((FakeResponse(b"", status=401), drawn()))
    assert (await drawing.response())["data"] == [PICTURE]
    assert [each.label.attempt for each in drawing.wire.requests] == [1, 2]
    assert drawing.trace.attempts == 2


async def test_there_is_no_third_attempt() -> None:
    last = UpstreamAuthError("Still over.", retry=Retry.HERE)
    drawing = Drawing((FakeResponse(b"", status=401), last))
    assert await drawing.failure() is last
    assert drawing.trace.attempts == 2


async def test_the_deadline_bounds_the_whole_drawing() -> None:
    drawing = Drawing((drawn(), asyncio.Event()), {"n": 2}, deadline=0.02)
    error = await drawing.failure()
    assert isinstance(error, UpstreamTimeout)
    assert "deadline of 0.02 s" in error.message


@pytest.mark.parametrize(
    ("limits", "places"), [({"limits": Limits(Windows(minute=3))}, None), ({}, 1)]
)
async def test_each_picture_is_a_call_of_its_own_where_calls_count(
    limits: dict[str, Any], places: int | None
) -> None:
    models = tuple(replace(model, **limits) for model in MODELS)
    drawing = Drawing(tuple(drawn() for _ in range(3)), {"n": 3}, models=models)
    gate = drawing.gatekeeper.gate(models[1])
    gate.provider.throttle.adopt(ThrottlePolicy(max_concurrent=places), 100)
    assert len((await drawing.response())["data"]) == 3
    assert (gate.provider.throttle.running, len(drawing.wire.requests)) == (0, 3)
    if limits:
        error = await drawing.failure()
        assert (error.status, error.code) == (429, "rate_limit_exceeded")


async def test_pictures_beyond_a_quota_are_not_drawn_there() -> None:
    models = tuple(replace(model, limits=Limits(Windows(minute=2))) for model in MODELS)
    drawing = Drawing(tuple(drawn() for _ in range(3)), {"n": 3}, models=models)
    error = await drawing.failure()
    assert (error.status, error.code) == (429, "rate_limit_exceeded")
    assert len(drawing.wire.requests) == 2
