"""Faults on demand: an answer in a provider's place, or one that is spoiled on its way.

Somebody who writes a client wants to see what it does when a provider is out of quota, slow or
cut off. :class:`Faults` holds what is to happen, to which targets and how often;
:class:`FaultyWire` stands in front of the real wire and makes it happen. To everything above, it
is the provider that fails: it is retried, counted and shown like any failure.

A request without a pending fault costs the look into one dict.
"""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from llm_gateway.errors import UpstreamConnectionError, waiting
from llm_gateway.patience import Patience
from llm_gateway.wire import (
    JSON,
    Label,
    UpstreamRequest,
    UpstreamResponse,
    Wire,
    is_event_stream,
)

logger = logging.getLogger(__name__)

EVERY: Final = "*"
"""The target that stands for all."""
CUT_AFTER = 4
"""Events of a stream that pass before it is cut: by then each format has brought some content."""
RATE_LIMITED = 429
RETRY_AFTER = 1.0
"""Seconds that a 429 asks to wait where nothing else was asked for."""

STALL, CUT, REFUSE = "stall", "cut", "refuse"
KINDS: Mapping[str, str] = {
    "400 … 599": "the provider answers with this status; 429:20 also with a Retry-After of 20 s",
    STALL: "it gives no answer at all, until the time limit",
    CUT: "it is really asked, and its answer breaks off in the middle",
    REFUSE: "it takes no connection",
}
"""What can be injected, for people."""

_STATUS = re.compile(r"([45][0-9]{2})(?::([0-9]{1,4}(?:\.[0-9]{1,3})?))?", re.ASCII)
_DETAIL = "injected by ai.fault"
_ANTHROPIC = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""``error.type`` by status; https://docs.anthropic.com/en/api/errors."""
_GOOGLE = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""``error.status`` by HTTP status; https://cloud.google.com/apis/design/errors."""
_EVENT_END = re.compile(rb"\r?\n\r?\n")
_DONE = b"data: [DONE]"


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault. ``status`` and ``retry_after`` (seconds) of an answer; 0 is none."""

    kind: str
    status: int = 0
    retry_after: float = 0.0


def parse(kind: str) -> Fault:
    """The fault that a person calls ``kind``; see KINDS. Raises ValueError, which lists them."""
    if kind in (STALL, CUT, REFUSE):
        return Fault(kind)
    match = _STATUS.fullmatch(kind)
    if match is None:
        kinds = "".join(f"\n  {name}: {meaning}" for name, meaning in KINDS.items())
        raise ValueError(f"There is no fault {kind!r}. There are:{kinds}")
    status = int(match[1])
    usual = RETRY_AFTER if status == RATE_LIMITED else 0.0
    return Fault(kind, status, float(match[2]) if match[2] else usual)


@dataclass(slots=True)
class _Pending:
    fault: Fault
    left: int


class Faults:
    """What is still to be injected, by target.

    A target is ``provider/model`` as the provider names the model, a provider, or ``*``. Of several
    that fit, the narrowest counts.
    """

    def __init__(self) -> None:
        self._pending: dict[str, _Pending] = {}

    def inject(self, target: str, fault: Fault, times: int) -> None:
        """Spoil the target's next attempts, in place of what was pending for it."""
        self._pending[target] = _Pending(fault, times)
        logger.warning("Faults are injected: %s.", _told(target, fault, times))

    def clear(self, target: str = EVERY) -> int:
        """Inject nothing more into the target; ``*``: into none. Says how many were pending."""
        targets = [*self._pending] if target == EVERY else [target] * (target in self._pending)
        cleared = [self._pending.pop(each) for each in targets]
        if cleared:
            logger.warning("Faults are no longer injected: %s.", ", ".join(targets))
        return len(cleared)

    @property
    def pending(self) -> list[str]:
        """A line for each target."""
        return [_told(target, each.fault, each.left) for target, each in self._pending.items()]

    def take(self, label: Label) -> Fault | None:
        """The fault of this attempt, which is one fewer then; mostly there is none."""
        if not self._pending or label.model == EVERY:  # what lists the models is no attempt
            return None
        for target in (f"{label.provider}/{label.model}", label.provider, EVERY):
            pending = self._pending.get(target)
            if pending is not None:
                self._count(target, pending)
                return pending.fault
        return None

    def wrap(self, wire: Wire) -> Wire:
        """The same wire, on which faults happen."""
        return FaultyWire(wire, self)

    def _count(self, target: str, pending: _Pending) -> None:
        pending.left -= 1
        if not pending.left:
            del self._pending[target]
            logger.warning("The faults for %s are used up.", target)


