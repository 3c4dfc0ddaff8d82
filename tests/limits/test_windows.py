"""What windows count, and until when."""

from zoneinfo import ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.limits.windows import REQUESTS, SMALL_STEP, TOKENS, Day, Share, Sliding
from support.two_clocks import TwoClocks, at

HOUR = 3600.0
DAY = 24 * HOUR


class Calendar:
    """A day of the calendar that goes by two clocks."""

    def __init__(self, wall: str, zone: str = "UTC") -> None:
        self.clocks = TwoClocks(at(wall, zone))
        self.zone = zone
        self.day = Day(zone, self.clocks.monotonic(), self.clocks.wall())

    def spend(self, requests: int) -> None:
        self.look()
        self.day.current.add(requests, 0)

    def look(self) -> int:
        """How many requests are counted now."""
        self.day.roll(self.zone, self.clocks.monotonic(), self.clocks.wall())
        return self.day.used[REQUESTS]

    def until_midnight(self) -> float:
        self.look()
        return self.day.wait(REQUESTS, 1)


@pytest.mark.parametrize(("sixtieth", "length"), [(1, 60), (60, 3600)])
@pytest.mark.parametrize("part", [0.0, 0.5, 0.875])
def test_a_call_leaves_when_its_whole_sixtieth_has(sixtieth: int, length: int, part: float) -> None:
    begin = 7200.0
    window = Sliding(sixtieth, begin)
    window.roll(begin + part * sixtieth)
    Share((window.current,), 5)
    window.roll(begin + length + sixtieth * 0.875)
    assert window.used == [1, 5]
    window.roll(begin + length + sixtieth)
    assert window.used == [0, 0]


def test_it_counts_no_more_than_61_sixtieths_of_an_endless_row() -> None:
    window = Sliding(1, 0.0)
    for second in range(1000):
        window.roll(float(second))
        Share((window.current,), 2)
    assert window.used == [61, 122]


def test_waiting_and_reset_are_to_the_end_of_a_sixtieth() -> None:
    window = Sliding(1, 100.0)
    for now, tokens in ((100.25, 10), (110.5, 30), (110.75, 0), (120.0, 0)):
        window.roll(now)
        Share((window.current,), tokens)
    assert window.used == [4, 40]
    assert [window.wait(REQUESTS, excess) for excess in (1, 2, 3, 4)] == [41, 51, 51, 61]
    assert [window.wait(TOKENS, excess) for excess in (1, 10, 11, 40)] == [41, 41, 51, 51]
    assert (window.reset(REQUESTS), window.reset(TOKENS)) == (61, 51)


def test_an_empty_window_is_whole_and_nothing_can_be_waited_for() -> None:
    window = Sliding(1, 100.0)
    assert window.reset(REQUESTS) == 0.0
    with pytest.raises(ValueError, match="more is to leave"):
        window.wait(REQUESTS, 1)


@given(now=st.floats(0, 2**40), sixtieth=st.sampled_from([1, 60]))
def test_who_waits_exactly_as_long_as_told_finds_it_gone(now: float, sixtieth: int) -> None:
    window = Sliding(sixtieth, now)
    Share((window.current,), 1)
    wait = window.wait(REQUESTS, 1)
    assert wait > 60 * sixtieth - 1e-3
    window.roll(now + wait)
    assert window.used == [0, 0]


def test_what_is_put_back_is_missing_where_it_was_taken() -> None:
    window = Sliding(1, 100.0)
    first = Share((window.current,), 10)
    window.roll(130.0)
    Share((window.current,), 20)
    first.put_back()
    assert window.used == [1, 20]
    assert window.wait(REQUESTS, 1) == 61
    first.put_back()
    assert window.used == [1, 20]


@pytest.mark.parametrize("end", ["put_back", "settle"])
def test_what_has_left_is_neither_put_back_nor_settled(end: str) -> None:
    window = Sliding(1, 100.0)
    share = Share((window.current,), 10)
    window.roll(161.0)
    Share((window.current,), 20)
    if end == "put_back":
        share.put_back()
    else:
        share.settle(1000)
    assert window.used == [1, 20]


def test_tokens_are_settled_in_the_sixtieth_of_the_taking() -> None:
    window = Sliding(1, 100.0)
    share = Share((window.current,), 10)
    window.roll(130.0)
    share.settle(50)
    assert window.used == [1, 50]
    assert window.reset(TOKENS) == 31
    share.settle(5)
    assert window.used == [1, 5]
    share.put_back()
    share.settle(7)
    assert window.used == [0, 0]


