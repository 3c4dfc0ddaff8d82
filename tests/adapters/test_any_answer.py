"""Whatever a provider answers in between, the steps of an adapter end well or in UpstreamError.

Pictures, lists of models, and what has to be done before a chat are made in steps.
"""

from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_gateway.adapters import KINDS
from llm_gateway.adapters.contract import Listed, Steps
from llm_gateway.errors import UpstreamError
from support.any_json import anything
from support.calls import LABEL, SITE, make_call, make_image_call, whole
from support.field_samples import DATA_URL

MADE_UP = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MOST = 100
"""Requests after which nobody believes that the steps ever end."""

WORDS = st.sampled_from(
    [
        "data", "b64_json", "url", "usage", "input_tokens", "choices", "message", "content",
        "images", "image_url", "candidates", "parts", "inlineData", "mimeType", "predictions",
        "bytesBase64Encoded", "result", "image", "models", "id", "name", "type", "next_page_token",
        "nextPageToken", "has_more", "last_id", "supportedGenerationMethods", "errors", "success",
        "architecture", "output_modalities", "task", "error", "code", "iVBORw0KGgo=",
        '<img src="a1b2c3d4-0000-1111-2222-333344445555" fuse="true"/>', "generateContent",
    ]
)  # fmt: skip
BODIES = anything(WORDS).map(orjson.dumps) | st.binary(max_size=20)
ANSWERS = st.builds(
    whole,
    st.sampled_from([200, 200, 200, 201, 204, 302, 400, 401, 404, 429, 500]),
    BODIES,
    st.sampled_from(["application/json", "image/png", "text/html", ""]),
)


def carried_out[T](steps: Steps[T], choose: st.DataObject) -> T | None:
    """What the steps end with, None if it is an UpstreamError."""
    try:
        batch = next(steps)
        for _ in range(MOST):
            assert batch
            batch = steps.send([choose.draw(ANSWERS) for _ in batch])
    except StopIteration as stop:
        result: T = stop.value
        return result
    except UpstreamError:
        return None
    raise AssertionError("the steps do not end")


@pytest.mark.parametrize("kind", [kind for kind, row in KINDS.items() if row.images is not None])
@given(st.data(), st.sampled_from(["up-model", "imagen-4", "@cf/a/flux-1-schnell"]))
@MADE_UP
def test_pictures_come_or_none_do(kind: str, choose: st.DataObject, model: str) -> None:
    factory = KINDS[kind].images
    assert factory is not None
    adapter = factory(make_image_call({"model": "m", "prompt": "A cat", "n": 2}, model=model))
    response = carried_out(adapter.steps(), choose)
    if response is None:
        return
    assert orjson.dumps(response)
    assert response["data"]
    for picture in response["data"]:
        assert isinstance(picture.get("b64_json") or picture.get("url"), str)


@pytest.mark.parametrize("kind", [kind for kind, row in KINDS.items() if row.models is not None])
@given(st.data())
@MADE_UP
def test_models_are_listed_or_none_are(kind: str, choose: st.DataObject) -> None:
    lister = KINDS[kind].models
    assert lister is not None
    listed = carried_out(lister(SITE, LABEL), choose)
    for model in listed or ():
        assert isinstance(model, Listed)
        assert isinstance(model.id, str)
        assert model.id
        assert model.capability in {"chat", "image"}


PICTURE = {"type": "image_url", "image_url": {"url": DATA_URL}}
WITH_PICTURE: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": [PICTURE]}],
}


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
@settings(MADE_UP, max_examples=15)
def test_preparations_succeed_or_fail(kind: str, choose: st.DataObject) -> None:
    adapter = KINDS[kind].chat(make_call(WITH_PICTURE))
    carried_out(adapter.prepare(), choose)
