"""Flows of one exchange find each other, whatever became of them, and nobody is kept alive."""

import gc
import weakref

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from llm_gateway.inspect.kin import Kin, number_of, replayed


def a_flow(exchange: object = "req_1", attempt: object = None, at: float = 1.0) -> http.HTTPFlow:
    """A client flow, or an attempt."""
    flow = tflow.tflow()
    flow.request.timestamp_start = at
    flow.metadata["ai.exchange"] = exchange
    if attempt is not None:
        flow.metadata["ai.attempt"] = attempt
    return flow


def kin_of(*flows: http.HTTPFlow) -> Kin:
    kin = Kin()
    for flow in flows:
        kin.add(flow)
    return kin


def test_a_client_and_its_attempts_find_each_other() -> None:
    client, other = a_flow(), a_flow("req_2")
    second, first = a_flow(attempt=2), a_flow(attempt=1)
    kin = kin_of(other, second, client, first, a_flow("req_2", 1))
    assert kin.client_of(first) is client
    assert kin.client_of(client) is client
    assert kin.attempts_of(client) == [first, second]
    assert kin.attempts_of(second) == [first, second]


def test_calls_with_one_number_are_in_the_order_of_time_and_replays_by_hand_last() -> None:
    client, upload, chat = a_flow(), a_flow(attempt=1, at=1), a_flow(attempt=1, at=2)
    again, third = a_flow(attempt=1, at=0), a_flow(attempt=3)
    again.is_replay = "request"
    assert [replayed(each) for each in (chat, again)] == [False, True]
    assert kin_of(third, again, chat, upload, client).attempts_of(client) == [
        upload,
        chat,
        again,
        third,
    ]


def test_a_client_flow_that_was_run_again_has_new_attempts_and_its_old_ones_once_reverted() -> None:
    client, old, new = a_flow(), a_flow(attempt=1), a_flow("req_2", 1)
    kin = kin_of(client, old)
    client.backup()
    client.metadata["ai.exchange"] = "req_2"
    kin.add(client)
    kin.add(new)
    assert (kin.attempts_of(client), kin.client_of(old)) == ([new], None)
    client.revert()
    assert (kin.attempts_of(client), kin.client_of(new)) == ([old], None)


def test_a_copy_has_the_kin_of_its_original() -> None:
    client, attempt = a_flow(), a_flow(attempt=1)
    kin = kin_of(client, attempt)
    assert kin.attempts_of(client.copy()) == [attempt]
    copy = attempt.copy()
    assert kin.client_of(copy) is client
    assert kin.attempts_of(copy) == [attempt, copy]


def test_flows_that_were_saved_and_loaded_belong_together() -> None:
    saved = [flow.get_state() for flow in (a_flow(), a_flow(attempt=1))]
    client, attempt = (http.HTTPFlow.from_state(state) for state in saved)
    assert isinstance(client, http.HTTPFlow)
    assert isinstance(attempt, http.HTTPFlow)
    kin = kin_of(client, attempt)
    assert (kin.client_of(attempt), kin.attempts_of(client)) == (client, [attempt])


def test_a_flow_read_twice_counts_once() -> None:
    attempt = a_flow(attempt=1)
    twin = http.HTTPFlow.from_state(attempt.get_state())
    assert isinstance(twin, http.HTTPFlow)
    kin = kin_of(attempt, twin)
    assert kin.attempts_of(twin) == [twin]
    assert len(kin.attempts_of(a_flow())) == 1


def test_nobody_is_kept_alive() -> None:
    client = a_flow()
    kin = kin_of(client)
    attempt = a_flow(attempt=1)
    kin.add(attempt)
    watch = weakref.ref(attempt)
    assert kin.attempts_of(client) == [attempt]
    del attempt
    gc.collect()
    assert watch() is None
    assert kin.attempts_of(client) == []


def test_the_flows_of_a_comparison_find_each_other() -> None:
    first, second, other = a_flow(), a_flow("req_2"), a_flow("req_3")
    first.metadata["ai.compare"] = second.metadata["ai.compare"] = "cmp_1"
    kin = kin_of(first, second, other)
    assert {flow.id for flow in kin.compared("cmp_1")} == {first.id, second.id}
    assert kin.compared("cmp_2") == []


def test_a_flow_that_is_not_ours_has_no_kin() -> None:
    stranger = tflow.tflow()
    kin = kin_of(stranger)
    assert (kin.client_of(stranger), kin.attempts_of(stranger)) == (None, [])


@pytest.mark.parametrize("odd", ["1", [1], None, 1.5])
def test_a_number_that_is_none_is_zero(odd: object) -> None:
    attempt = a_flow(["no", "id"])
    attempt.metadata["ai.attempt"] = odd
    assert number_of(attempt) == 0
    assert kin_of(attempt).attempts_of(attempt) == [attempt]
