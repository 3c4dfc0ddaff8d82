"""Of the flows that traffic brings, the oldest are dropped; what a person is at work on stays."""

import gc
import weakref
from collections.abc import Callable, Iterator
from typing import override

import pytest
from mitmproxy import http
from mitmproxy.addons.view import View
from mitmproxy.flow import Flow
from mitmproxy.test import taddons, tflow

from llm_gateway.inspect import keep
from llm_gateway.inspect.keep import KeepFlows, keep_flows
from llm_gateway.inspect.metadata import EXCHANGE, MARK


class House:
    """mitmproxy's own view, and what a proxy does to flows."""

    def __init__(self, view: View, *, most: int, max_bytes: int = keep.MAX_BYTES) -> None:
        self.view = view
        self.focus: Flow | None = None
        self.keep = KeepFlows(view, lambda: self.focus, max_bytes)
        self.keep.limit(most)
        self.removed: list[str] = []
        view.sig_view_remove.connect(self._note)

    def _note(self, flow: Flow, index: int) -> None:
        self.removed.append(flow.id)

    def begin(self, flow: Flow | None = None) -> Flow:
        """A flow begins."""
        flow = flow or tflow.tflow()
        flow.live = True
        self.keep.began(flow)
        self.view.add([flow])
        return flow

    def end(self, flow: Flow, body: bytes = b"") -> Flow:
        """Its answer is complete."""
        if isinstance(flow, http.HTTPFlow):
            flow.request.content = b""
            flow.response = http.Response.make(200, body)
        self.keep.ended(flow)
        self.view.update([flow])
        flow.live = False
        return flow

    def serve(self, count: int = 1, body: bytes = b"") -> list[Flow]:
        """So many flows, one after the other."""
        return [self.end(self.begin(), body) for _ in range(count)]

    @property
    def kept(self) -> list[Flow]:
        """What the view has, the oldest first."""
        return [*self.view.resolve("@all")]


@pytest.fixture
def view() -> Iterator[View]:
    view = View()
    with taddons.context(view):
        yield view


def test_the_oldest_go_one_by_one(view: View) -> None:
    house = House(view, most=3)
    flows = house.serve(5)
    assert house.kept == flows[2:]
    assert house.removed == [flows[0].id, flows[1].id]


def test_with_0_all_are_kept(view: View) -> None:
    house = House(view, most=0)
    assert house.serve(50) == house.kept


def test_a_smaller_limit_is_obeyed_at_once(view: View) -> None:
    house = House(view, most=0)
    flows = house.serve(10)
    house.keep.limit(4)
    assert house.kept == flows[6:]


def test_without_a_view_nothing_happens() -> None:
    nothing = KeepFlows(None)
    flow = tflow.tflow()
    flow.live = True
    nothing.began(flow)
    nothing.ended(flow)
    nothing.limit(1)
    assert not nothing._counted


def intercept(house: House, flow: Flow) -> None:
    flow.intercept()


def mark(house: House, flow: Flow) -> None:
    flow.marked = ":heart:"


def live(house: House, flow: Flow) -> None:
    flow.live = True


def queue_for_replay(house: House, flow: Flow) -> None:
    assert isinstance(flow, http.HTTPFlow)
    flow.is_replay, flow.response = "request", None


def look_at(house: House, flow: Flow) -> None:
    house.focus = flow


def undo(house: House, flow: Flow) -> None:
    flow.intercepted = flow.live = False
    flow.marked, flow.is_replay, house.focus = "", None, None


@pytest.mark.parametrize("do", [intercept, mark, live, queue_for_replay, look_at])
def test_what_a_person_is_at_work_on_stays_and_does_not_count(
    view: View, do: Callable[[House, Flow], None]
) -> None:
    house = House(view, most=3)
    [spared] = house.serve()
    do(house, spared)
    flows = house.serve(20)
    assert house.kept == [spared, *flows[-3:]]
    undo(house, spared)
    flows = house.serve(2)
    assert spared not in house.kept
    assert len(house.kept) == 3
    assert house.kept[1:] == flows


def test_the_gateways_own_marks_do_not_spare(view: View) -> None:
    house = House(view, most=3)
    for flow in house.serve(3):
        flow.metadata |= {EXCHANGE: "req_1", MARK: ":x:"}
        flow.marked = ":x:"
    assert house.serve(3) == house.kept


def test_an_answered_replay_is_a_flow_like_any_other(view: View) -> None:
    house = House(view, most=3)
    [replayed] = house.serve()
    replayed.is_replay = "request"
    house.end(house.begin(replayed))
    assert house.serve(3) == house.kept


def test_what_was_opened_from_a_file_stays_until_it_is_replayed(view: View) -> None:
    house = House(view, most=3)
    loaded = tflow.tflow(resp=True)
    loaded.live = False
    house.keep.began(loaded)
    view.add([loaded])
    house.keep.ended(loaded)
    flows = house.serve(5)
    assert house.kept == [loaded, *flows[-3:]]
    house.end(house.begin(loaded))
    flows = house.serve(3)
    assert house.kept == flows


