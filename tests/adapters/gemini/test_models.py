"""Google's list of models: page by page, and only what can be used."""

import json
from typing import Any

import pytest

from llm_gateway.adapters.contract import Listed, Whole
from llm_gateway.adapters.gemini import KIND
from llm_gateway.errors import UpstreamAuthError, UpstreamError, UpstreamInvalidResponse
from llm_gateway.wire import UpstreamRequest
from support.calls import LABEL, SITE, run_steps, whole


def model(name: object, *methods: str) -> dict[str, Any]:
    return {"name": name, "supportedGenerationMethods": [*methods]}


def page(*models: object, token: str = "") -> Whole:
    more = {"nextPageToken": token} if token else {}
    return whole(200, json.dumps({"models": [*models], **more}).encode())


def listed(*answers: Whole) -> tuple[tuple[Listed, ...], list[UpstreamRequest]]:
    assert KIND.models is not None
    return run_steps(KIND.models(SITE, LABEL), answers)


def test_the_list_is_asked_for_with_the_key_and_without_a_body() -> None:
    _, [request] = listed(page())
    assert (request.method, request.url) == ("GET", "http://p.invalid/base/models?pageSize=1000")
    assert request.body == b""
    assert set(SITE.headers) <= set(request.headers)


def test_models_that_answer_and_models_that_draw_are_told_apart() -> None:
    models, _ = listed(
        page(
            model("models/gemini-3-pro", "generateContent", "countTokens"),
            model("models/gemini-3-pro-image", "generateContent"),
            model("models/gemini-2.5-flash-image-preview", "generateContent"),
            model("models/gemini-nano-banana-2.1", "generateContent"),
            model("models/imaginary", "generateContent"),
        )
    )
    assert models == (
        Listed("gemini-3-pro", "chat"),
        Listed("gemini-3-pro-image", "image"),
        Listed("gemini-2.5-flash-image-preview", "image"),
        Listed("gemini-nano-banana-2.1", "image"),
        Listed("imaginary", "chat"),
    )


def test_what_cannot_be_used_is_not_listed() -> None:
    models, _ = listed(
        page(
            model("models/text-embedding-004", "embedContent"),
            model("models/imagen-4.0-generate-001", "predict"),
            model("models/gemini-2.5-flash-preview-tts", "generateContent"),
            model("models/gemini-2.5-flash-native-audio-latest", "generateContent"),
            model("models/lyria-3-pro-preview", "generateContent"),
            model("models/gemini-omni-1.2-flash", "generateContent"),
            model("", "generateContent"),
            model(5, "generateContent"),
            {"name": "models/a", "supportedGenerationMethods": "generateContent"},
            {"name": "models/b"},
            None,
        )
    )
    assert models == ()


def test_every_page_is_asked_for_and_each_model_listed_once() -> None:
    models, requests = listed(
        page(model("models/a", "generateContent"), token="a/b="),
        page(model("models/a", "generateContent"), model("models/b", "generateContent")),
    )
    assert [each.id for each in models] == ["a", "b"]
    assert [each.url.partition("?")[2] for each in requests] == [
        "pageSize=1000",
        "pageSize=1000&pageToken=a%2Fb%3D",
    ]


def test_pages_without_end_come_to_an_end() -> None:
    models, requests = listed(*[page(model("models/a", "generateContent"), token="x")] * 20)
    assert len(models) == 1
    assert len(requests) == 20


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (whole(403, b'{"error": {"code": 403, "message": "No"}}'), UpstreamAuthError),
        (whole(200, b'{"error": {"code": 403, "message": "No"}}'), UpstreamAuthError),
        (whole(200, b"<html>"), UpstreamInvalidResponse),
        (whole(200, b"[]"), UpstreamInvalidResponse),
    ],
)
def test_a_list_that_is_none_is_an_error(answer: Whole, error: type[UpstreamError]) -> None:
    with pytest.raises(error):
        listed(answer)
