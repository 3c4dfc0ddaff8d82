"""A client flow shows masked texts, and is served as the client wrote it."""

import re

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from llm_gateway.inspect.veil import Veil
from llm_gateway.masks import Masks
from llm_gateway.secret import Secret

BODY = b'{"content": "from x@example.com"}'


@pytest.fixture
def masks() -> Masks:
    masks = Masks()
    masks.adopt([re.compile(r"\w+@example\.com")])
    return masks


def request(body: bytes = BODY) -> http.HTTPFlow:
    flow = tflow.tflow()
    flow.request.content = body
    return flow


def shown(flow: http.HTTPFlow) -> bytes:
    assert flow.request.data.content is not None
    return flow.request.data.content


def test_what_is_shown_is_masked_and_what_is_served_is_not(masks: Masks) -> None:
    veil, flow = Veil(masks), request()
    veil.cover(flow)
    assert b"example.com" not in shown(flow)
    assert flow.request.headers["content-length"] == str(len(shown(flow)))
    assert veil.lift(flow) is BODY


def test_what_was_edited_is_served_with_the_texts_in_their_places(masks: Masks) -> None:
    veil, flow = Veil(masks), request()
    veil.cover(flow)
    flow.request.content = shown(flow).replace(b"from", b"to")
    assert veil.lift(flow) == BODY.replace(b"from", b"to")


def test_a_replay_is_served_with_the_texts_in_their_places(masks: Masks) -> None:
    veil, flow = Veil(masks), request()
    veil.cover(flow)
    before = shown(flow)
    flow.is_replay = "request"
    veil.cover(flow)
    assert shown(flow) == before
    assert veil.lift(flow) == BODY


def test_a_client_gets_nobody_else_s_text_by_its_placeholder(masks: Masks) -> None:
    veil, first = Veil(masks), request()
    veil.cover(first)
    second = request(shown(first))
    veil.cover(second)
    assert veil.lift(second) == shown(first)


SECRET = "canary+token/of=test"
MASKED = Secret(SECRET).masked


def test_a_token_in_the_address_is_masked(masks: Masks) -> None:
    masks.adopt([], [Secret(SECRET)])
    flow = request()
    flow.request.path = f"/v1/{SECRET}?a=canary%2Btoken%2Fof%3Dtest&b=1"
    Veil(masks).cover_path(flow)
    assert flow.request.path == f"/v1/{MASKED}?a={MASKED}&b=1"


def test_a_token_in_any_field_is_masked(masks: Masks) -> None:
    masks.adopt([], [Secret(SECRET)])
    flow = request()
    flow.request.headers = http.Headers([(b"x-one", f"a {SECRET} b".encode()), (b"x-two", b"\xff")])
    Veil(masks).cover_fields(flow)
    assert flow.request.headers.fields == (
        (b"x-one", f"a {MASKED} b".encode()),
        (b"x-two", b"\xff"),
    )


def test_a_head_without_a_token_is_left_alone(masks: Masks) -> None:
    masks.adopt([], [Secret(SECRET)])
    flow = request()
    fields, path = flow.request.headers.fields, flow.request.path
    veil = Veil(masks)
    veil.cover_path(flow)
    veil.cover_fields(flow)
    assert flow.request.headers.fields is fields
    assert flow.request.path == path


def test_without_masks_a_request_is_left_alone() -> None:
    veil, flow = Veil(Masks()), request()
    veil.cover(flow)
    assert shown(flow) is BODY
    assert veil.lift(flow) is BODY


def test_a_request_without_a_body_has_none(masks: Masks) -> None:
    veil, flow = Veil(masks), tflow.tflow()
    flow.request.data.content = None
    veil.cover(flow)
    assert veil.lift(flow) == b""


def test_an_answer_that_goes_to_nobody_is_masked(masks: Masks) -> None:
    veil, flow = Veil(masks), tflow.tflow(resp=True)
    assert flow.response is not None
    flow.response.content = BODY
    veil.cover_answer(flow)
    assert flow.response.content == masks.hide(BODY)


def test_there_may_be_no_answer(masks: Masks) -> None:
    flow = tflow.tflow()
    Veil(masks).cover_answer(flow)
    assert flow.response is None