def test_flows_of_all_kinds_count(view: View) -> None:
    house = House(view, most=3)
    for flow in (tflow.ttcpflow(), tflow.ttcpflow(), tflow.twebsocketflow()):
        house.end(house.begin(flow))
    assert house.serve(3) == house.kept


def test_what_a_person_has_removed_does_not_count(view: View) -> None:
    house = House(view, most=3, max_bytes=1000)
    flows = house.serve(3, bytes(300))
    view.remove(flows[1:])
    more = house.serve(2, bytes(300))
    assert house.kept == [flows[0], *more]


def test_what_a_person_has_cleared_does_not_count(view: View) -> None:
    house = House(view, most=3, max_bytes=1000)
    [marked, _] = house.serve(2, bytes(450))
    mark(house, marked)
    view.clear_not_marked()
    flows = house.serve(1, bytes(450))
    assert house.kept == [marked, *flows]
    view.clear()
    assert house.serve(3, bytes(300)) == house.kept


def test_flows_that_the_filter_hides_are_dropped_as_well(view: View) -> None:
    view.set_filter_cmd("~d nowhere.example")
    house = House(view, most=3)
    flows = house.serve(5)
    assert len(view) == 0
    assert house.kept == flows[2:]


def test_bodies_are_bounded_whatever_the_number(view: View) -> None:
    house = House(view, most=100, max_bytes=1000)
    flows = house.serve(15, bytes(100))
    assert house.kept == flows[5:]
    large = house.serve(1, bytes(950))
    assert house.kept == large
    flows = house.serve(4, bytes(100))
    assert house.kept == flows


def test_a_body_that_becomes_larger_counts_anew(view: View) -> None:
    house = House(view, most=100, max_bytes=1000)
    first, second, third = house.serve(3, bytes(300))
    house.end(house.begin(third), bytes(500))
    assert house.kept == [second, third]
    assert first not in house.kept


def test_spared_flows_have_no_part_in_the_bytes(view: View) -> None:
    house = House(view, most=100, max_bytes=1000)
    [spared] = house.serve(1, bytes(900))
    mark(house, spared)
    flows = house.serve(9, bytes(100))
    assert house.kept == [spared, *flows]


@pytest.mark.parametrize(
    ("flow", "size"),
    [
        (tflow.tflow(resp=True), len(b"content" + b"message")),
        (tflow.tflow(err=True), len(b"content")),
        (tflow.ttcpflow(), len(b"hello" + b"it's me")),
        (tflow.tdnsflow(resp=True), 0),
    ],
)
def test_the_size_of_a_flow_is_that_of_its_bodies(flow: Flow, size: int) -> None:
    assert keep.size_of(flow) == size


def test_a_websockets_messages_are_bodies() -> None:
    flow = tflow.twebsocketflow()
    assert flow.websocket is not None
    assert keep.size_of(flow) == sum(len(each.content) for each in flow.websocket.messages)


def test_nothing_of_a_flow_that_is_gone_is_kept(view: View) -> None:
    house = House(view, most=3)
    gone = weakref.ref(house.serve(1)[0])
    mark(house, house.serve(1)[0])
    house.serve(3)
    gc.collect()
    assert gone() is None
    assert (len(house.keep._counted), len(house.keep._spared)) == (3, 1)
    view.clear()
    assert not house.keep._counted
    assert not house.keep._spared
    assert house.keep._bytes == 0


class CountingView(View):
    """A view that counts how often it is asked."""

    calls = 0

    @override
    def get_by_id(self, flow_id: str) -> Flow | None:
        self.calls += 1
        return super().get_by_id(flow_id)


def test_many_spared_flows_make_the_next_no_dearer() -> None:
    view = CountingView()
    with taddons.context(view):
        house = House(view, most=10)
        for _ in range(400):
            mark(house, house.serve()[0])
        for _ in range(20):
            view.calls = 0
            house.serve()
            assert view.calls <= 2
        assert len(house.kept) == 410


@pytest.mark.parametrize(("tool", "spared"), [("web", False), ("console", True)])
def test_what_the_console_has_in_focus_is_spared(view: View, tool: str, spared: bool) -> None:
    with taddons.context(view) as context:
        if tool == "web":
            setattr(context.master, "app", None)  # noqa: B010 - what makes a master mitmweb's
        keep = keep_flows(context.master)
        keep.limit(1)
        house = House(view, most=0)
        house.keep = keep
        [first, _, last] = house.serve(3)
        assert house.kept == ([first, last] if spared else [last])


def test_mitmdump_keeps_nothing_anyway() -> None:
    with taddons.context() as context:
        assert keep_flows(context.master)._view is None


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("1000", 1000), ("007", 7)])
def test_the_option_is_a_number(text: str, number: int) -> None:
    assert keep.number(text) == number


@pytest.mark.parametrize("text", ["", "-1", "1k", "all", " 5", "1.5", "²", "٣"])
def test_anything_else_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="ai_keep_flows: expected a number of flows"):
        keep.number(text)
