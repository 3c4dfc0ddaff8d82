"""Bounding what mitmweb and the console keep.

mitmproxy's view keeps every flow with its bodies for as long as the process lives. This drops the
oldest again: more than so many, or than so many bytes. Only what came by traffic counts, whatever
its host. What a person has opened from a file or duplicated was put there to stay, until it is
replayed: then it came by traffic as well.

Spared, and not counted, is what a person may be at work on: flows that are live or intercepted,
wait for their replay, are marked by hand, or have the console's focus.

Each new flow costs the same, however many are kept or spared: one look at the oldest of those that
count, and one at the spared flow that was not looked at for longest.
"""

from collections import OrderedDict
from collections.abc import Callable

from mitmproxy.addons.view import View
from mitmproxy.flow import Flow
from mitmproxy.http import HTTPFlow
from mitmproxy.master import Master
from mitmproxy.tcp import TCPFlow

from llm_gateway.inspect.metadata import marked_by_hand
from llm_gateway.inspect.screen import is_web, view_of

DEFAULT = "1000"
MAX_BYTES = 512 * 1024 * 1024
"""Of the bodies of all flows that count. A thousand chats are some 50 MB; pictures are more."""

_REPLAYED = "request"


class KeepFlows:
    """Drops flows from a view. Without one it does nothing."""

    def __init__(
        self,
        view: View | None,
        focus: Callable[[], Flow | None] = lambda: None,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        """``focus`` is the flow that a person looks at, where that can be known."""
        self._most = int(DEFAULT)
        self._view = view
        self._focus = focus
        self._max_bytes = max_bytes
        self._counted: OrderedDict[str, int] = OrderedDict()
        """Bytes by flow id, the oldest flow first."""
        self._spared: OrderedDict[str, int] = OrderedDict()
        """The same, first who was not looked at for longest."""
        self._bytes = 0
        if view is not None:
            view.sig_store_remove.connect(self._removed)
            view.sig_store_refresh.connect(self._refreshed)

    def began(self, flow: Flow) -> None:
        """A flow begins, or is loaded. Drops what is too much."""
        if self._view is None or not flow.live:
            return
        if flow.id not in self._spared:
            self._counted.setdefault(flow.id, 0)
        self._look_at_spared(self._view)
        self._drop(self._view)

    def ended(self, flow: Flow) -> None:
        """A flow is complete, so that its size is known. Drops what is too much."""
        if self._view is None:
            return
        if flow.id in self._counted:
            size = size_of(flow)
            self._bytes += size - self._counted[flow.id]
            self._counted[flow.id] = size
            self._drop(self._view)
        elif flow.id in self._spared:
            self._spared[flow.id] = size_of(flow)

    def limit(self, most: int) -> None:
        """Keep so many from now on; 0: all of them."""
        self._most = most
        if self._view is not None:
            self._drop(self._view)

    def _drop(self, view: View) -> None:
        while self._counted and self._is_too_much():
            flow_id, size = self._counted.popitem(last=False)
            self._bytes -= size
            flow = view.get_by_id(flow_id)
            if flow is None:
                continue
            if self._is_spared(flow):
                self._spared[flow_id] = size
            else:
                # One by one: for more, mitmproxy writes a line into the log.
                view.remove([flow])

    def _is_too_much(self) -> bool:
        return self._most > 0 and (len(self._counted) > self._most or self._bytes > self._max_bytes)

    def _look_at_spared(self, view: View) -> None:
        """Have one of the spared flows count again, if there is no more reason to spare it."""
        if not self._spared:
            return
        flow_id, size = self._spared.popitem(last=False)
        flow = view.get_by_id(flow_id)
        if flow is None:
            return
        if self._is_spared(flow):
            self._spared[flow_id] = size
        else:
            self._counted[flow_id] = size
            self._counted.move_to_end(flow_id, last=False)
            self._bytes += size

    def _is_spared(self, flow: Flow) -> bool:
        return (
            flow.live
            or flow.intercepted
            or marked_by_hand(flow)
            or _waits_for_replay(flow)
            or flow is self._focus()
        )

    def _removed(self, flow: Flow) -> None:
        """Somebody has deleted it, perhaps we."""
        self._spared.pop(flow.id, None)
        self._bytes -= self._counted.pop(flow.id, 0)

    def _refreshed(self) -> None:
        """Somebody has cleared the list, perhaps all but what is marked."""
        for flows in (self._counted, self._spared):
            for flow_id in [each for each in flows if self._is_gone(each)]:
                del flows[flow_id]
        self._bytes = sum(self._counted.values())

    def _is_gone(self, flow_id: str) -> bool:
        return self._view is None or self._view.get_by_id(flow_id) is None


def keep_flows(master: Master) -> KeepFlows:
    """What bounds this master's list of flows."""
    view = view_of(master)
    if view is None or is_web(master):
        # mitmweb does not know what its pages show: what it calls the focus is the oldest flow.
        return KeepFlows(view)
    return KeepFlows(view, lambda: view.focus.flow)


def number(text: str) -> int:
    """How many flows are kept, as the option says it. Raises ValueError."""
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(f"ai_keep_flows: expected a number of flows, 0 for all, got {text!r}.")
    return int(text)


def size_of(flow: Flow) -> int:
    """The bytes of a flow's bodies."""
    if isinstance(flow, HTTPFlow):
        bodies = (each.raw_content for each in (flow.request, flow.response) if each is not None)
        messages = flow.websocket.messages if flow.websocket else ()
        return sum(len(body or b"") for body in bodies) + sum(len(m.content) for m in messages)
    if isinstance(flow, TCPFlow):
        return sum(len(message.content) for message in flow.messages)
    return 0


def _waits_for_replay(flow: Flow) -> bool:
    answered = isinstance(flow, HTTPFlow) and flow.response is not None
    return flow.is_replay == _REPLAYED and not answered and flow.error is None
