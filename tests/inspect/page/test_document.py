"""The page's HTML: it says what there is to say, in order, and nobody can write into it."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any, override

import pytest

from llm_gateway.adapters.contract import Usage
from llm_gateway.errors import RequestError
from llm_gateway.inspect.page import document
from llm_gateway.inspect.page.facts import Facts
from llm_gateway.limits.breaker import State
from llm_gateway.limits.overview import BreakerState, ClientState
from llm_gateway.limits.quota import Reading
from llm_gateway.statistics import MOST_LIVE, Statistics
from llm_gateway.trace import Trace
from support.manual_clock import ManualClock
from support.page import make_facts, make_provider_state, make_target

EVIL = "<script>alert('x')</script>\"'&amp;"
VOID = {"meta", "link", "br", "path", "rect"}


class Reader(HTMLParser):
    """What a page's elements are, and its text; complains of what is not closed in its order."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(page.decode())
        assert not self.open

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    @override
    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        """In plain letters: how often something was stands behind an x."""
        return " ".join(" ".join(self.words).split()).replace("\N{MULTIPLICATION SIGN}", "x")


class Scene:
    """Exchanges to be told of, in a clock's own time."""

    def __init__(self) -> None:
        self.clock = ManualClock(60_000.0)
        self.statistics = Statistics(lambda target, usage: 0.0041, self.clock)

    def begin(self, model: str = "m", target: str = "p/m") -> Trace:
        trace = Trace("req_0123456789abcdef", clock=self.clock, observer=self.statistics)
        self.statistics.began(trace)
        trace.model = model
        trace.begin(target)
        return trace

    def end(self, trace: Trace, outcome: str = "ok", **facts: Any) -> None:
        trace.end(trace.steps[-1], outcome)
        trace.status = 200
        for name, value in facts.items():
            setattr(trace, name, value)
        self.statistics.ended(trace)

    def answer(self, model: str = "m", **facts: Any) -> None:
        trace = self.begin(model)
        self.clock.now += 2
        self.end(trace, first_byte=self.clock.now - 1.5, **facts)

    @property
    def facts(self) -> Facts:
        return make_facts(make_target(), statistics=self.statistics)


def read(facts: Facts) -> Reader:
    return Reader(document.render(facts))


def test_before_the_first_request_it_says_so() -> None:
    page = read(make_facts(make_target()))
    assert "No request yet." in page.text
    assert "No requests in the last 15 minutes." in page.text
    assert "p/m" in page.text
    assert "1.2.3 · test.yaml · running for" in page.text


def test_a_model_s_row_has_its_numbers() -> None:
    scene = Scene()
    scene.answer(usage=Usage(1200, 34, 1000))
    scene.answer(failure=RequestError(429, "No.", code="insufficient_quota"), status=429)
    page = read(scene.facts)
    assert (
        "m 2 1 50 % 0 2.0 s 2.0 s 0.50 s 0.50 s 1,200 + 34 1,000 cached $0.0041 "
        "429 insufficient_quota x1"
    ) in page.text
    assert "Requests 2 Errors 1 50 % Under way 0" in page.text


def test_a_cost_that_is_not_known_of_all_answers_is_told_as_what_it_is_over() -> None:
    scene = Scene()
    scene.statistics._price = lambda target, usage: 0.5 if usage.prompt_tokens else None
    scene.answer(usage=Usage(1, 1))
    assert "$0.50" in read(scene.facts).text
    assert "over $" not in read(scene.facts).text
    scene.answer(usage=Usage(0, 1))
    assert "over $0.50" in read(scene.facts).text


def test_a_target_s_row_says_how_it_stands_and_what_became_of_its_calls() -> None:
    scene = Scene()
    scene.answer()
    scene.end(scene.begin(), "upstream_timeout", status=504)
    skipped = scene.begin()
    skipped.skip("p/m", "parked")
    target = make_target(
        names=("m", "BIG"),
        parked=12.0,
        quotas=(Reading("requests", "minute", 40, 30, 34.0),),
        idle=3.0,
    )
    text = read(make_facts(target, statistics=scene.statistics)).text
    assert (
        "p/m m, BIG parked for 12 s 10 of 40 requests / min whole in 34 s 3 1 good 2.0 s "
        "95 %: 2.0 s 3 s ago upstream_timeout x1 passed over: parked x1"
    ) in text


