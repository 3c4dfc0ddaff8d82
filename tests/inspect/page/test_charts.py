"""The pictures: what is drawn where, and what is said of it."""

import re
from collections.abc import Iterable
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.inspect.page.charts import (
    COLOURS,
    Chart,
    Series,
    bars,
    series_of,
    span_of,
    spreads,
)
from llm_gateway.tallies import MINUTES, Kind, ModelTotals, Point, Times

NONE = Times(0, None, None)
SPAN = 15


def point(
    ago: int, requests: int = 1, errors: int = 0, p50: float = 1.0, p95: float = 2.0
) -> Point:
    return Point(ago, requests, errors, Times(requests, p50, p95), NONE)


def row(name: str | None, points: Iterable[Point], kind: Kind = "model") -> ModelTotals:
    return ModelTotals(
        kind, name, 0, 0, {}, 0, NONE, NONE, 0, 0, 0, 0, None, 0, minutes=tuple(points)
    )


def requests(*series: Series) -> Chart:
    return bars("Requests", "requests", series, SPAN, lambda each: each.requests)


def latency(*series: Series) -> Chart:
    return spreads("Answer", series, SPAN, lambda each: each.latency)


def elements(chart: Chart, kind: str) -> list[dict[str, str]]:
    """The attributes of a picture's elements of one class."""
    tree = ElementTree.fromstring(chart.svg)  # noqa: S314 - our own
    return [each.attrib for each in tree.iter() if kind in each.get("class", "").split()]


def hints(chart: Chart) -> list[str]:
    tree = ElementTree.fromstring(chart.svg)  # noqa: S314 - our own
    return [each.text or "" for each in tree.iter("title")]


@pytest.mark.parametrize(
    ("agos", "span"), [((), 15), ((14,), 15), ((15, 0), 60), ((60,), MINUTES), ((179,), MINUTES)]
)
def test_the_shortest_span_is_shown_that_shows_all(agos: tuple[int, ...], span: int) -> None:
    assert span_of(row(None, map(point, agos), "all")) == span


def test_bars_stand_upon_each_other_and_the_newest_at_the_right() -> None:
    chart = requests(Series(1, "a", [point(0, 5), point(14, 2)]), Series(2, "b", [point(0, 3)]))
    assert chart.ticks == ("8", "4", "0")
    [first], [upon] = elements(chart, "c1"), elements(chart, "c2")
    assert first["d"] == ("M0.12 100.00V75.00h0.76V100.00zM14.12 100.00V37.50h0.76V100.00z")
    assert upon["d"] == "M14.12 37.50V0.00h0.76V37.50z"


def test_a_picture_says_what_it_shows() -> None:
    chart = requests(Series(1, "a", [point(0, 5), point(3, 2)]), Series(2, "b", [point(0, 3)]))
    assert chart.summary == "10 requests in the last 15 minutes, at most 8 in one of them."
    assert f'role="img" aria-label="{chart.summary}"' in chart.svg
    assert hints(chart) == ["3 min ago: a 2", "this minute: a 5, b 3"]


def test_where_nothing_was_there_is_no_picture() -> None:
    quiet = bars("Errors", "errors", [Series(1, "a", [point(0)])], SPAN, lambda each: each.errors)
    assert (quiet.svg, quiet.summary) == ("", "No errors in the last 15 minutes.")
    assert requests(Series(1, "a", [point(15, 4)])).svg == "", "that is longer ago"
    assert latency().svg == ""


def test_times_are_dots_with_a_line_up_and_between_neighbours() -> None:
    points = [point(9, p50=1.0, p95=4.0), point(8, p50=2.0, p95=2.0), point(3, p50=3.0, p95=3.0)]
    chart = latency(Series(4, "a", points))
    assert chart.ticks == ("4.0 s", "2.0 s", "0")
    [line], [dots], [ranges] = (elements(chart, kind) for kind in ("line", "dot", "range"))
    assert line["class"] == "c4 line"
    assert line["d"] == "M5.50 75.00L6.50 50.00M11.50 25.00", "a gap is not bridged"
    assert dots["d"] == "M5.50 75.00h.001M6.50 50.00h.001M11.50 25.00h.001"
    assert ranges["d"].startswith("M5.50 75.00V0.00")
    assert hints(chart)[0] == "9 min ago: a 1.0 s (95 %: 4.0 s)"


def test_dots_of_one_minute_stand_beside_each_other() -> None:
    chart = latency(Series(1, "a", [point(0)]), Series(2, "b", [point(0)]))
    places = [re.match(r"M([\d.]+)", each["d"]) for each in elements(chart, "dot")]
    assert [float(found[1]) for found in places if found] == [14.33, 14.67]


def test_times_of_everything_else_together_say_nothing_and_are_left_out() -> None:
    assert latency(Series(0, "everything else", [point(0)])).svg == ""


def test_minutes_without_a_good_answer_have_no_dot() -> None:
    failed = Point(0, 1, 1, NONE, NONE)
    assert latency(Series(1, "a", [failed])).svg == ""


def test_the_busiest_models_have_colours_in_a_steady_order() -> None:
    models = [row(f"m{number}", [point(0, 1 + number)]) for number in range(COLOURS + 2)]
    models.append(row(None, [point(0, 99)], "unknown"))
    found = series_of(models, SPAN)
    assert [(each.number, each.name) for each in found] == [
        *((number, f"m{number + 1}") for number in range(1, COLOURS + 1)),
        (0, "everything else"),
    ]
    assert sum(each.requests for each in found[-1].points) == 1 + 2 + 99


def test_models_that_were_not_asked_of_late_have_no_colour() -> None:
    assert series_of([row("old", [point(20)]), row("new", [point(0)])], SPAN) == [
        Series(1, "new", (point(0),))
    ]


@given(st.floats(1e-4, 1e5))
def test_an_axis_ends_shortly_above_the_highest_value(p95: float) -> None:
    chart = latency(Series(1, "a", [point(0, p50=p95 / 2, p95=p95)]))
    [line] = elements(chart, "range")
    found = re.fullmatch(r"M[\d.]+ [\d.]+V([\d.]+)", line["d"])
    assert found
    height = 100 - float(found[1])
    assert height <= 100
    assert height >= 49.9 or p95 < 0.1


def test_names_are_escaped() -> None:
    name = "<script>alert('x')</script>&\""
    chart = requests(Series(1, name, [point(0)]))
    assert "<script" not in chart.svg
    assert hints(chart) == [f"this minute: {name} 1"]


def test_many_series_and_minutes_are_a_small_picture() -> None:
    series = [
        Series(number, f"m{number}", [point(ago, 1 + ago % 7) for ago in range(MINUTES)])
        for number in range(1, COLOURS + 1)
    ]
    whole = bars("Requests", "requests", series, MINUTES, lambda each: each.requests)
    assert len(whole.svg) < 80_000
    assert len(elements(whole, "hint")) == MINUTES
