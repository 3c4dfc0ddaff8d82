"""The check of a siege finds what it is there for."""

from dataclasses import replace

import pytest
from soak.siege import MOST_KEPT, MOST_LATENCY, MOST_MEMORY, PATIENCE, Phase, judge, told

BESIEGERS = 2500
BEFORE = Phase("before", [0.01] * 100, held=0, rss=100_000_000, descriptors=30)
DURING = replace(
    BEFORE, name="during", held=2500, rss=100_000_000 + 2500 * 30_000, descriptors=2530
)
AFTER = replace(BEFORE, name="after", rss=DURING.rss, descriptors=30 + MOST_KEPT)


def failed(
    before: Phase = BEFORE, during: Phase = DURING, after: Phase = AFTER, descriptors: int = 0
) -> list[str]:
    checks = judge([before, during, after], BESIEGERS, descriptors)
    return [each.name for each in checks if not each.holds]


def test_a_siege_that_nobody_notices_is_good() -> None:
    assert failed() == []


@pytest.mark.parametrize(
    ("during", "name"),
    [
        (replace(DURING, errors=["reset"]), "honest clients"),
        (replace(DURING, latencies=[0.01] * 98 + [MOST_LATENCY * 2] * 2), "latency"),
        (replace(DURING, held=2000), "siege"),
        (replace(DURING, descriptors=3000), "room"),
        (replace(DURING, rss=BEFORE.rss + 2500 * (MOST_MEMORY + 1000)), "memory"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_that_is_noticed_is_not(during: Phase, name: str) -> None:
    assert failed(during=during) == [name]


def test_an_error_afterwards_counts_as_well() -> None:
    assert failed(after=replace(AFTER, errors=["reset"])) == ["honest clients"]


def test_what_is_not_given_back_is_found() -> None:
    assert failed(after=replace(AFTER, descriptors=31 + MOST_KEPT)) == ["release"]


def test_without_room_for_all_there_are_fewer_and_it_takes_longer() -> None:
    few = replace(DURING, held=700, descriptors=1000, rss=BEFORE.rss, latencies=[PATIENCE / 2])
    assert failed(during=few, descriptors=1024) == []
    assert failed(during=replace(few, descriptors=1025), descriptors=1024) == ["room"]


def test_everything_that_was_seen_is_told() -> None:
    phases = [BEFORE, replace(DURING, errors=["whole, new: reset"]), AFTER]
    text = told(phases, judge(phases, BESIEGERS, 0))
    for expected in ("before", "during", "after", "2530", "FAIL honest clients", "new: reset"):
        assert expected in text
