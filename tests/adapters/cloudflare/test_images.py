"""Pictures: one request for each, JSON or a form, and whatever comes back."""

import base64
import json
from typing import Any

import pytest

from llm_gateway.adapters.cloudflare.images import NativeImages
from llm_gateway.adapters.contract import Whole
from llm_gateway.errors import (
    RequestError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnsupported,
)
from llm_gateway.wire import UpstreamRequest
from support.calls import CREATED, make_image_call, run_steps, unchanged, whole
from support.cloudflare_rules import (
    Diffusion,
    Flux1,
    Flux2,
    check_drawing,
    envelope,
    read_form,
)
from support.fake_cloudflare import FLUX_1, FLUX_2, SDXL
from support.openai_shapes import JSONObject
from support.pictures import JPEG, PNG

ENCODED = base64.b64encode(JPEG).decode()
IN_JSON = whole(200, json.dumps(envelope({"image": ENCODED})).encode())
IN_BYTES = whole(200, PNG, "image/png")


def draw(
    *answers: Whole, model: str = SDXL, **fields: Any
) -> tuple[JSONObject, list[UpstreamRequest], NativeImages]:
    """What the client gets, what was sent, and the adapter."""
    body = {"model": "m", "prompt": "A cat.", **fields}
    before = unchanged(body)
    adapter = NativeImages(make_image_call(body, model=model))
    result, sent = run_steps(adapter.steps(), answers)
    assert body == before
    return result, sent, adapter


def sent_for(model: str = SDXL, **fields: Any) -> JSONObject:
    """The body that is sent for one picture, as JSON."""
    _, (request,), _ = draw(IN_BYTES, model=model, **fields)
    body: JSONObject = json.loads(request.body)
    return body


def test_the_model_stands_in_the_address_with_its_slashes() -> None:
    _, (request,), _ = draw(IN_BYTES)
    assert request.method == "POST"
    assert request.url == f"http://p.invalid/base/run/{SDXL}"
    assert dict(request.headers)["content-type"] == "application/json"
    assert dict(request.headers)["accept"] == "image/*, application/json"


def test_a_size_becomes_width_and_height() -> None:
    body = sent_for(size="512x768", num_steps=8, negative_prompt="dogs")
    check_drawing(Diffusion, body)
    assert body == {
        "prompt": "A cat.",
        "width": 512,
        "height": 768,
        "num_steps": 8,
        "negative_prompt": "dogs",
    }


@pytest.mark.parametrize("size", ["auto", None])
def test_no_size_is_none(size: str | None) -> None:
    assert sent_for(size=size) == {"prompt": "A cat."}


def test_a_size_that_is_none_is_the_clients_fault() -> None:
    with pytest.raises(RequestError) as caught:
        draw(size="big")
    assert caught.value.param == "size"


def test_flux_1_knows_one_size_only() -> None:
    _, (request,), adapter = draw(IN_JSON, model=FLUX_1, size="512x512", steps=4)
    body = json.loads(request.body)
    check_drawing(Flux1, body)
    assert body == {"prompt": "A cat.", "steps": 4}
    assert adapter.dropped == ("size",)


def test_flux_2_gets_a_form() -> None:
    _, (request,), _ = draw(IN_JSON, model=FLUX_2, size="512x768", steps=25, seed=3)
    content_type = dict(request.headers)["content-type"]
    form = read_form(content_type, request.body)
    check_drawing(Flux2, form)
    assert form == {
        "prompt": "A cat.", "steps": "25", "width": "512", "height": "768", "seed": "3",
    }  # fmt: skip


def test_n_pictures_are_n_requests_at_once_with_seeds_of_their_own() -> None:
    body = {"model": "m", "prompt": "A cat.", "n": 3, "seed": 5}
    steps = NativeImages(make_image_call(body, model=SDXL)).steps()
    batch = next(steps)
    assert [json.loads(request.body)["seed"] for request in batch] == [5, 6, 7]
    with pytest.raises(StopIteration) as stop:
        steps.send([IN_BYTES, IN_JSON, IN_BYTES])
    encoded = base64.b64encode(PNG).decode()
    assert [each["b64_json"] for each in stop.value.value["data"]] == [encoded, ENCODED, encoded]


