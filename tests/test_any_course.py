"""Whatever targets do and whenever clients leave: everybody is told once, and nothing is left over.

Exchanges run against random scripts in virtual time; some clients leave at a random moment, or stop
to read a stream. Afterwards everything is at rest.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st

from llm_gateway.attempt import Reply
from llm_gateway.config import (
    BreakerPolicy,
    Capability,
    FallbackOn,
    Gateway,
    Http,
    Limits,
    RetryPolicy,
    ThrottlePolicy,
    Windows,
)
from llm_gateway.dispatch import ChatRequest
from llm_gateway.errors import GatewayError, UpstreamConnectionError, UpstreamTimeout
from llm_gateway.limits.gate import Reason
from llm_gateway.limits.quota import Claim
from llm_gateway.manner import Manner
from llm_gateway.trace import Trace
from support.exchange import DONE, FIRST, HELLO, LAST, USAGE
from support.fakes import FakeResponse, Piece, chat_body
from support.targets import Answer, Targets, status, whole
from support.virtual_time import run

DAY = Limits(Windows(day=10**6))
MOST_CALLS = 4
OPEN_AT_MOST = 4.0
SKIPPED = {*map(str, Reason), "too_long", "queue"}


def pause(seconds: float) -> asyncio.Event:
    """An event that is set then, from when the script is made on."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    return over


def broken() -> UpstreamConnectionError:
    return UpstreamConnectionError("It broke.")


def stream(*pieces: bytes | Exception | float) -> FakeResponse:
    """A stream with pauses of so many seconds."""
    made: list[Piece] = [pause(each) if isinstance(each, float) else each for each in pieces]
    return FakeResponse(*made)


STEPS: dict[str, Any] = {
    "good": lambda: whole("x"),
    "good stream": lambda: stream(FIRST, HELLO, LAST + USAGE, DONE),
    "slow stream": lambda: stream(FIRST, 3.0, HELLO, 4.0, LAST + USAGE + DONE),
    "late stream": lambda: stream(1.0, FIRST, 6.0, HELLO + LAST + DONE),
    "role, then a break": lambda: stream(FIRST, broken()),
    "text, then a break": lambda: stream(FIRST, HELLO, 2.0, broken()),
    "text, then silence": lambda: stream(FIRST, HELLO, 1e6),
    "text, then the end": lambda: stream(FIRST + HELLO),
    "silence": lambda: stream(1e6),
    "empty": lambda: stream(FIRST + DONE),
    "not JSON": lambda: stream(b"data: no\n\n"),
    "400": lambda: status(400),
    "401": lambda: status(401),
    "429": lambda: status(429),
    "429 for 2 s": lambda: status(429, retry_after="2"),
    "429 for an hour": lambda: status(429, retry_after="3600"),
    "500": lambda: status(500),
    "broken": broken,
    "unreachable": lambda: UpstreamConnectionError("Nobody there.").unsent(),
    "slow to connect": lambda: UpstreamTimeout("Nobody in time.").unsent(),
    "a bug": lambda: ZeroDivisionError("a bug"),
    "0.5 s": lambda: 0.5,
    "3 s": lambda: 3.0,
    "20 s": lambda: 20.0,
}

SCRIPTS = st.lists(st.lists(st.sampled_from([*STEPS]), max_size=6), min_size=1, max_size=3)

MODELS = st.fixed_dictionaries(
    {
        "retry": st.builds(
            RetryPolicy,
            attempts=st.integers(1, 3),
            fallback_on=st.sampled_from([frozenset(FallbackOn), RetryPolicy().fallback_on]),
        ),
        "breaker": st.sampled_from(
            [
                BreakerPolicy(failures=1, open=2.0, max_open=OPEN_AT_MOST, jitter=0.0),
                BreakerPolicy(failures=3, open=2.0, max_open=OPEN_AT_MOST, jitter=0.0),
            ]
        ),
        "hedge": st.sampled_from([None, 0.5, 2.0]),
        "resume": st.booleans(),
        "http": st.just(Http(first_event=8.0, answer=15.0, idle=5.0)),
        "limits": st.just(DAY),
        "capabilities": st.just(frozenset({Capability.CHAT, Capability.PREFILL})),
    }
)

THROTTLES = st.sampled_from(
    [
        ThrottlePolicy(),
        ThrottlePolicy(max_concurrent=1, queue=1, queue_timeout=3.0),
        ThrottlePolicy(min_interval=0.7, queue=2, queue_timeout=3.0),
    ]
)


def leave_in(passes: int, limit: asyncio.Timeout) -> None:
    """Let a limit run out after so many passes of the event loop, at whatever await that is."""
    loop = asyncio.get_running_loop()
    if passes:
        loop.call_soon(leave_in, passes - 1, limit)
    elif not limit.expired():
        with suppress(RuntimeError):  # It is over.
            limit.reschedule(loop.time())


