"""Frames that ask for nothing are counted, however they come in, and their number is bounded."""

import hpack
import pytest
from hpack.exceptions import OversizedHeaderListError

from llm_gateway.bridge.frames import (
    ALLOWED,
    BLOWN_UP,
    HEAD,
    HEADS_AT_ONCE,
    PER_SECOND,
    STREAM_LOST,
    FrameBudget,
    PaidDecoder,
)
from support.manual_clock import ManualClock

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, payload: bytes = b"", flags: int = 0) -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + bytes(4) + payload


PING = frame(6, bytes(8))
RESET = frame(3, bytes(4))
HEADERS = frame(1, bytes(30), flags=5)


def account() -> tuple[FrameBudget, ManualClock]:
    clock = ManualClock()
    budget = FrameBudget(clock)
    assert budget.take(PREFACE)
    return budget, clock


def most(one: bytes) -> int:
    """How many of these a connection may send at once."""
    budget, _ = account()
    count = 0
    while count <= ALLOWED and budget.take(one):
        count += 1
    return count


@pytest.mark.parametrize(
    ("one", "price"),
    [
        (PING, 1),
        (frame(4), 1),
        (frame(4, bytes(60)), 11),
        (frame(8, bytes(4)), 1),
        (frame(2, bytes(5)), 1),
        (frame(9), 1),
        (frame(0xEE), 1),
        (frame(0), 1),
        (frame(0, b"x" * 100), 1),
        (RESET, STREAM_LOST),
        (HEADERS + RESET, STREAM_LOST),
    ],
)
def test_a_connection_may_send_so_many_at_once(one: bytes, price: int) -> None:
    assert most(one) == ALLOWED // price


@pytest.mark.parametrize("one", [HEADERS, frame(0, b"x" * 256), frame(0, b"x", flags=1)])
def test_what_a_request_is_made_of_costs_nothing(one: bytes) -> None:
    assert most(one) > ALLOWED


@pytest.mark.parametrize("step", [1, 3, 9, 16, 17, 18, 1000])
def test_where_frames_are_cut_makes_no_difference(step: int) -> None:
    sent = PREFACE + (PING + HEADERS + RESET + frame(0, b"x" * 300)) * 5
    whole, cut = FrameBudget(ManualClock()), FrameBudget(ManualClock())
    whole.take(sent)
    for place in range(0, len(sent), step):
        cut.take(sent[place : place + step])
    left = ALLOWED - 5 * (1 + STREAM_LOST)
    for budget in (whole, cut):
        assert budget.spend(left)
        assert not budget.spend(1)


def test_time_gives_it_back_and_no_more_than_all() -> None:
    budget, clock = account()
    assert budget.spend(ALLOWED)
    assert not budget.spend(1)
    clock.now += 1.0
    assert budget.spend(int(PER_SECOND) - 1)
    assert not budget.spend(1)
    clock.now += 1000.0
    assert budget.spend(ALLOWED)
    assert not budget.spend(1)


def test_who_is_sent_much_may_acknowledge_it() -> None:
    """Two windows for each piece of a stream, and for each frame of a long answer."""
    budget, _ = account()
    assert budget.spend(ALLOWED)
    for _ in range(1000):
        budget.earn(100)
        assert budget.take(frame(8, bytes(4)) * 2)
    budget.earn(1_000_000)
    assert budget.take(frame(8, bytes(4)) * 2 * (1_000_000 // 16384))


@pytest.mark.parametrize("step", [1, 9, 38, 39, 40, 10_000])
def test_heads_are_handed_on_a_few_at_a_time(step: int) -> None:
    budget = FrameBudget(ManualClock())
    sent = PREFACE + (HEADERS + frame(9) + frame(0, b"x" * 300)) * (2 * HEADS_AT_ONCE + 1)
    pieces = [
        piece for at in range(0, len(sent), step) for piece in budget.take(sent[at : at + step])
    ]
    assert b"".join(pieces) == sent
    assert max(piece.count(HEADERS) for piece in pieces) <= HEADS_AT_ONCE
    if step > len(sent):
        assert [piece.count(HEADERS) for piece in pieces] == [HEADS_AT_ONCE, HEADS_AT_ONCE, 1]
        assert all(piece.startswith(HEADERS) for piece in pieces[1:])


def decoded(heads: list[list[tuple[str, str]]]) -> int:
    """How many of these heads one connection gets decoded at once."""
    budget, encoder = FrameBudget(ManualClock()), hpack.Encoder()
    decoder = PaidDecoder(budget, 2**18)
    for number, head in enumerate(heads):
        try:
            decoder.decode(encoder.encode(head), raw=True)
        except OversizedHeaderListError:
            return number
    return len(heads)


def test_what_a_head_is_blown_up_to_is_paid_for() -> None:
    assert decoded([[("x-a", "a")]] * 3000) == ALLOWED // HEAD
    bomb = [("x-big", "x" * 3900)] * 15
    price = HEAD + 15 * 3900 // BLOWN_UP
    assert decoded([bomb] * 3000) <= ALLOWED // price + 1
    assert decoded([[(":method", "GET")] * 6000] * 3000) <= ALLOWED // (6000 * 40 // BLOWN_UP) + 1


def test_bytes_on_the_wire_are_not_paid_for() -> None:
    """Of a head that comes whole its sender pays as much as we do."""
    budget = FrameBudget(ManualClock())
    head = hpack.Encoder().encode([(f"x-{n}", "a" * 900) for n in range(10)], huffman=False)
    for _ in range(50):
        PaidDecoder(budget, 2**18).decode(head, raw=True)
    assert budget.spend(ALLOWED - 50 * HEAD)


def test_a_head_is_earned_back_by_its_answer() -> None:
    """With a token and other fields of 2 KB in all, which the table knows."""
    budget, encoder = FrameBudget(ManualClock()), hpack.Encoder()
    decoder = PaidDecoder(budget, 2**18)
    head = [("authorization", "a" * 1200), *((f"x-field-{n}", "value" * 8) for n in range(15))]
    for _ in range(100):
        for _ in range(100):
            assert decoder.decode(encoder.encode(head), raw=True) is not None
        for _ in range(100):
            budget.earn(200)