@pytest.mark.parametrize(
    ("zone", "now", "hours"),
    [
        ("UTC", "2026-06-01T00:00", 24),
        ("UTC", "2026-06-01T23:30", 0.5),
        ("Asia/Kolkata", "2026-06-01T18:00", 6),
        # Summer time begins and ends at night ...
        ("Europe/Berlin", "2026-03-29T00:00", 23),
        ("Europe/Berlin", "2026-10-25T00:00", 25),
        # ... at midnight, which there is not then, or twice ...
        ("Africa/Cairo", "2026-04-23T12:00", 12),
        ("Africa/Cairo", "2026-04-24T01:00", 23),
        ("America/Havana", "2026-11-01T00:00", 25),
        ("America/Havana", "2026-10-31T12:00", 12),
        # ... or a minute after it, back to the day before.
        ("America/St_Johns", "2010-11-06T12:00", 12),
        ("America/St_Johns", "2010-11-07T00:02", 24 - 2 / 60),
        # A day that never was.
        ("Pacific/Apia", "2011-12-29T12:00", 12),
    ],
)
def test_a_day_ends_at_midnight_in_its_zone(zone: str, now: str, hours: float) -> None:
    calendar = Calendar(now, zone)
    calendar.spend(1)
    assert calendar.until_midnight() == pytest.approx(hours * HOUR)
    calendar.clocks.advance(hours * HOUR - 1)
    assert calendar.look() == 1
    calendar.clocks.advance(1)
    assert calendar.look() == 0


def test_a_day_that_is_begun_again_ends_again() -> None:
    """In this night, clocks went from 00:01 back to 23:01."""
    calendar = Calendar("2010-11-07T00:02", "America/St_Johns")
    calendar.clocks.step(-0.5 * HOUR)
    again = Day(calendar.zone, 0.0, calendar.clocks.wall())
    again.current.add(1, 0)
    assert again.wait(REQUESTS, 1) == 28 * 60
    again.roll(calendar.zone, 1.0, calendar.clocks.wall() + 1)
    assert again.used == [1, 0]


def test_an_unused_day_is_whole() -> None:
    calendar = Calendar("2026-06-01T18:00")
    assert calendar.day.reset(REQUESTS) == 0.0
    calendar.spend(1)
    assert calendar.day.reset(REQUESTS) == 6 * HOUR
    assert calendar.day.reset(TOKENS) == 0.0


def test_a_zone_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(ZoneInfoNotFoundError):
        Day("Mars/Olympus", 0.0, 0.0)


def test_another_zone_keeps_the_count_until_midnight_there() -> None:
    calendar = Calendar("2026-06-01T12:00")
    calendar.spend(3)
    calendar.zone = "Asia/Tokyo"
    assert calendar.look() == 3
    assert calendar.until_midnight() == 3 * HOUR
    calendar.clocks.advance(3 * HOUR)
    assert calendar.look() == 0


def test_a_clock_put_forward_over_midnight_is_believed() -> None:
    calendar = Calendar("2026-06-01T12:00")
    calendar.spend(3)
    calendar.clocks.step(10 * HOUR)
    assert calendar.look() == 3
    calendar.clocks.step(2 * HOUR)
    assert calendar.look() == 0


def test_an_hour_back_over_midnight_gives_no_second_day() -> None:
    calendar = Calendar("2026-06-02T00:10")
    calendar.spend(3)
    calendar.clocks.step(-1 * HOUR)
    assert calendar.look() == 3
    assert calendar.until_midnight() == DAY + 50 * 60
    calendar.clocks.advance(1 * HOUR)
    calendar.spend(1)
    assert calendar.look() == 4
    calendar.clocks.advance(calendar.until_midnight())
    assert calendar.look() == 0


def test_a_step_back_within_the_day_changes_nothing() -> None:
    calendar = Calendar("2026-06-01T20:00")
    calendar.spend(3)
    calendar.clocks.step(-15 * HOUR)
    assert calendar.look() == 3
    assert calendar.until_midnight() == 19 * HOUR


@pytest.mark.parametrize(
    ("start", "hours"), [("6-01T00:00", 12), ("6-01T09:00", 3), ("5-30T12:00", 48)]
)
def test_a_clock_wrong_by_a_day_and_put_right_counts_what_was_spent_on_the_true_day(
    start: str, hours: float
) -> None:
    calendar = Calendar(f"2026-0{start}")
    calendar.clocks.advance(hours * HOUR)
    calendar.spend(3)
    calendar.clocks.step(DAY)
    calendar.spend(4)
    calendar.clocks.advance(1 * HOUR)
    calendar.clocks.step(-DAY)
    assert calendar.look() == 7
    assert calendar.until_midnight() == 11 * HOUR
    calendar.clocks.advance(11 * HOUR)
    assert calendar.look() == 0


