"""Pictures are asked for, paid for, and refused."""

import base64
import json
from typing import Any

import pytest

from llm_gateway.adapters.contract import ImageAdapter, Whole
from llm_gateway.adapters.gemini import KIND
from llm_gateway.errors import (
    RequestError,
    Retry,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnsupported,
)
from llm_gateway.wire import UpstreamRequest
from support.calls import CREATED, make_image_call, run_steps, whole
from support.gemini_rules import check_generate_request, check_reply
from support.openai_shapes import JSONObject
from support.pictures import JPEG, PNG

MODEL = "gemini-2.5-flash-image"
PICTURE = base64.b64encode(PNG).decode()
DRAWN: JSONObject = {"inlineData": {"mimeType": "image/png", "data": PICTURE}}
USAGE = {
    "promptTokenCount": 10,
    "candidatesTokenCount": 1290,
    "totalTokenCount": 1300,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 10}],
}


def adapter_of(model: str = MODEL, **fields: Any) -> ImageAdapter:
    assert KIND.images is not None
    return KIND.images(make_image_call({"prompt": "A cat", **fields}, model=model))


def reply(*parts: JSONObject, reason: str = "STOP", **more: Any) -> Whole:
    content = {"parts": [*parts], "role": "model"}
    candidate = {"content": content, "finishReason": reason, "index": 0}
    body = {"candidates": [candidate], "usageMetadata": USAGE, **more}
    return whole(200, json.dumps(check_reply(body)).encode())


def drawn(adapter: ImageAdapter, *answers: Whole) -> tuple[JSONObject, list[UpstreamRequest]]:
    return run_steps(adapter.steps(), answers)


def config(**fields: Any) -> JSONObject:
    _, [request] = drawn(adapter_of(**fields), reply(DRAWN))
    body: JSONObject = json.loads(request.body)
    check_generate_request(body, MODEL)
    settings: JSONObject = body["generationConfig"]
    return settings


def test_a_picture_is_asked_for_in_words() -> None:
    _, [request] = drawn(adapter_of(), reply(DRAWN))
    assert request.url == f"http://p.invalid/base/models/{MODEL}:generateContent"
    assert json.loads(request.body) == {
        "contents": [{"role": "user", "parts": [{"text": "A cat"}]}],
        "generationConfig": {"responseModalities": ["TEXT", "IMAGE"]},
    }


def test_the_answer_holds_the_picture_its_format_and_its_price() -> None:
    answer, _ = drawn(adapter_of(), reply({"text": "Here."}, DRAWN))
    assert answer == {
        "created": CREATED,
        "data": [{"b64_json": PICTURE}],
        "output_format": "png",
        "usage": {
            "input_tokens": 10,
            "output_tokens": 1290,
            "total_tokens": 1300,
            "input_tokens_details": {"text_tokens": 10, "image_tokens": 0},
        },
    }


def test_a_price_that_is_not_told_is_not_made_up() -> None:
    untold = json.loads(reply(DRAWN).body) | {"usageMetadata": {}}
    answer, _ = drawn(adapter_of(), whole(200, json.dumps(untold).encode()))
    assert "usage" not in answer


@pytest.mark.parametrize(
    ("size", "image"),
    [
        (None, None),
        ("auto", None),
        ("1024x1024", {"aspectRatio": "1:1"}),
        ("1536x1024", {"aspectRatio": "3:2"}),
        ("1024x1536", {"aspectRatio": "2:3"}),
        ("1792x1024", {"aspectRatio": "16:9"}),
        ("1024x1792", {"aspectRatio": "9:16"}),
        ("2048x2048", {"aspectRatio": "1:1", "imageSize": "2K"}),
        ("3840x2160", {"aspectRatio": "16:9", "imageSize": "2K"}),
        ("4096x1000", {"aspectRatio": "21:9", "imageSize": "4K"}),
    ],
)
def test_a_size_becomes_the_nearest_shape(size: str | None, image: JSONObject | None) -> None:
    assert config(size=size).get("imageConfig") == image


