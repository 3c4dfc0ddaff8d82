"""The page's HTML, made from a template that escapes everything it is given."""

from collections.abc import Sequence
from functools import cache
from importlib import resources

from tornado.template import Template

from llm_gateway.inspect import comments
from llm_gateway.inspect.page import links, words
from llm_gateway.inspect.page.charts import Chart, Series, bars, series_of, span_of, spreads
from llm_gateway.inspect.page.facts import (
    Facts,
    by_provider,
    signs_of_provider,
    signs_of_target,
)
from llm_gateway.limits.quota import Reading, Span
from llm_gateway.statistics import Phase
from llm_gateway.tallies import Kind, ModelTotals

NOTHING = "\N{EN DASH}"
ROWS: dict[Kind, str] = {
    "further": "further models",
    "unknown": "names that nobody knows",
    "none": "no model: lists, pings, refused requests",
}
"""What rows are called that are not of one model."""
WINDOWS: dict[Span, str] = {"minute": "min", "hour": "h", "day": "day"}
PHASES: dict[Phase, str] = {
    "begun": "has begun",
    "queued": "waits for its turn",
    "asked": "awaits an answer",
    "waiting": "waits for its next turn",
    "streaming": "streams",
}


def render(facts: Facts) -> bytes:
    """The whole page, in UTF-8."""
    statistics = facts.statistics
    span = span_of(statistics.total)
    series = series_of(statistics.models, span)
    return _template("page.html").generate(
        facts=facts,
        now=statistics,
        total=statistics.total,
        span=span,
        series=series,
        colours={each.name: each.number for each in series if each.number},
        pictures=_pictures(series, span),
        providers=by_provider(facts),
        signs_of_provider=signs_of_provider,
        signs_of_target=signs_of_target,
        rows=ROWS,
        phases=PHASES,
        links=links,
        words=words,
        nothing=NOTHING,
        quotas=_quotas,
        took=_took,
        dollars=_dollars,
    )


def _pictures(series: Sequence[Series], span: int) -> list[Chart]:
    return [
        bars("Requests a minute", "requests", series, span, lambda point: point.requests),
        bars("Errors a minute", "errors", series, span, lambda point: point.errors),
        spreads("Time to a whole answer", series, span, lambda point: point.latency),
        spreads("Time to first token", series, span, lambda point: point.ttft),
    ]


def _quotas(quotas: Sequence[Reading]) -> bytes:
    return _template("quotas.html").generate(quotas=quotas, words=words, windows=WINDOWS)


def _took(value: float | None) -> str:
    return NOTHING if value is None else words.took(value)


def _dollars(row: ModelTotals) -> str:
    """What is known of the cost; "over", where not every answer that counted has a price."""
    if row.cost is None:
        return NOTHING
    told = comments.dollars(row.cost)
    return told if row.priced == row.counted else f"over {told}"


@cache
def _template(name: str) -> Template:
    text = resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return Template(text, name)
