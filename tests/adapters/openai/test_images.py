"""Pictures: what is asked for in each provider's words, and what counts as an answer."""

import base64
import json
from typing import Any

import pytest
from openai.types import ImagesResponse

from llm_gateway.adapters.contract import ImageAdapter
from llm_gateway.adapters.openai import KINDS
from llm_gateway.errors import (
    RequestError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamUnsupported,
)
from support.calls import CREATED, make_image_call, run_steps, unchanged, whole
from support.openai_images import check_images_request
from support.openrouter_rules import check_images_request as check_for_openrouter
from support.pictures import PNG

DRAWN = {"b64_json": base64.b64encode(PNG).decode()}
REPLY = {"created": 1763700001, "data": [DRAWN], "usage": {"total_tokens": 281}}
DRAWING = [name for name, kind in KINDS.items() if kind.images is not None]


def painter(kind: str, model: str = "up-model", **fields: Any) -> ImageAdapter:
    images = KINDS[kind].images
    assert images is not None
    return images(make_image_call({"model": "m", "prompt": "A dot", **fields}, model=model))


def sent(kind: str, model: str = "up-model", **fields: Any) -> tuple[dict[str, Any], ImageAdapter]:
    """The body that is sent, and the adapter."""
    adapter = painter(kind, model, **fields)
    before = unchanged(adapter.call.body)
    _, [request] = run_steps(adapter.steps(), [whole(200, json.dumps(REPLY).encode())])
    assert adapter.call.body == before
    body: dict[str, Any] = json.loads(request.body)
    return body, adapter


def drawn(kind: str, reply: object, status: int = 200, **fields: Any) -> dict[str, Any]:
    """What becomes of this reply."""
    content = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
    response, _ = run_steps(painter(kind, **fields).steps(), [whole(status, content)])
    return response


@pytest.mark.parametrize("kind", DRAWING)
def test_a_plain_request_goes_below_the_base_url(kind: str) -> None:
    path = "/images" if kind == "openrouter" else "/images/generations"
    _, [request] = run_steps(painter(kind).steps(), [whole(200, json.dumps(REPLY).encode())])
    assert (request.method, request.url) == ("POST", f"http://p.invalid/base{path}")
    assert json.loads(request.body) == {"model": "up-model", "prompt": "A dot"}
    assert dict(request.headers)["content-type"] == "application/json"


@pytest.mark.parametrize("kind", DRAWING)
def test_a_good_reply_is_the_response(kind: str) -> None:
    response = drawn(kind, REPLY)
    assert response == REPLY
    ImagesResponse.model_validate({**response, "usage": None})


@pytest.mark.parametrize("kind", DRAWING)
def test_pictures_do_not_come_as_a_stream(kind: str) -> None:
    with pytest.raises(UpstreamUnsupported) as caught:
        sent(kind, stream=True)
    assert caught.value.param == "stream"
    body, _ = sent(kind, stream=False)
    assert "stream" not in body


EVERYTHING: dict[str, Any] = {
    "n": 2,
    "size": "1536x1024",
    "quality": "high",
    "background": "transparent",
    "output_format": "png",
    "output_compression": 90,
    "moderation": "low",
    "user": "u1",
}


def test_openai_gets_what_the_client_says() -> None:
    body, adapter = sent("openai", "gpt-image-1", **EVERYTHING)
    assert body == {"model": "gpt-image-1", "prompt": "A dot", **EVERYTHING}
    assert adapter.dropped == ()
    check_images_request(body)


@pytest.mark.parametrize(
    ("model", "is_sent"),
    [
        ("dall-e-3", True),
        ("flux-of-a-local-server", True),
        ("gpt-image-1", False),
        ("gpt-image-2.5-sunburst", False),
        ("chatgpt-image-latest", False),
    ],
)
@pytest.mark.parametrize("form", ["url", "b64_json"])
def test_only_models_that_know_more_than_one_form_are_asked_for_one(
    model: str, is_sent: bool, form: str
) -> None:
    body, adapter = sent("openai", model, response_format=form)
    assert body.get("response_format") == (form if is_sent else None)
    assert adapter.dropped == ()


def test_together_draws_by_width_and_height() -> None:
    fields = {**EVERYTHING, "response_format": "b64_json", "steps": 4}
    body, adapter = sent("together", **fields)
    assert body == {
        "model": "up-model",
        "prompt": "A dot",
        "n": 2,
        "width": 1536,
        "height": 1024,
        "output_format": "png",
        "response_format": "base64",
        "steps": 4,
    }
    assert sorted(adapter.dropped) == [
        *("background", "moderation", "output_compression", "quality", "user"),
    ]


@pytest.mark.parametrize("size", [None, "auto"])
def test_together_chooses_a_size_where_none_is_given(size: str | None) -> None:
    body, adapter = sent("together", size=size, response_format="url")
    assert body == {"model": "up-model", "prompt": "A dot", "response_format": "url"}
    assert adapter.dropped == ()


def test_a_size_that_is_none_is_the_client_s_mistake() -> None:
    with pytest.raises(RequestError) as caught:
        sent("together", size="big")
    assert caught.value.param == "size"


def test_xai_draws_by_aspect_ratio() -> None:
    body, adapter = sent("xai", **EVERYTHING, aspect_ratio="16:9", response_format="url")
    assert body == {
        "model": "up-model",
        "prompt": "A dot",
        "n": 2,
        "quality": "high",
        "user": "u1",
        "aspect_ratio": "16:9",
        "response_format": "url",
    }
    assert sorted(adapter.dropped) == [
        *("background", "moderation", "output_compression", "output_format", "size"),
    ]


def test_openrouter_gets_what_its_own_api_knows() -> None:
    fields = {**EVERYTHING, "response_format": "url", "aspect_ratio": "3:2", "seed": 1}
    body, adapter = sent("openrouter", **fields)
    assert check_for_openrouter(body).keys() == {
        *("model", "prompt", "n", "size", "quality", "background", "output_format"),
        *("output_compression", "aspect_ratio", "seed"),
    }
    assert sorted(adapter.dropped) == ["moderation", "user"]


@pytest.mark.parametrize(
    "reply",
    [
        b"<html>",
        [],
        {},
        {"data": None},
        {"data": []},
        {"data": [None, {}, {"b64_json": ""}, {"b64_json": None, "url": 5}]},
    ],
)
def test_an_answer_without_a_picture_is_none(reply: object) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        drawn("openai", reply)


def test_what_is_no_picture_among_pictures_is_left_out() -> None:
    url = {"url": "https://p.invalid/1.png", "revised_prompt": "A black dot"}
    assert drawn("openai", {"created": 1, "data": [url, {}, DRAWN]})["data"] == [url, DRAWN]


@pytest.mark.parametrize("created", [None, "2026", 1.5, True])
def test_an_answer_without_a_time_is_dated(created: object) -> None:
    reply = {"id": "x", "object": "list", "created": created, "data": [DRAWN]}
    assert drawn("together", reply)["created"] == CREATED


@pytest.mark.parametrize("kind", DRAWING)
def test_an_error_is_one_with_any_status(kind: str) -> None:
    error = {"error": {"message": "Slow", "code": 429}}
    for status in (200, 429):
        with pytest.raises(UpstreamRateLimited, match="Slow"):
            drawn(kind, error, status)


def test_a_refused_prompt_is_told() -> None:
    error = {
        "message": "Your request was rejected by the safety system.",
        "code": "moderation_blocked",
    }
    with pytest.raises(UpstreamError, match="safety system") as caught:
        drawn("openai", {"error": error}, 400)
    assert caught.value.status == 400