@pytest.mark.parametrize("seed", [2**64 - 1, 2**63, -(2**63), 0])
@pytest.mark.parametrize("model", [SDXL, FLUX_2])
def test_no_seed_is_too_large_to_be_counted_on_from(model: str, seed: int) -> None:
    _, (one, other), _ = draw(IN_BYTES, IN_BYTES, model=model, n=2, seed=seed)
    assert one.body != other.body


def test_without_a_seed_none_is_sent() -> None:
    _, sent, _ = draw(IN_BYTES, IN_BYTES, n=2)
    assert ["seed" in json.loads(request.body) for request in sent] == [False, False]


def test_the_answer_is_openais_and_names_the_format() -> None:
    result, _, _ = draw(IN_JSON)
    assert result == {
        "created": CREATED,
        "data": [{"b64_json": ENCODED}],
        "output_format": "jpeg",
    }


@pytest.mark.parametrize(
    "answer",
    [
        IN_JSON,
        whole(200, JPEG, "image/jpeg"),
        whole(200, JPEG, "application/octet-stream"),
        whole(200, JPEG, ""),
        whole(200, json.dumps({"image": ENCODED}).encode()),
        whole(200, json.dumps(envelope(ENCODED)).encode()),
        whole(200, json.dumps(envelope({"image": f"data:image/jpeg;base64,{ENCODED}"})).encode()),
        whole(200, json.dumps({"image": base64.encodebytes(JPEG).decode()}).encode()),
    ],
)
def test_a_picture_is_found_in_whatever_comes(answer: Whole) -> None:
    result, _, _ = draw(answer)
    assert result["data"] == [{"b64_json": ENCODED}]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        json.dumps(envelope(None)).encode(),
        json.dumps(envelope({})).encode(),
        json.dumps(envelope({"image": 5})).encode(),
        json.dumps(envelope({"image": ""})).encode(),
        json.dumps(envelope({"image": "é"})).encode(),
        json.dumps(envelope({"image": "AAAA"})).encode(),
        json.dumps(envelope([])).encode(),
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "image/png"])
def test_an_answer_without_a_picture_is_none(body: bytes, content_type: str) -> None:
    for answers in ([whole(200, body, content_type)], [IN_BYTES, whole(200, body, content_type)]):
        with pytest.raises(UpstreamInvalidResponse):
            draw(*answers, n=len(answers))


def test_one_picture_that_failed_fails_them_all() -> None:
    limit = envelope(None, {"code": 3040, "message": "Capacity temporarily exceeded."})
    for status, content_type in ((200, "application/json"), (200, "image/png"), (429, "")):
        failed = whole(status, json.dumps(limit).encode(), content_type, retry_after="5")
        with pytest.raises(UpstreamRateLimited) as caught:
            draw(IN_BYTES, failed, n=2)
        assert caught.value.retry_after == 5


def test_a_prompt_that_may_not_be_drawn_is_refused_by_openais_name() -> None:
    refusal = envelope(None, {"code": 8007, "message": "Input prompt contains NSFW content"})
    with pytest.raises(UpstreamRejected) as caught:
        draw(whole(400, json.dumps(refusal).encode()))
    assert (caught.value.status, caught.value.code) == (400, "content_policy_violation")


@pytest.mark.parametrize(
    ("name", "value"),
    [("background", "transparent"), ("stream", True), ("svg", {}), ("frame_count", 4)],
)
def test_what_it_cannot_draw_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(UpstreamUnsupported) as caught:
        draw(**{name: value})
    assert caught.value.param == name


def test_hints_are_left_out_and_noted() -> None:
    fields: JSONObject = {"quality": "high", "style": "vivid", "user": "u", "made_up": 1}
    _, (request,), adapter = draw(IN_BYTES, **fields)
    assert json.loads(request.body) == {"prompt": "A cat."}
    assert sorted(adapter.dropped) == sorted(fields)
