"""A streamed body is kept for its flow, up to a limit."""

import asyncio
import re
from itertools import count, pairwise

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from llm_gateway.inspect.bodies import MAX_ARRIVALS, MAX_KEPT_BYTES, SHOWN_EVERY, BodyTap, Screen
from llm_gateway.inspect.metadata import ARRIVALS, CUT
from llm_gateway.masks import NO_MASKS, Masks
from support.virtual_time import run


def test_the_pieces_become_the_content_in_order() -> None:
    flow = tflow.tflow(resp=True)
    tap = BodyTap(flow)
    for piece in (b"one ", b"", b"two ", b"three"):
        tap.add(piece)
    tap.store()
    assert flow.response is not None
    assert flow.response.raw_content == b"one two three"
    assert flow.comment == ""


def test_each_piece_has_its_end_and_its_time_since_the_request_left() -> None:
    now = 50.0
    flow = tflow.tflow(resp=True)
    tap = BodyTap(flow, clock=lambda: now)
    now = 100.0
    tap.begin()
    now = 100.25
    tap.add(b"one ")
    now = 101.5
    tap.add(b"two")
    tap.store()
    assert flow.metadata[ARRIVALS] == [4, 250, 7, 1500]


def test_of_very_many_pieces_fewer_times_are_kept_and_the_last_is_among_them() -> None:
    flow = tflow.tflow(resp=True)
    ticks = count()
    tap = BodyTap(flow, clock=lambda: float(next(ticks)))
    for _ in range(5 * MAX_ARRIVALS + 1):
        tap.add(b"x")
    tap.store()
    ends, times = flow.metadata[ARRIVALS][::2], flow.metadata[ARRIVALS][1::2]
    assert MAX_ARRIVALS / 2 <= len(ends) <= MAX_ARRIVALS
    assert ends[-1] == 5 * MAX_ARRIVALS + 1
    assert times == [1000 * end for end in ends], "each end has its own time"


@pytest.mark.parametrize("pieces", [[b"123456789"], [b"1234", b"56789"], [b"12345", b"6789"]])
def test_what_is_above_the_limit_is_cut_and_the_metadata_say_so(pieces: list[bytes]) -> None:
    flow = tflow.tflow(resp=True)
    tap = BodyTap(flow, limit=5)
    for piece in pieces:
        tap.add(piece)
    tap.store()
    assert flow.response is not None
    assert flow.response.raw_content == b"12345"
    assert flow.metadata[CUT] == "body cut: 5 of 9 bytes are kept"


def test_a_body_of_exactly_the_limit_is_whole() -> None:
    flow = tflow.tflow(resp=True)
    tap = BodyTap(flow, limit=5)
    tap.add(b"12345")
    tap.store()
    assert flow.response is not None
    assert flow.response.raw_content == b"12345"
    assert CUT not in flow.metadata


def test_a_flow_without_a_response_is_left_alone() -> None:
    flow = tflow.tflow()
    tap = BodyTap(flow)
    tap.add(b"early")
    tap.store()
    assert flow.response is None


def test_what_is_stored_twice_is_stored_as_it_is_then() -> None:
    flow = tflow.tflow(resp=True)
    tap = BodyTap(flow)
    tap.add(b"one ")
    tap.store()
    tap.add(b"two")
    tap.store()
    assert flow.response is not None
    assert flow.response.raw_content == b"one two"


def test_an_endless_stream_keeps_no_more_than_the_limit() -> None:
    flow = tflow.tflow(resp=True)
    tap = BodyTap(flow)
    piece = bytes(1024 * 1024)
    for _ in range(10):
        tap.add(piece)
    tap.store()
    assert flow.response is not None
    assert len(flow.response.raw_content or b"") == MAX_KEPT_BYTES


def masking(pattern: str) -> Masks:
    masks = Masks()
    masks.adopt([re.compile(pattern)])
    return masks


def test_what_is_masked_in_a_body_is_masked_across_its_pieces() -> None:
    flow = tflow.tflow(resp=True)
    tap = BodyTap(flow, masks=masking("secret"))
    for piece in (b"a sec", b"ret word"):
        tap.add(piece)
    tap.store()
    assert flow.response is not None
    assert re.fullmatch(rb"a \[masked:\w{8}\] word", flow.response.raw_content or b"")
    # They would be those of another body.
    assert ARRIVALS not in flow.metadata


class Page:
    """A page that is open or not, and the bodies that it was shown, with their times."""

    def __init__(self, *, is_open: bool) -> None:
        self.is_open = is_open
        self.shown: list[tuple[float, bytes]] = []

    def screen(self) -> Screen:
        return Screen(lambda: self.is_open, self._update, has_list=True)

    def _update(self, flow: http.HTTPFlow) -> None:
        assert flow.response is not None
        now = asyncio.get_running_loop().time()
        self.shown.append((round(now, 3), flow.response.raw_content or b""))


def growing(
    page: Page, *, pieces: int, every: float, masks: Masks = NO_MASKS
) -> list[tuple[float, bytes]]:
    """What a page is shown of a body that grows by a byte at a time, and is never stored."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        flow = tflow.tflow(resp=True)
        tap = BodyTap(flow, page.screen(), masks, clock=loop.time)
        for _ in range(pieces):
            tap.add(b"x")
            await asyncio.sleep(every)
        await asyncio.sleep(1.0)
        page.shown = [(round(at - began, 3), body) for at, body in page.shown]

    run(main())
    return page.shown


def test_a_body_that_may_have_to_be_masked_does_not_grow_before_anybodys_eyes() -> None:
    page = Page(is_open=True)
    assert growing(page, pieces=100, every=0.01, masks=masking("secret")) == []


def test_a_body_grows_before_the_eyes_of_who_looks_but_not_too_often() -> None:
    shown = growing(Page(is_open=True), pieces=100, every=0.01)
    times = [at for at, _ in shown]
    assert times[0] == 0.0, "the first piece is seen at once"
    assert all(b - a >= SHOWN_EVERY - 0.001 for a, b in pairwise(times))
    assert len(shown) == 5


def test_what_came_last_before_a_silence_is_seen_during_it() -> None:
    shown = growing(Page(is_open=True), pieces=2, every=0.01)
    assert shown == [(0.0, b"x"), (SHOWN_EVERY, b"xx")]


def test_where_nobody_looks_a_body_is_put_together_once_at_its_end() -> None:
    assert growing(Page(is_open=False), pieces=100, every=0.01) == []


def test_after_its_end_a_body_is_not_shown_again() -> None:
    page = Page(is_open=True)

    async def main() -> None:
        tap = BodyTap(tflow.tflow(resp=True), page.screen())
        tap.add(b"x")
        tap.store()
        await asyncio.sleep(1.0)

    run(main())
    assert page.shown == []
