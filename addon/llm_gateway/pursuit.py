"""After an answer, from target to target: each as often as is worth it, until one answers.

The targets come in the order of their strategy. At each, its gate is asked first, and a target that
may not be asked now is passed over, with the reason on record. A failure that the same target may
mend is tried there again (:mod:`llm_gateway.retry`); one that only another can, there; one that
nobody can is the client's answer. All of it shares one deadline and one number of attempts.

With ``hedge``, a target that has not answered after that time is not given up: the next one is
asked beside it, and the first good answer wins.
"""

import asyncio
import math
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from llm_gateway.adapters.contract import Usage
from llm_gateway.adapters.error_words import CONTENT_FILTER, CONTENT_POLICY, CONTEXT_LENGTH
from llm_gateway.config import FallbackOn
from llm_gateway.errors import (
    RequestError,
    Retry,
    UpstreamAuthError,
    UpstreamError,
    UpstreamRateLimited,
    UpstreamTimeout,
)
from llm_gateway.limits.gate import Gate, Permit, Reason, Refused
from llm_gateway.limits.quota import Standing
from llm_gateway.retry import LEAST_TRY, Limits, Patient
from llm_gateway.routing import Target
from llm_gateway.strategies import Candidate
from llm_gateway.trace import BROKEN_OFF, GOOD, Trace

TOO_LONG = "too_long"
QUEUE = "queue"
"""Outcomes: the target takes no requests of this length; the call was not begun, because the
exchange ended while it waited for its turn."""
FAIR_SECONDS = 10.0
"""Who has not answered for so long when the deadline comes has failed; an impatient client's
deadline says nothing of a target."""

