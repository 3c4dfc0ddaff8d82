"""A streamed body is kept for its flow, up to a limit."""

import pytest
from mitmproxy.test import tflow

from llm_gateway.inspect.bodies import MAX_KEPT_BYTES, BodyTap


def test_the_pieces_become_the_content_in_order() -> None:
    flow = tflow.tflow(resp=True)
    tap = BodyTap()
    for piece in (b"one ", b"", b"two ", b"three"):
        tap.add(piece)
    tap.store(flow)
    assert flow.response is not None
    assert flow.response.raw_content == b"one two three"
    assert flow.comment == ""


@pytest.mark.parametrize("pieces", [[b"123456789"], [b"1234", b"56789"], [b"12345", b"6789"]])
def test_what_is_above_the_limit_is_cut_and_the_comment_says_so(pieces: list[bytes]) -> None:
    flow = tflow.tflow(resp=True)
    tap = BodyTap(limit=5)
    for piece in pieces:
        tap.add(piece)
    tap.store(flow)
    assert flow.response is not None
    assert flow.response.raw_content == b"12345"
    assert flow.comment == "body cut: the first 5 of 9 bytes are kept"


def test_a_body_of_exactly_the_limit_is_whole() -> None:
    flow = tflow.tflow(resp=True)
    tap = BodyTap(limit=5)
    tap.add(b"12345")
    tap.store(flow)
    assert flow.response is not None
    assert flow.response.raw_content == b"12345"
    assert flow.comment == ""


def test_a_persons_comment_is_not_lost_when_a_body_is_cut() -> None:
    flow = tflow.tflow(resp=True)
    flow.comment = "look here"
    tap = BodyTap(limit=1)
    tap.add(b"12")
    tap.store(flow)
    assert "look here" in flow.comment
    assert "body cut" in flow.comment


def test_a_flow_without_a_response_is_left_alone() -> None:
    flow = tflow.tflow()
    tap = BodyTap()
    tap.add(b"early")
    tap.store(flow)
    assert flow.response is None


def test_what_is_stored_twice_is_stored_as_it_is_then() -> None:
    flow = tflow.tflow(resp=True)
    tap = BodyTap()
    tap.add(b"one ")
    tap.store(flow)
    tap.add(b"two")
    tap.store(flow)
    assert flow.response is not None
    assert flow.response.raw_content == b"one two"


def test_an_endless_stream_keeps_no_more_than_the_limit() -> None:
    tap = BodyTap()
    piece = bytes(1024 * 1024)
    for _ in range(10):
        tap.add(piece)
    flow = tflow.tflow(resp=True)
    tap.store(flow)
    assert flow.response is not None
    assert len(flow.response.raw_content or b"") == MAX_KEPT_BYTES
