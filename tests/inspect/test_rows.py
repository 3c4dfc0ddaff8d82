"""What is written on the flows of an exchange, step by step."""

import logging
import re

import pytest
from mitmproxy import flow as mflow
from mitmproxy import http
from mitmproxy.test import tflow

from llm_gateway.adapters.contract import Usage
from llm_gateway.errors import UpstreamConnectionError, UpstreamRateLimited
from llm_gateway.inspect import comments, metadata
from llm_gateway.inspect.bodies import NO_SCREEN, Screen
from llm_gateway.inspect.rows import Rows, resent
from llm_gateway.masks import Masks
from llm_gateway.trace import Trace
from llm_gateway.wire import Label

EXCHANGE = "req_test"


def price(target: str, usage: Usage) -> float | None:
    """A cent a token, at one provider."""
    return usage.prompt_tokens / 100 if target.startswith("b/") else None


class Scene:
    """An exchange, its client flow, and the flows of attempts as they are opened."""

    def __init__(self) -> None:
        self.updated: list[http.HTTPFlow] = []
        self.screen = Screen(lambda: True, self.updated.append, has_list=True)
        self.rows = Rows(price, self.screen)
        self.client = tflow.tflow(resp=True)
        self.client.metadata[metadata.EXCHANGE] = EXCHANGE
        self.trace = Trace(EXCHANGE, observer=self.rows)

    def begin(self) -> None:
        self.rows.client(EXCHANGE, self.client)
        self.rows.began(self.trace)
        self.trace.model = "BIG"

    def attempt(self, number: int, status: int = 200) -> http.HTTPFlow:
        flow = tflow.tflow(resp=True)
        assert flow.response is not None
        flow.response.status_code = status
        flow.metadata |= {metadata.EXCHANGE: EXCHANGE, metadata.ATTEMPT: number}
        self.rows.attempt(Label(EXCHANGE, number, "p", "m"), flow)
        return flow

    def run(self) -> tuple[http.HTTPFlow, http.HTTPFlow]:
        """A failure at one target, and an answer of another."""
        self.begin()
        step = self.trace.begin("a/m")
        first = self.attempt(1, 429)
        self.trace.end(step, "rate_limit_exceeded", "Slow down.")
        step = self.trace.begin("b/m")
        second = self.attempt(2)
        self.trace.end(step, "ok")
        self.trace.usage = Usage(100, 20, cached_tokens=10)
        self.trace.dropped = ("seed",)
        self.trace.status = 200
        self.rows.settle(self.client)
        self.rows.ended(self.trace)
        return first, second


def test_all_that_is_known_in_the_end_stands_on_the_client_flow() -> None:
    scene = Scene()
    scene.run()
    known = scene.client.metadata
    assert known[metadata.MODEL] == "BIG"
    assert (known[metadata.TARGET], known[metadata.ATTEMPTS]) == ("b/m", 2)
    assert (known[metadata.PROMPT_TOKENS], known[metadata.COMPLETION_TOKENS]) == (100, 20)
    assert (known[metadata.CACHED_TOKENS], known[metadata.COST_USD]) == (10, 1.0)
    assert known[metadata.DROPPED] == ["seed"]
    assert metadata.ERROR not in known
    assert [step.outcome for step in metadata.steps(scene.client)] == ["rate_limit_exceeded", "ok"]
    assert scene.client.comment.startswith("BIG → b/m · 2 tries")
    assert scene.client.marked == comments.AFTER_ALL


def test_each_attempt_has_what_is_its_own() -> None:
    first, second = Scene().run()
    assert first.comment == "1/2 · 429 rate_limit_exceeded, then b/m"
    assert first.marked == comments.BAD_ATTEMPT
    assert first.metadata[metadata.ERROR] == "rate_limit_exceeded"
    assert first.metadata[metadata.REASON] == "Slow down."
    assert metadata.COST_USD not in first.metadata
    assert second.comment == "2/2 · ok · 100+20 tok · $1.00"
    assert second.marked == comments.GOOD_ATTEMPT
    assert second.metadata[metadata.COST_USD] == 1.0
    assert metadata.ERROR not in second.metadata


def test_a_client_flow_is_complete_before_its_last_hook() -> None:
    scene = Scene()
    scene.begin()
    scene.trace.end(scene.trace.begin("b/m"), "ok")
    scene.trace.status = 200
    scene.rows.settle(scene.client)
    assert scene.client.metadata[metadata.TARGET] == "b/m"
    assert scene.client.comment.startswith("BIG → b/m · ")


def test_an_attempt_flow_says_what_is_known_before_its_last_hook() -> None:
    scene = Scene()
    scene.begin()
    scene.trace.begin("a/m")
    flow = scene.attempt(1, 429)
    scene.rows.settle(flow)
    assert flow.comment == "1 · 429"
    assert flow.metadata[metadata.TARGET] == "a/m"