@pytest.mark.parametrize("size", ["big", "1024", "0x5", 1024, "1024x1024x1024"])
def test_a_size_that_is_none_is_the_client_s_mistake(size: Any) -> None:
    with pytest.raises(RequestError) as caught:
        config(size=size)
    assert caught.value.param == "size"


def test_several_pictures_are_as_many_requests_at_once() -> None:
    jpeg = base64.b64encode(JPEG).decode()
    second: JSONObject = {"inlineData": {"mimeType": "image/jpeg", "data": jpeg}}
    adapter = adapter_of(n=2)
    steps = adapter.steps()
    batch = next(steps)
    assert batch[0] == batch[1]
    assert len(batch) == 2
    with pytest.raises(StopIteration) as stopped:
        steps.send([reply(DRAWN), reply(second, DRAWN)])
    answer = stopped.value.value
    assert [each["b64_json"] for each in answer["data"]] == [PICTURE, jpeg]
    assert answer["usage"]["total_tokens"] == 2600


def test_a_picture_that_was_refused_does_not_take_the_others_along() -> None:
    refused = reply(reason="IMAGE_SAFETY")
    answer, _ = drawn(adapter_of(n=2), refused, reply(DRAWN))
    assert answer["data"] == [{"b64_json": PICTURE}]


@pytest.mark.parametrize(
    ("answer", "message", "code"),
    [
        (reply({"text": "I don't draw that."}), "I don't draw that.", "upstream_rejected"),
        (
            reply(reason="IMAGE_SAFETY"),
            "The provider withheld the answer: IMAGE_SAFETY.",
            "content_policy_violation",
        ),
        (
            reply({"text": "No."}, reason="PROHIBITED_CONTENT"),
            "No.",
            "content_policy_violation",
        ),
        (
            whole(200, b'{"promptFeedback": {"blockReason": "SAFETY"}}'),
            "The provider blocked the prompt: SAFETY.",
            "content_policy_violation",
        ),
    ],
)
def test_a_refusal_is_told_in_the_model_s_words(answer: Whole, message: str, code: str) -> None:
    with pytest.raises(UpstreamRejected) as caught:
        drawn(adapter_of(), answer)
    error = caught.value
    assert (error.status, error.message, error.code) == (400, message, code)
    assert error.retry is Retry.NEVER


@pytest.mark.parametrize(
    "answer",
    [
        reply(reason="NO_IMAGE"),
        reply({**DRAWN, "thought": True}),
        reply({"inlineData": {"mimeType": "image/png", "data": ""}}),
        reply({"inlineData": {"mimeType": "audio/wav", "data": "AAAA"}}),
        whole(200, b"{}"),
        whole(200, b'{"candidates": [5, {"content": 5}]}'),
        whole(200, b"<html>"),
        whole(200, reply(DRAWN).body.replace(PICTURE.encode(), b"?")),
    ],
)
def test_an_answer_without_a_picture_is_none(answer: Whole) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        drawn(adapter_of(), answer)


def test_a_failure_of_one_is_a_failure_of_all() -> None:
    busy = whole(429, b'{"error": {"code": 429, "message": "Please retry in 3s."}}')
    with pytest.raises(UpstreamRateLimited) as caught:
        drawn(adapter_of(n=2), reply(DRAWN), busy)
    assert caught.value.retry_after == 3
    with pytest.raises(UpstreamRateLimited):
        drawn(adapter_of(), whole(200, busy.body))


@pytest.mark.parametrize("model", ["imagen-4.0-generate-001", "models/imagen-3.0"])
def test_models_that_were_shut_down_are_refused_plainly(model: str) -> None:
    with pytest.raises(UpstreamUnsupported, match="Imagen") as caught:
        next(adapter_of(model).steps())
    assert caught.value.param == "model"


def test_what_only_hints_is_left_out_and_reported() -> None:
    adapter = adapter_of(quality="high", style="vivid", response_format="b64_json", user=None)
    _, [request] = drawn(adapter, reply(DRAWN))
    assert adapter.dropped == ("quality", "style")
    assert "high" not in request.body.decode()


def test_what_would_change_the_picture_is_refused() -> None:
    with pytest.raises(UpstreamUnsupported) as caught:
        next(adapter_of(background="transparent").steps())
    assert caught.value.param == "background"