def test_what_was_spent_before_the_true_midnight_is_not_counted_when_the_clock_is_put_right() -> (
    None
):
    calendar = Calendar("2026-06-01T12:00")
    calendar.clocks.step(DAY)
    calendar.spend(3)
    calendar.clocks.advance(21 * HOUR)
    calendar.spend(4)
    calendar.clocks.step(-DAY)
    assert calendar.look() == 4
    assert calendar.until_midnight() == 15 * HOUR


@pytest.mark.parametrize("days", [1, 2, 365])
def test_a_clock_that_began_wrong_holds_up_nobody_past_the_true_midnight(days: int) -> None:
    calendar = Calendar("2026-06-01T23:30")
    calendar.clocks.step(days * DAY)
    calendar.spend(3)
    calendar.clocks.step(-days * DAY)
    assert calendar.look() == 3
    assert calendar.until_midnight() == 0.5 * HOUR


def test_small_steps_back_add_up() -> None:
    calendar = Calendar("2026-06-02T00:10")
    calendar.spend(3)
    for _ in range(2):
        calendar.clocks.step(-SMALL_STEP * 0.75)
        calendar.look()
    assert calendar.until_midnight() == 3 * HOUR - 10 * 60
    assert calendar.look() == 3


def test_what_is_counted_again_is_counted_once() -> None:
    calendar = Calendar("2026-06-01T12:00")
    calendar.spend(3)
    calendar.clocks.step(DAY)
    calendar.look()
    calendar.clocks.step(-DAY)
    assert calendar.look() == 3
    calendar.clocks.step(-3 * HOUR)
    assert calendar.look() == 3
    calendar.clocks.advance(calendar.until_midnight())
    assert calendar.look() == 0


def test_a_refund_finds_its_day_also_when_that_is_counted_again() -> None:
    calendar = Calendar("2026-06-01T12:00")
    calendar.look()
    share = Share((calendar.day.current,), 10)
    calendar.clocks.step(DAY)
    calendar.look()
    share.settle(20)
    assert calendar.day.used == [0, 0]
    calendar.clocks.step(-DAY)
    calendar.look()
    assert calendar.day.used == [1, 20]
    share.put_back()
    assert calendar.day.used == [0, 0]


STEPS = st.sampled_from([0.0, 1.0, -1.0, HOUR, -HOUR, DAY, -DAY, -1.5 * HOUR, 40 * DAY, -40 * DAY])


@given(st.lists(st.tuples(st.floats(0, 2 * DAY), STEPS, st.integers(0, 3)), max_size=12))
def test_however_the_wall_clock_steps_a_day_is_over_in_good_time(
    moves: list[tuple[float, float, int]],
) -> None:
    calendar = Calendar("2026-03-28T12:00", "Europe/Berlin")
    for seconds, step, requests in moves:
        calendar.clocks.advance(seconds)
        calendar.clocks.step(step)
        before = calendar.look()
        assert before >= 0
        calendar.spend(requests)
        assert calendar.look() == before + requests
        assert 0 < calendar.until_midnight() <= 25 * HOUR + SMALL_STEP
    calendar.clocks.advance(calendar.until_midnight())
    assert calendar.look() == 0


@given(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 3)), max_size=20), st.integers(0, 99))
def test_reading_a_sliding_window_says_what_it_will_say_and_changes_nothing(
    calls: list[tuple[int, int]], later: int
) -> None:
    now, window = 0.0, Sliding(1, 0.0)
    for seconds, requests in calls:
        now += seconds
        window.roll(now)
        window.current.add(requests, 10 * requests)
    used, current = [*window.used], window.current
    seen = window.read(now + later)
    assert (window.used, window.current) == (used, current)
    window.roll(now + later)
    assert seen.used == window.used
    assert seen.resets == [window.reset(REQUESTS), window.reset(TOKENS)]


@pytest.mark.parametrize(("later", "left"), [(HOUR, 3), (13 * HOUR, 0)])
def test_reading_a_day_says_what_it_will_say_and_changes_nothing(later: float, left: int) -> None:
    calendar = Calendar("2026-06-01T12:00")
    calendar.spend(3)
    calendar.clocks.advance(later)
    day, clocks = calendar.day, calendar.clocks
    seen = day.read("UTC", clocks.monotonic(), clocks.wall())
    assert (seen.used[REQUESTS], day.used[REQUESTS]) == (left, 3)
    assert seen.resets == [12 * HOUR - later if left else 0.0, 0.0]
    clocks.advance(-later)
    assert calendar.look() == 3
