"""Pictures of the last minutes, as SVG.

A picture is as wide as the place it is given: x counts minutes, y runs down from 0 to 100, and both
are stretched. So there is no text in it; what its axes say stands around it, in HTML. Whatever is
written into it is escaped.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tornado.escape import xhtml_escape

from llm_gateway.inspect.page.words import took
from llm_gateway.tallies import MINUTES, ModelTotals, Point, Times

SPANS = (15, 60, MINUTES)
"""Minutes: the shortest that shows all there is to see is taken."""
COLOURS = 6
"""So many series are told apart; the style sheet has as many colours, and one for all others."""
_LEAST_SECONDS = 0.1
_NICE = (1, 2, 4, 6, 8, 10)
"""Times a power of ten: where an axis may end. Half of it is a short number, too."""
_GAP = 0.12
"""The share of a minute's width that is left empty at each side of a bar."""


@dataclass(frozen=True, slots=True)
class Series:
    """One colour: ``number`` from 1, or 0 for all others together, whose times say nothing."""

    number: int
    name: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture. ``ticks`` are the words at the axis of values, from the top; empty: no picture.

    ``summary`` says in a sentence what there is to see.
    """

    title: str
    summary: str
    ticks: Sequence[str] = ()
    svg: str = ""


def span_of(total: ModelTotals) -> int:
    """How many minutes the pictures show."""
    oldest = max((point.ago for point in total.minutes), default=0)
    return next((span for span in SPANS if span > oldest), MINUTES)


def series_of(models: Sequence[ModelTotals], span: int) -> list[Series]:
    """The busiest models of this span, in a steady order, and everything else as one."""

    def requests(row: ModelTotals) -> int:
        return sum(point.requests for point in row.minutes if point.ago < span)

    seen = [row for row in models if requests(row)]
    named = sorted((row for row in seen if row.name is not None), key=requests, reverse=True)
    chosen = {row.name for row in named[:COLOURS]}
    shown = [row for row in seen if row.name in chosen]
    rest = [point for row in seen if row.name not in chosen for point in row.minutes]
    found = [Series(number, row.name or "", row.minutes) for number, row in enumerate(shown, 1)]
    return [*found, Series(0, "everything else", rest)] if rest else found


def bars(
    title: str, unit: str, series: Sequence[Series], span: int, amount: Callable[[Point], int]
) -> Chart:
    """How many in each minute, one series upon the other."""
    counts = [_counts(each.points, span, amount) for each in series]
    sums = [sum(each.get(x, 0) for each in counts) for x in range(span)]
    if not any(sums):
        return Chart(title, f"No {unit} in the last {span} minutes.")
    top = _ceiling(max(sums), least=1)
    marks, below = [], [0] * span
    for each, count in zip(series, counts, strict=True):
        marks.append(_bars(each.number, count, below, top))
        below = [sum_ + count.get(x, 0) for x, sum_ in enumerate(below)]
    hints = []
    for x in [x for x, total in enumerate(sums) if total]:
        parts = [f"{s.name} {c[x]}" for s, c in zip(series, counts, strict=True) if x in c]
        hints.append(_hint(x, f"{_when(span - 1 - x)}: {', '.join(parts)}"))
    summary = f"{sum(sums)} {unit} in the last {span} minutes, at most {max(sums)} in one of them."
    half = f"{top / 2:g}" if top > 1 else ""
    return Chart(title, summary, (f"{top:g}", half, "0"), _svg(summary, span, [*marks, *hints]))


def spreads(
    title: str, series: Sequence[Series], span: int, times: Callable[[Point], Times]
) -> Chart:
    """How long it took in each minute: a dot at the median, a line up to the 95th percentile."""
    series = [each for each in series if each.number]
    found = [_spreads(each, span, times) for each in series]
    highest = [p95 for each in found for _, p95 in each.values()]
    if not highest:
        return Chart(title, f"Nothing was measured in the last {span} minutes.")
    top = _ceiling(max(highest), least=_LEAST_SECONDS)
    marks = []
    for place, (each, spread) in enumerate(zip(series, found, strict=True), 1):
        marks += _dots(each.number, spread, place / (len(series) + 1), top)
    hints = []
    for x in sorted({x for each in found for x in each}):
        parts = [f"{s.name} {_range(*f[x])}" for s, f in zip(series, found, strict=True) if x in f]
        hints.append(_hint(x, f"{_when(span - 1 - x)}: {', '.join(parts)}"))
    summary = f"In the last {span} minutes; the slowest 95th percentile is {took(max(highest))}."
    ticks = (took(top), took(top / 2), "0")
    return Chart(title, summary, ticks, _svg(summary, span, [*marks, *hints]))


def _counts(
    points: Iterable[Point], span: int, amount: Callable[[Point], int]
) -> Mapping[int, int]:
    """By column, those above 0."""
    found: dict[int, int] = {}
    for point in points:
        if point.ago < span and (number := amount(point)):
            x = span - 1 - point.ago
            found[x] = found.get(x, 0) + number
    return found


def _spreads(
    series: Series, span: int, times: Callable[[Point], Times]
) -> Mapping[int, tuple[float, float]]:
    """Median and 95th percentile by column."""
    found = {}
    for point in series.points:
        each = times(point)
        if point.ago < span and each.p50 is not None and each.p95 is not None:
            found[span - 1 - point.ago] = (each.p50, each.p95)
    return found


def _bars(number: int, counts: Mapping[int, int], below: Sequence[int], top: float) -> str:
    d = [
        f"M{x + _GAP:.2f} {_y(below[x], top)}V{_y(below[x] + count, top)}h{1 - 2 * _GAP:.2f}"
        f"V{_y(below[x], top)}z"
        for x, count in sorted(counts.items())
    ]
    return f'<path class="c{number} bars" d="{"".join(d)}"/>'


def _dots(
    number: int, spread: Mapping[int, tuple[float, float]], shift: float, top: float
) -> list[str]:
    dots, ranges, line = [], [], []
    for x, (p50, p95) in spread.items():
        at, low, high = f"{x + shift:.2f}", f"{_y(p50, top)}", f"{_y(p95, top)}"
        # With round ends and a stroke that is not scaled, a line of no length is a round dot.
        dots.append(f"M{at} {low}h.001")
        ranges.append(f"M{at} {low}V{high}")
        line.append(f"{'L' if x - 1 in spread else 'M'}{at} {low}")
    paths = (("range", ranges), ("line", line), ("dot", dots))
    return [f'<path class="c{number} {kind}" d="{"".join(d)}"/>' for kind, d in paths]


def _y(value: float, top: float) -> str:
    return f"{100 * (1 - value / top):.2f}"


def _hint(x: int, text: str) -> str:
    title = f"<title>{xhtml_escape(text)}</title>"
    return f'<rect class="hint" x="{x}" y="0" width="1" height="100">{title}</rect>'


def _svg(summary: str, span: int, marks: Iterable[str]) -> str:
    return (
        f'<svg viewBox="0 0 {span} 100" preserveAspectRatio="none" role="img" '
        f'aria-label="{xhtml_escape(summary)}">'
        f'<path class="grid" d="M0 0H{span}M0 50H{span}M0 100H{span}"/>{"".join(marks)}</svg>'
    )


def _range(p50: float, p95: float) -> str:
    return f"{took(p50)} (95 %: {took(p95)})"


def _when(ago: int) -> str:
    return f"{ago} min ago" if ago else "this minute"


def _ceiling(value: float, least: float) -> float:
    """Where the axis ends."""
    value = max(value, least)
    power = 10.0 ** math.floor(math.log10(value))
    return next(nice * power for nice in _NICE if nice * power >= value * (1 - 1e-9))