@dataclass
class Client:
    """Asks at `at`, and reads so many pieces.

    It leaves `after` so many seconds or, a whole number, passes of the event loop; None: never.
    """

    number: int
    at: float
    after: float | int | None
    pieces: int
    streams: bool
    retries: bool
    outcome: str = ""
    trace: Trace = field(init=False)

    def __post_init__(self) -> None:
        self.trace = Trace(f"req_{self.number}")

    async def live(self, targets: Targets) -> None:
        await asyncio.sleep(self.at)
        try:
            async with asyncio.timeout(None) as limit:
                if isinstance(self.after, float):
                    limit.reschedule(asyncio.get_running_loop().time() + self.after)
                elif self.after is not None:
                    leave_in(self.after, limit)
                self.outcome = await self._ask(targets)
        except GatewayError:
            self.outcome = "failed"
        except TimeoutError:
            self.outcome = "left"
        except ZeroDivisionError:
            self.outcome = "a bug"

    async def _ask(self, targets: Targets) -> str:
        request = ChatRequest(chat_body(stream=self.streams), "m", self.streams, 100)
        reply = await targets.dispatcher.chat(request, self.trace, Manner(retries=self.retries))
        if isinstance(reply.body, bytes):
            assert not self.streams
            return "answered"
        return await self._read(reply)

    async def _read(self, reply: Reply) -> str:
        assert not isinstance(reply.body, bytes)
        try:
            received = b""
            async for piece in reply.body:
                received += piece
                self.pieces -= 1
                if not self.pieces:
                    return "stopped"
        finally:
            await reply.body.aclose()
        assert received.endswith(DONE)
        assert received.count(DONE) == 1
        assert (b'"error"' in received) == (self.trace.failure is not None)
        return "streamed"


CLIENTS = st.lists(
    st.builds(
        Client,
        number=st.integers(0, 9),
        at=st.sampled_from([0.0, 0.0, 1.0, 5.0]),
        after=st.none() | st.floats(0, 30) | st.integers(0, 30),
        pieces=st.integers(1, 9),
        streams=st.booleans(),
        retries=st.booleans(),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda client: client.number,
)


def check_calls(targets: Targets, client: Client) -> None:
    """Each call of an exchange is in its route, and no other."""
    requests = [r for r in targets.wires.requests if r.label.exchange == client.trace.exchange]
    assert len(requests) == client.trace.attempts <= MOST_CALLS
    assert [r.label.attempt for r in requests] == [*range(1, len(requests) + 1)]
    calls = Counter(f"{r.label.provider}/{r.label.model}" for r in requests)
    route = Counter(name for name, outcome in client.trace.route if outcome not in SKIPPED)
    assert calls == route
    if client.outcome in {"answered", "streamed"} and client.trace.failure is None:
        assert {(client.trace.target, good) for good in ("ok", "resumed")} & {*client.trace.route}


async def check_quotas(targets: Targets) -> None:
    """What left was counted, and nothing else."""
    unsent = Counter(targets.wires.unsent)
    for model in targets.config.models:
        left = Counter(targets.calls)[model.provider] - unsent[model.provider]
        receipt = await targets.gatekeeper._store.take([Claim(f"target {model.label}", DAY)])
        assert receipt.standing.requests is not None
        assert receipt.standing.requests.remaining == 10**6 - left - 1


def check_rest(targets: Targets) -> None:
    assert targets.are_at_rest
    assert asyncio.all_tasks() == {asyncio.current_task()}
    for response in targets.wires.given:
        assert response.closed or response.released
    for model in targets.config.models:
        gate = targets.gatekeeper.gate(model)
        for breaker in (gate.breaker, gate.provider.breaker):
            assert breaker.wait() < OPEN_AT_MOST + 1e-6, "no probe is out"


@settings(max_examples=80)
@given(
    scripts=SCRIPTS,
    fields=MODELS,
    throttle=THROTTLES,
    clients=CLIENTS,
    deadline=st.sampled_from([2.0, 25.0]),
)
def test_everything_is_at_rest_afterwards(
    scripts: list[list[str]],
    fields: dict[str, Any],
    throttle: ThrottlePolicy,
    clients: list[Client],
    deadline: float,
) -> None:
    async def main() -> None:
        made: dict[str, list[Answer]] = {
            name: [*(STEPS[step]() for step in script), broken()]
            for name, script in zip("abc", scripts, strict=False)
        }
        provider = {"throttle": throttle, "breaker": fields["breaker"]}
        targets = Targets(
            made,
            everywhere=fields,
            providers=dict.fromkeys(made, provider),
            gateway=Gateway(deadline=deadline, max_attempts=MOST_CALLS),
        )
        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(client.live(targets))
        check_rest(targets)
        await check_quotas(targets)
        for client in clients:
            check_calls(targets, client)
            event(client.outcome)

    run(main())
