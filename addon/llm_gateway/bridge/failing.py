"""What becomes of a hook of ours that would raise.

mitmproxy logs what a hook raises and goes on as if there had been no hook: it would send the
request to the reverse target, with the client's credentials.
"""

import logging
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Protocol

from mitmproxy import http

logger = logging.getLogger(__name__)


class Fails(Protocol):
    """An addon that can answer in place of a hook."""

    def fail(self, flow: http.HTTPFlow, error: Exception) -> None:
        """Answer the flow, whatever was to become of it."""


def fail_closed[A: Fails](
    hook: Callable[[A, http.HTTPFlow], None],
) -> Callable[[A, http.HTTPFlow], None]:
    """A hook that answers the flow where it would raise, so that nothing is forwarded."""

    @wraps(hook)
    def guarded(self: A, flow: http.HTTPFlow) -> None:
        try:
            hook(self, flow)
        except Exception as error:
            self.fail(flow, error)

    return guarded


def fail_closed_async[A: Fails](
    hook: Callable[[A, http.HTTPFlow], Coroutine[Any, Any, None]],
) -> Callable[[A, http.HTTPFlow], Coroutine[Any, Any, None]]:
    """The same for an asynchronous hook."""

    @wraps(hook)
    async def guarded(self: A, flow: http.HTTPFlow) -> None:
        try:
            await hook(self, flow)
        except Exception as error:
            self.fail(flow, error)

    return guarded


def raise_nothing[A, T](hook: Callable[[A, T], None]) -> Callable[[A, T], None]:
    """A hook after which nothing is decided any more: what it would raise is logged."""

    @wraps(hook)
    def guarded(self: A, about: T) -> None:
        try:
            hook(self, about)
        except Exception:
            logger.exception("The gateway failed in %s.", hook.__name__)

    return guarded
