"""The models that chat are listed."""

import orjson
import pytest

from llm_gateway.adapters.contract import Listed
from llm_gateway.adapters.gigachat.models import list_models
from llm_gateway.errors import UpstreamAuthError, UpstreamError
from support.calls import LABEL, SITE, run_steps, whole


def listed(data: object) -> tuple[Listed, ...]:
    body = orjson.dumps({"object": "list", "data": data})
    return run_steps(list_models(SITE, LABEL), [whole(200, body)])[0]


def test_they_are_asked_for_once() -> None:
    _, (request,) = run_steps(list_models(SITE, LABEL), [whole(200, b'{"data":[]}')])
    assert (request.method, request.url) == ("GET", "http://p.invalid/base/models")
    assert dict(request.headers)["authorization"].startswith("Bearer ***")
    assert request.body == b""


def test_only_those_of_the_type_chat_are_told() -> None:
    data = [
        {"id": "GigaChat-2", "object": "model", "owned_by": "salutedevices", "type": "chat"},
        {"id": "Embeddings", "object": "model", "owned_by": "salutedevices", "type": "embedder"},
        {"id": "GigaCheckClassification", "type": "aicheck"},
        {"id": "GigaChat-2-Max", "type": "chat"},
        {"id": "GigaChat-2", "type": "chat"},
    ]
    assert listed(data) == (Listed("GigaChat-2", "chat"), Listed("GigaChat-2-Max", "chat"))


@pytest.mark.parametrize(
    "data", [None, {}, [], [None, 7, {}, {"type": "chat"}, {"id": 7, "type": "chat"}, {"id": "x"}]]
)
def test_a_strange_list_is_an_empty_one(data: object) -> None:
    assert listed(data) == ()


def test_a_failure_is_told() -> None:
    with pytest.raises(UpstreamAuthError):
        run_steps(list_models(SITE, LABEL), [whole(401, b"")])
    with pytest.raises(UpstreamError):
        run_steps(list_models(SITE, LABEL), [whole(200, b"<html>")])