def test_a_failed_exchange_says_what_failed_and_why() -> None:
    scene = Scene()
    scene.begin()
    scene.trace.failure = UpstreamRateLimited("Slow down.")
    scene.rows.ended(scene.trace)
    assert scene.client.metadata[metadata.ERROR] == "rate_limit_exceeded"
    assert scene.client.metadata[metadata.REASON] == "Slow down."
    assert scene.client.marked == comments.FAILED


def test_a_wait_for_another_try_is_seen_while_it_lasts() -> None:
    scene = Scene()
    scene.begin()
    step = scene.trace.begin("a/m")
    flow = scene.attempt(1, 503)
    scene.trace.end(step, "busy", "Later.")
    scene.updated.clear()
    scene.trace.retry("a/m", 1.5)
    assert flow.comment == "1 · 503 busy, retry in 1.5 s"
    assert scene.client.comment == "BIG → a/m · busy, retry in 1.5 s"
    assert scene.updated == [flow, scene.client]


def test_what_a_person_wrote_and_marked_stays() -> None:
    scene = Scene()
    scene.client.comment, scene.client.marked = "look at this", ":eyes:"
    scene.run()
    assert (scene.client.comment, scene.client.marked) == ("look at this", ":eyes:")
    assert metadata.marked_by_hand(scene.client)


def test_a_mark_that_a_person_took_away_does_not_come_back() -> None:
    scene = Scene()
    first, _ = scene.run()
    first.marked = ""
    scene.rows.began(scene.trace)
    scene.rows.attempt(Label(EXCHANGE, 1, "p", "m"), first)
    scene.rows.ended(scene.trace)
    assert first.marked == ""


def test_nothing_of_an_earlier_run_is_left_on_a_replayed_flow() -> None:
    scene = Scene()
    scene.run()
    again = Trace(EXCHANGE, observer=scene.rows)
    scene.rows.began(again)
    again.failure = UpstreamRateLimited("Slow down.")
    scene.rows.ended(again)
    known = scene.client.metadata
    assert not {metadata.TARGET, metadata.COST_USD, metadata.PROMPT_TOKENS} & known.keys()
    assert not {metadata.DROPPED, metadata.ROUTE} & known.keys()
    assert known[metadata.ERROR] == "rate_limit_exceeded"
    assert scene.client.comment.startswith("429")


def test_an_answer_that_was_gone_on_with_counts_once_and_shows_where_it_broke() -> None:
    scene = Scene()
    scene.begin()
    step = scene.trace.begin("a/m")
    first = scene.attempt(1)
    scene.trace.end(step, "ok")
    first.error = mflow.Error("reset by peer")
    step = scene.trace.begin("b/m")
    second = scene.attempt(2)
    scene.trace.end(step, "resumed")
    scene.trace.usage, scene.trace.status = Usage(100, 20), 200
    scene.rows.ended(scene.trace)
    assert first.comment == "1/2 · ok, then broken off"
    assert first.marked == comments.BAD_ATTEMPT
    assert first.metadata[metadata.ERROR] == "broken_off"
    assert first.metadata[metadata.REASON] == "reset by peer"
    assert metadata.PROMPT_TOKENS not in first.metadata
    assert second.comment == "2/2 · resumed · 100+20 tok · $1.00"


def test_a_stream_that_broke_off_has_the_error_on_both_sides() -> None:
    scene = Scene()
    scene.begin()
    step = scene.trace.begin("a/m")
    attempt = scene.attempt(1)
    scene.trace.end(step, "ok")
    attempt.error = mflow.Error("reset by peer")
    scene.trace.failure = UpstreamConnectionError("It broke.")
    scene.rows.ended(scene.trace)
    for each in (attempt, scene.client):
        assert each.metadata[metadata.ERROR] == "upstream_connection_error"
        assert each.metadata[metadata.REASON] == "It broke."


def test_of_several_calls_of_one_attempt_the_last_has_what_all_of_them_took() -> None:
    scene = Scene()
    scene.begin()
    step = scene.trace.begin("b/m")
    calls = [scene.attempt(1), scene.attempt(1)]
    scene.trace.usage = Usage(100, 20)
    scene.trace.end(step, "ok")
    scene.rows.ended(scene.trace)
    assert [each.metadata.get(metadata.COST_USD) for each in calls] == [None, 1.0]


def test_while_two_race_the_row_names_the_one_that_answers() -> None:
    scene = Scene()
    scene.begin()
    first, second = scene.trace.begin("a/m"), scene.trace.begin("b/m")
    scene.trace.end(first, "ok")
    scene.trace.end(second, "broken_off")
    assert scene.client.comment == "BIG → a/m · answering"
    assert scene.client.metadata[metadata.TARGET] == "a/m"