_CODE = re.compile(r"[a-z][a-z_]{0,63}")
_CONTENT = {CONTENT_FILTER, CONTENT_POLICY}
_REFUSALS = {
    Reason.QUOTA: "its quota is spent",
    Reason.PARKED: "it rests after its provider's limit",
    Reason.BREAKER: "its breaker is open",
    Reason.QUEUE_FULL: "its queue is full",
    Reason.QUEUE_TIMEOUT: "it waited in its queue for too long",
}
_SKIPS = {Reason.QUOTA: FallbackOn.QUOTA, Reason.PARKED: FallbackOn.QUOTA}


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for a whole exchange.

    ``tokens`` is about how many the request has; ``attempts`` how often providers may be called;
    ``once``: each target once, because the client itself tries again; ``time_left`` the seconds to
    the deadline; ``success`` what the route calls a good answer.
    """

    tokens: Callable[[], int]
    attempts: int
    once: bool
    time_left: Callable[[], float]
    uniform: Callable[[float, float], float]
    success: str = GOOD


class _Enough(Exception):
    """Providers were called as often as they may be."""


def _keep(answer: object) -> None:
    """For answers that hold nothing open."""


@dataclass(slots=True)
class Pursuit[T]:
    """One exchange's way.

    ``attempt`` asks a target, which has so many seconds until a stream has content; it ends the
    permit where its answer is good, and we where it is not.
    ``discard`` ends an answer that came too late.
    """

    candidates: Sequence[Candidate]
    terms: Terms
    trace: Trace
    attempt: Callable[[Target, Permit, float], Awaitable[T]]
    discard: Callable[[T], None] = _keep
    failures: dict[str, UpstreamError] = field(default_factory=dict)
    """The latest of each target, by its label; the last one last."""
    skips: list[tuple[Candidate, Refused]] = field(default_factory=list)
    out_of_time: bool = False
    """Whether the deadline is why something was not tried."""
    _won: "_Won[T] | None" = None
    _next: int = 0
    _waiting: int = 0
    """Calls that wait until they may be made."""
    _given_up: bool = False

    async def run(self) -> T | None:
        """The first good answer, None if there is none: then ``failures`` and ``skips`` say why.

        Raises GatewayError for what is no provider's failure.
        """
        hedge = self.candidates[0][0].spec.hedge
        if hedge is None or len(self.candidates) == 1:
            answer = await self._go_on()
        else:
            answer = await self._race(hedge)
        if answer is None and not self.failures:
            answer = await self._panic()
        if answer is not None and self._won is not None:
            self._won.tell(self.trace)
        return answer

    async def _go_on(self) -> T | None:
        """From the next target on that nobody has taken."""
        while self._next < len(self.candidates) and not self._given_up:
            candidate = self.candidates[self._next]
            self._next += 1
            try:
                return await self._at(*candidate)
            except _Enough:
                return None
            except Refused as refused:
                self._skip(candidate, refused)
            except UpstreamError as error:
                self._given_up |= not self._may_go_on(candidate[0], error)
        return None

    async def _at(self, target: Target, gate: Gate) -> T:
        """Raises Refused, or the target's last failure."""
        try:
            return await self._once(target, gate, first=True)
        except UpstreamError as error:
            failure = error
        patient = self._patient(target, gate)
        if not patient.worth_it(failure):
            raise failure

        failed = [failure]

        async def again() -> T:
            # The first try was made without tenacity, whose work an answer need not pay for.
            if failed:
                raise failed.pop()
            return await self._once(target, gate)

        try:
            answer: T = await patient.retrying()(again)
            return answer
        finally:
            self.out_of_time |= patient.out_of_time

    async def _once(
        self, target: Target, gate: Gate, *, first: bool = False, panic: bool = False
    ) -> T:
        """One call, or two where a token is renewed in between. Raises Refused or GatewayError."""
        asked = self.trace.age
        permit = await self._admit(target, gate, panic=panic)
        queued = self.trace.age - asked
        if first:
            gate.provider.budget.request()
        try:
            answer = await self._with_a_fresh_token(target, permit, queued)
        except UpstreamError as error:
            self.trace.sent |= error.counts
            permit.fail(error)
            self._note_failure(target, error)
            raise
        except BaseException as error:
            self._break_off(permit, error)
            raise
        self.trace.sent = True
        if self._won is None:
            trace = self.trace
            self._won = _Won(answer, target.label, permit.standing, trace.dropped, trace.usage)
        return answer

    def _break_off(self, permit: Permit, error: BaseException) -> None:
        """A call ended from this side, or by a bug. Had it hung, that is its target's fault."""
        sent = not isinstance(error, RequestError)
        self.trace.sent |= sent
        cut = isinstance(error, asyncio.CancelledError) and self.terms.time_left() <= 0
        if cut and permit.age >= FAIR_SECONDS:
            permit.fail(UpstreamTimeout("The provider did not answer within the deadline."))
        else:
            permit.release(sent=sent)

    async def _admit(self, target: Target, gate: Gate, *, panic: bool) -> Permit:
        """Raises Refused, or _Enough."""
        if not self._may_call():
            raise _Enough
        self._waiting += 1
        try:
            return await gate.admit(self.terms.tokens() if gate.limits_tokens else 0, panic=panic)
        except asyncio.CancelledError:
            self.trace.skip(target.label, QUEUE, "the exchange ended while it waited for its turn")
            raise
        finally:
            self._waiting -= 1

    async def _with_a_fresh_token(self, target: Target, permit: Permit, queued: float) -> T:
        try:
            return await self._call(target, permit, queued)
        except UpstreamAuthError as error:
            if error.retry is not Retry.HERE:
                raise
            # An access token was refused before its time; the wire takes a new one.
            try:
                return await self._call(target, permit)
            except UpstreamError as again:
                again.resent |= error.counts
                raise

    async def _call(self, target: Target, permit: Permit, queued: float = 0.0) -> T:
        step = self.trace.begin(target.label, queued)
        try:
            answer = await self.attempt(target, permit, self._longest())
        except UpstreamError as error:
            self.trace.end(step, _outcome(error), error.message)
            raise
        except RequestError as error:
            # The adapter refused it for this target; nothing was sent.
            self.trace.end(step, error.code or error.type, error.message)
            raise
        except BaseException as error:
            self.trace.end(step, BROKEN_OFF, _reason(error))
            raise
        self.trace.end(step, self.terms.success)
        return answer

    def _longest(self) -> float:
        """Half of the time is for who comes after, where somebody is free."""
        return self.terms.time_left() / 2 if self._has_elsewhere() else math.inf

    def _patient(self, target: Target, gate: Gate) -> Patient:
        policy, terms = target.spec.retry, self.terms
        left = 1 + terms.attempts - self.trace.attempts
        return Patient(
            policy,
            Limits(
                attempts=1 if terms.once else min(policy.attempts, left),
                time_left=terms.time_left,
                rest=gate.cooldown.left,
                shut=lambda: gate.is_shut,
                elsewhere=lambda: bool(policy.fallback_on) and self._has_elsewhere(),
                afford=lambda: self._may_repeat() and gate.provider.budget.retry(policy.budget),
            ),
            terms.uniform,
            told=partial(self.trace.retry, target.label),
        )

    def _has_elsewhere(self) -> bool:
        further = self.candidates[self._next :]
        return any(gate.is_free for _, gate in further)

    async def _race(self, hedge: float) -> T | None:
        """The first answer of two ways through the targets, the second begun after ``hedge`` s."""
        racers: list[asyncio.Task[T | None]] = []
        answer: T | None = None
        try:
            async with asyncio.TaskGroup() as group:
                racers.append(group.create_task(self._go_on()))
                await asyncio.wait(racers, timeout=hedge)
                if not racers[0].done():
                    racers.append(group.create_task(self._go_on()))
                await _first(racers)
                for racer in racers:
                    racer.cancel()
            answer = self._answer
        except ExceptionGroup as failed:
            answer = self._answer
            if answer is None:
                raise failed.exceptions[0] from None
        finally:
            self._throw_away(racers, answer)
        return answer

    @property
    def _answer(self) -> T | None:
        return None if self._won is None else self._won.answer

    def _throw_away(self, racers: Iterable[asyncio.Task[T | None]], kept: T | None) -> None:
        """What they came by although they had lost, or nobody waits for it any more."""
        for racer in racers:
            answer = _answer_of(racer)
            if answer is not None and answer is not kept:
                self.discard(answer)

    async def _panic(self) -> T | None:
        """One probe rather than none, where breakers are all that is in the way."""
        broken = [
            (candidate, refused)
            for candidate, refused in self.skips
            if refused.reason is Reason.BREAKER
        ]
        if not broken:
            return None
        candidate, _ = min(broken, key=lambda skip: skip[1].wait or 0.0)
        try:
            return await self._once(*candidate, first=True, panic=True)
        except (Refused, UpstreamError, _Enough):
            return None

    def _skip(self, candidate: Candidate, refused: Refused) -> None:
        target, _ = candidate
        self.skips.append((candidate, refused))
        self.trace.skip(target.label, str(refused.reason), _why(refused))
        kind = _SKIPS.get(refused.reason, FallbackOn.ERROR)
        self._given_up |= kind not in target.spec.retry.fallback_on

    def _note_failure(self, target: Target, error: UpstreamError) -> None:
        self.failures.pop(target.label, None)
        self.failures[target.label] = error

    def _may_go_on(self, target: Target, error: UpstreamError) -> bool:
        kind = _kind(error)
        if kind not in target.spec.retry.fallback_on or self._next >= len(self.candidates):
            return False
        if self.terms.time_left() < LEAST_TRY:
            self.out_of_time = True
            return False
        if kind is FallbackOn.CONTEXT:
            self._skip_smaller(target)
        return True

    def _may_call(self) -> bool:
        """Whether there may be one more call to a provider."""
        return self.trace.attempts + self._waiting < self.terms.attempts

    def _may_repeat(self) -> bool:
        """Whether one more call leaves one for each target that could be asked and was not yet."""
        further = sum(gate.is_free for _, gate in self.candidates[self._next :])
        made = self.trace.attempts + self._waiting
        return made + further < self.terms.attempts

    def _skip_smaller(self, than: Target) -> None:
        """Pass over those that take even less than one for which the request was too long."""
        most = than.spec.max_request_bytes
        while most is not None and self._next < len(self.candidates):
            target, _ = self.candidates[self._next]
            size = target.spec.max_request_bytes
            if size is None or size > most:
                return
            self.trace.skip(target.label, TOO_LONG, f"it takes at most {size} bytes")
            self._next += 1


