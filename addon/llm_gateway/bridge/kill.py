"""Killing a flow that somebody holds.

``Flow.kill`` marks the flow and leaves whoever waits for its resumption waiting: the client of a
flow that is intercepted and then killed hangs (mitmproxy issue 8045). Waking them is all it takes;
mitmproxy then sees the mark and ends the flow.
"""

from functools import wraps

from mitmproxy.flow import Flow

_MARK = "llm_gateway_wakes"


def wake_on_kill() -> None:
    """Have ``Flow.kill`` wake who waits for the flow. Doing it again changes nothing."""
    if hasattr(Flow.kill, _MARK):
        return
    original = Flow.kill

    @wraps(original)
    def kill(self: Flow) -> None:
        original(self)  # type: ignore[no-untyped-call] # mitmproxy's has no annotations
        if self._resume_event is not None:
            self._resume_event.set()

    setattr(kill, _MARK, True)
    Flow.kill = kill  # type: ignore[method-assign] # mends mitmproxy's own method