def test_a_fault_that_was_injected_is_named() -> None:
    scene = Scene()
    scene.begin()
    step = scene.trace.begin("a/m")
    flow = scene.attempt(1, 429)
    flow.metadata[metadata.FAULT] = "429"
    scene.trace.end(step, "rate_limit_exceeded")
    assert flow.comment == "1 · 429 rate_limit_exceeded · injected 429"


def test_a_body_that_is_not_kept_whole_is_told_of() -> None:
    scene = Scene()
    scene.client.metadata[metadata.CUT] = "body cut: 5 of 9 bytes are kept"
    scene.rows.client(EXCHANGE, scene.client)
    scene.rows.began(scene.trace)
    scene.client.metadata[metadata.CUT] = "body cut: 5 of 9 bytes are kept"
    scene.rows.ended(scene.trace)
    assert scene.client.comment.endswith("body cut: 5 of 9 bytes are kept")


def test_an_attempt_sent_again_by_hand_says_so_and_forgets_what_it_was() -> None:
    flow, _ = Scene().run()
    resent(flow, 200, 0.25)
    assert flow.comment == "sent again · 200 · 0.25 s"
    assert metadata.ERROR not in flow.metadata
    assert flow.metadata[metadata.ATTEMPT] == 1


def test_all_that_is_written_can_be_saved_and_loaded() -> None:
    scene = Scene()
    scene.run()
    loaded = http.HTTPFlow.from_state(scene.client.get_state())
    assert isinstance(loaded, http.HTTPFlow)
    assert loaded.metadata == scene.client.metadata


def test_an_exchange_without_a_flow_is_no_trouble() -> None:
    scene = Scene()
    scene.rows.began(scene.trace)
    scene.trace.end(scene.trace.begin("a/m"), "ok")
    scene.rows.ended(scene.trace)
    assert scene.updated == []


def test_nothing_is_held_of_an_exchange_that_is_over() -> None:
    scene = Scene()
    scene.run()
    scene.updated.clear()
    scene.rows.stepped(scene.trace, scene.trace.steps[0])
    assert scene.updated == []


def test_an_attempt_that_ends_after_its_exchange_is_complete_as_well() -> None:
    scene = Scene()
    _, second = scene.run()
    assert second.response is not None
    second.response.timestamp_end = second.request.timestamp_start + 2.5
    scene.rows.settle(second)
    assert second.metadata[metadata.SECONDS] == 2.5
    second.comment = second.metadata[metadata.COMMENT] = "its last word"
    scene.rows.settle(second)
    assert second.comment == "its last word", "nothing is held of it any more"


def test_a_row_that_cannot_be_written_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def broken(target: str, usage: Usage) -> float | None:
        raise KeyError(target)

    scene = Scene()
    scene.rows = Rows(broken, scene.screen)
    scene.trace.observer = None
    scene.begin()
    scene.trace.target, scene.trace.usage = "b/m", Usage(1, 1)
    with caplog.at_level(logging.ERROR):
        scene.rows.settle(scene.client)
    assert "could not be written" in caplog.text


def test_where_flows_are_only_written_away_nothing_is_written_on_them_afterwards() -> None:
    scene = Scene()
    scene.rows = Rows(price, NO_SCREEN)
    scene.trace.observer = scene.rows
    first, second = scene.run()
    assert scene.client.comment.startswith("BIG → b/m"), "it was settled before its last hook"
    assert (first.comment, second.comment) == ("", ""), "these were not"


def test_texts_that_are_masked_stand_in_no_row() -> None:
    scene, masks = Scene(), Masks()
    masks.adopt([re.compile("slow down|BIG", re.IGNORECASE)])
    scene.rows = Rows(price, scene.screen, masks)
    scene.trace.observer = scene.rows
    scene.trace.failure = UpstreamRateLimited("Slow down, please.")
    first, _ = scene.run()
    for flow in (scene.client, first):
        written = f"{flow.comment} {flow.metadata}"
        assert "[masked:" in written
        assert not re.search("slow down|BIG", written, re.IGNORECASE)


def test_nothing_that_a_provider_says_changes_the_terminal() -> None:
    """mitmproxy's console shows comments and metadata as they are."""
    scene = Scene()
    scene.begin()
    step = scene.trace.begin("a/m")
    flow = scene.attempt(1, 429)
    scene.trace.end(step, "no\x1b[2J\u202ewell", "one\ntwo\x9b")
    scene.trace.failure = UpstreamRateLimited("x\x1b]0;y\x07", code="c\x1b[31m\r\nd")
    scene.rows.ended(scene.trace)
    texts = [scene.client.comment, flow.comment]
    assert all(text.isprintable() for text in texts), texts
    told = f"{scene.client.metadata[metadata.REASON]}{flow.metadata[metadata.REASON]}"
    assert told == "x?]0;y?one\ntwo?"