@dataclass(frozen=True, slots=True)
class _Won[T]:
    """The first good answer, and what was known of it when it came."""

    answer: T
    target: str
    standing: Standing | None
    dropped: tuple[str, ...]
    usage: Usage | None

    def tell(self, trace: Trace) -> None:
        """Whoever lost may have told of itself since."""
        trace.target = self.target
        trace.standing = self.standing
        trace.dropped = self.dropped
        trace.usage = self.usage


def _why(refused: Refused) -> str:
    """A refusal in a sentence."""
    said = _REFUSALS[refused.reason]
    if refused.exceeded is not None:
        said = str(refused.exceeded)
    elif refused.cause:
        said = f"{said} ({refused.cause})"
    return said if refused.wait is None else f"{said}; free in {refused.wait:.1f} s"


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "the client left, another answer was sooner, or the deadline came"
    return f"the gateway refused or failed: {type(error).__name__}"


def _outcome(error: UpstreamError) -> str:
    """Its code; not one of the provider's own making, which may be any text."""
    code = error.code or ""
    return code if _CODE.fullmatch(code) else str(error.status)


async def _first[T](racers: Iterable[asyncio.Task[T | None]]) -> None:
    """Until one of them has an answer, or none can have one."""
    pending = set(racers)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        if any(_answer_of(racer) is not None for racer in done):
            return


def _answer_of[T](racer: asyncio.Task[T | None]) -> T | None:
    """What came of one that has ended."""
    return None if racer.cancelled() or racer.exception() is not None else racer.result()


def _kind(error: UpstreamError) -> FallbackOn | None:
    """What kind of failure it is to a fallback; None: no target can mend it."""
    if error.code in _CONTENT:
        return FallbackOn.CONTENT_FILTER
    if error.code == CONTEXT_LENGTH:
        return FallbackOn.CONTEXT
    if error.retry is Retry.NEVER:
        return None
    return FallbackOn.QUOTA if isinstance(error, UpstreamRateLimited) else FallbackOn.ERROR
