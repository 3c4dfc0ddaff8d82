"""A hook that would raise answers, or says in the log that it failed; and raises nothing."""

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from llm_gateway.bridge.failing import fail_closed, fail_closed_async, raise_nothing


class Addon:
    """Its hooks fail on flows that are marked."""

    def __init__(self) -> None:
        self.failed: list[tuple[http.HTTPFlow, str]] = []

    def fail(self, flow: http.HTTPFlow, error: Exception) -> None:
        self.failed.append((flow, str(error)))

    @fail_closed
    def requestheaders(self, flow: http.HTTPFlow) -> None:
        check(flow)

    @fail_closed_async
    async def request(self, flow: http.HTTPFlow) -> None:
        check(flow)

    @raise_nothing
    def error(self, flow: http.HTTPFlow) -> None:
        check(flow)


def check(flow: http.HTTPFlow) -> None:
    if flow.marked:
        raise KeyError("made up")


def made_flow(*, marked: bool) -> http.HTTPFlow:
    flow = tflow.tflow()
    flow.marked = ":x:" if marked else ""
    return flow


@pytest.mark.parametrize("marked", [False, True])
async def test_a_hook_that_decides_answers_where_it_fails(marked: bool) -> None:
    addon, flow = Addon(), made_flow(marked=marked)
    addon.requestheaders(flow)
    await addon.request(flow)
    assert addon.failed == [(flow, "'made up'")] * (2 if marked else 0)


@pytest.mark.parametrize("marked", [False, True])
def test_a_hook_that_is_only_told_says_where_it_fails(
    marked: bool, caplog: pytest.LogCaptureFixture
) -> None:
    addon = Addon()
    addon.error(made_flow(marked=marked))
    assert addon.failed == []
    assert ("The gateway failed in error." in caplog.text) is marked


def test_hooks_keep_their_names() -> None:
    """mitmproxy finds them by these."""
    names = [each.__name__ for each in (Addon.requestheaders, Addon.request, Addon.error)]
    assert names == ["requestheaders", "request", "error"]
