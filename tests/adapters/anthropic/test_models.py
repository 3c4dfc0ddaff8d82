"""The list of models, to its last page."""

import json

import pytest

from llm_gateway.adapters.anthropic import KIND
from llm_gateway.adapters.contract import Listed, ModelsLister, Whole
from llm_gateway.errors import UpstreamAuthError, UpstreamInvalidResponse
from support.calls import LABEL, SITE, run_steps, whole


def lister() -> ModelsLister:
    assert KIND.models is not None
    return KIND.models


def page(*ids: object, **more: object) -> Whole:
    data = [{"type": "model", "id": id, "display_name": "D"} for id in ids]
    return whole(200, json.dumps({"data": data, "has_more": False, **more}).encode())


def test_one_page_is_one_request_with_the_keys() -> None:
    models, [sent] = run_steps(lister()(SITE, LABEL), [page("a", "b")])
    assert models == (Listed("a", "chat"), Listed("b", "chat"))
    assert (sent.method, sent.url) == ("GET", "http://p.invalid/base/models?limit=1000")
    assert dict(sent.headers)["authorization"] == "Bearer ***12345678"


def test_further_pages_are_asked_for() -> None:
    pages = [page("a", has_more=True, last_id="a/1&"), page("b", last_id="b")]
    models, sent = run_steps(lister()(SITE, LABEL), pages)
    assert [model.id for model in models] == ["a", "b"]
    assert sent[1].url == "http://p.invalid/base/models?limit=1000&after_id=a%2F1%26"


@pytest.mark.parametrize("more", [{"last_id": None}, {"last_id": 5}, {}])
def test_a_page_that_does_not_say_what_comes_next_is_the_last(more: dict[str, object]) -> None:
    models, sent = run_steps(lister()(SITE, LABEL), [page("a", 5, "", has_more=True, **more)])
    assert (models, len(sent)) == ((Listed("a", "chat"),), 1)


def test_a_list_without_end_has_one() -> None:
    endless = [page("a", has_more=True, last_id="a")] * 20
    assert len(run_steps(lister()(SITE, LABEL), endless)[1]) == 20


def test_a_refused_key_is_an_error() -> None:
    body = b'{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"}}'
    with pytest.raises(UpstreamAuthError):
        run_steps(lister()(SITE, LABEL), [whole(401, body)])


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>"])
def test_what_is_no_list_is_an_error(body: bytes) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        run_steps(lister()(SITE, LABEL), [whole(200, body)])