def _told(target: str, fault: Fault, times: int) -> str:
    attempts = "attempt meets" if times == 1 else f"{times} attempts meet"
    where = "any target" if target == EVERY else target
    return f"the next {attempts} {fault.kind} at {where}"


class FaultyWire:
    """See the module. A :class:`~llm_gateway.wire.Wire`."""

    def __init__(self, wire: Wire, faults: Faults) -> None:
        self._wire = wire
        self._faults = faults

    def send(
        self, request: UpstreamRequest, patience: Patience
    ) -> Coroutine[Any, Any, UpstreamResponse]:
        """See :class:`~llm_gateway.wire.Wire`."""
        fault = self._faults.take(request.label)
        if fault is None:
            return self._wire.send(request, patience)
        if request.on_fault is not None:
            request.on_fault(fault.kind)
        return self._spoiled(fault, request, patience)

    async def close(self) -> None:
        """See :class:`~llm_gateway.wire.Wire`."""
        await self._wire.close()

    async def _spoiled(
        self, fault: Fault, request: UpstreamRequest, patience: Patience
    ) -> UpstreamResponse:
        match fault.kind:
            case "stall":
                # Whoever waits has a time limit, and cancels this when it runs out.
                await asyncio.get_running_loop().create_future()
            case "refuse":
                raise UpstreamConnectionError(
                    "The connection to the provider could not be established.", detail=_DETAIL
                ).unsent()
            case "cut":
                response = await self._wire.send(request, patience)
                return _CutStream(response) if is_event_stream(response) else _CutBody(response)
        return _Answer(fault, request.label)


class _Answer:
    """An error as the provider would word it."""

    def __init__(self, fault: Fault, label: Label) -> None:
        self.status = fault.status
        hints = waiting(fault.retry_after) if fault.retry_after else ()
        self.headers: Mapping[str, str] = {"content-type": JSON, **dict(hints)}
        self._body = error_body(label.kind, fault.status)

    async def read(self) -> bytes:
        body, self._body = self._body, b""
        return body

    async def release(self) -> None:
        self.close()

    def close(self) -> None:
        self._body = b""


class _CutBody:
    """A whole answer of which only the beginning comes."""

    def __init__(self, response: UpstreamResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = response.headers
        self._begun = False

    async def read(self) -> bytes:
        data = b"" if self._begun else await self._response.read()
        self._begun = True
        if len(data) > 1:
            return data[: len(data) // 2]
        raise _break(self._response)

    async def release(self) -> None:
        await self._response.release()

    def close(self) -> None:
        self._response.close()


class _CutStream:
    """A stream of which the first events come, and never the last."""

    def __init__(self, response: UpstreamResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = response.headers
        self._events: deque[bytes] = deque()
        self._rest = b""
        self._over = False
        self._passed = 0

    async def read(self) -> bytes:
        while self._passed < CUT_AFTER:
            if len(self._events) > 1:
                self._passed += 1
                return self._events.popleft()
            if self._over:
                break
            self._take(await self._response.read())
        raise _break(self._response)

    async def release(self) -> None:
        await self._response.release()

    def close(self) -> None:
        self._response.close()

    def _take(self, data: bytes) -> None:
        self._over = not data
        self._rest += data
        while end := _EVENT_END.search(self._rest):
            event, self._rest = self._rest[: end.end()], self._rest[end.end() :]
            if not event.startswith(_DONE):  # by then, all of the answer would have come
                self._events.append(event)


def _break(response: UpstreamResponse) -> UpstreamConnectionError:
    response.close()
    return UpstreamConnectionError(
        "The connection to the provider broke before the answer was complete.", detail=_DETAIL
    )


def error_body(kind: str, status: int) -> bytes:
    """An error reply with this status, as providers of this kind write it."""
    message = f"Injected fault {status}."
    match kind:
        case "anthropic":
            error = {"type": _ANTHROPIC.get(status, "api_error"), "message": message}
            return orjson.dumps({"type": "error", "error": error})
        case "gemini":
            name = _GOOGLE.get(status, "UNKNOWN")
            return orjson.dumps({"error": {"code": status, "message": message, "status": name}})
        case "gigachat":
            return orjson.dumps({"status": status, "message": message})
    return orjson.dumps(
        {"error": {"message": message, "type": "injected_fault", "param": None, "code": None}}
    )