def test_a_provider_s_row_says_what_its_targets_share() -> None:
    provider = make_provider_state(
        running=2,
        places=2,
        waiting=3,
        breaker=BreakerState(State.OPEN, 4.0, "upstream_connection_error"),
        quotas=(Reading("tokens", "day", 5000, 0, 0.0),),
    )
    text = read(make_facts(make_target(provider=provider))).text
    assert (
        "p cannot be reached for 4 s (upstream_connection_error) 3 in the queue "
        "5,000 of 5,000 tokens / day 2 of 2 places taken, 3 waiting"
    ) in text


def test_bars_are_as_long_as_what_is_left_and_are_told_in_numbers() -> None:
    quotas = (Reading("requests", "minute", 40, 10, 1.0), Reading("tokens", "hour", 10, 70, 1.0))
    page = read(make_facts(make_target(quotas=quotas)))
    meters = [attrs for _, attrs in page.elements if attrs.get("role") == "meter"]
    assert [(each["aria-label"], each["aria-valuenow"], each["class"]) for each in meters] == [
        ("requests left this minute", "30", "bar"),
        ("tokens left this hour", "0", "bar low"),
    ]
    styles = [attrs["style"] for tag, attrs in page.elements if tag == "i" and "style" in attrs]
    assert styles == ["width:75%", "width:0%"]


def test_a_client_s_row_says_what_is_left_to_it_and_leads_to_its_flows() -> None:
    quota = Reading("requests", "minute", 20, 5, 41.0)
    clients = (ClientState("on call", (quota,), 1, 1000),)
    page = read(replace(make_facts(make_target()), clients=clients))
    assert "on call 1 of 1,000 15 of 20 requests / min whole in 41 s" in page.text
    links = [attrs["href"] for tag, attrs in page.elements if tag == "a"]
    assert "../#/flows?s=~meta%20%22%5Eai.client%3A%20on%20call%24%22" in links


def test_exchanges_under_way_are_listed_with_a_link_to_their_flows() -> None:
    scene = Scene()
    scene.begin()
    scene.clock.now += 3
    page = read(scene.facts)
    assert "req_01234567… m p/m 1 awaits an answer 3.0 s" in page.text
    links = [attrs["href"] for tag, attrs in page.elements if tag == "a"]
    assert "../#/flows?s=~meta%20req_0123456789abcdef" in links


def test_of_many_under_way_it_says_how_many_more_there_are() -> None:
    scene = Scene()
    for _ in range(MOST_LIVE + 7):
        scene.begin()
    assert "and 7 more" in read(scene.facts).text


def test_rows_that_are_not_of_one_model_say_what_they_are_of() -> None:
    scene = Scene()
    unknown = Trace("req_1", model="sk-oops", clock=scene.clock)
    scene.statistics.ended(unknown)
    page = read(scene.facts)
    assert "names that nobody knows 1" in page.text
    assert "sk-oops" not in page.text


def test_nobody_can_write_into_the_page() -> None:
    scene = Scene()
    scene.answer(EVIL, failure=RequestError(400, "No.", code=EVIL), status=400)
    scene.end(scene.begin(target=f"p/{EVIL}"), EVIL)
    scene.begin(EVIL)
    provider = make_provider_state(name=EVIL, off=EVIL)
    targets = (
        make_target(label=f"p/{EVIL}", names=(EVIL,)),
        make_target(label="q", provider=provider),
        make_target(breaker=BreakerState(State.OPEN, 1.0, EVIL)),
    )
    page = read(make_facts(*targets, statistics=scene.statistics))
    assert [attrs for tag, attrs in page.elements if tag == "script"] == [
        {"src": "page.js", "defer": None}
    ]
    assert page.text.count(EVIL) >= 9
    names = {name for _, attrs in page.elements for name in attrs}
    assert not [name for name in names if name.startswith("on") or not name.isascii()]


def test_it_needs_nothing_from_elsewhere() -> None:
    page = document.render(make_facts(make_target()))
    assert not re.findall(rb"(?:https?:)?//[a-z]", page)
    found = [each for each in read(make_facts()).elements if {"src", "href"} & each[1].keys()]
    assert {attrs.get("src") or attrs.get("href") for _, attrs in found} == {
        "page.css",
        "page.js",
        "../",
        "data.json",
    }


@pytest.mark.parametrize("tag", ["table", "svg", "section"])
def test_what_is_not_plain_text_has_a_name(tag: str) -> None:
    scene = Scene()
    scene.answer()
    page = read(scene.facts)
    found = [attrs for name, attrs in page.elements if name == tag]
    assert found
    if tag == "table":
        assert all("scope" in attrs for name, attrs in page.elements if name == "th")
    else:
        assert all({"aria-label", "aria-labelledby"} & attrs.keys() for attrs in found)
