"""Whether a target may be asked now, and what is learnt of it when it was.

A :class:`Gate` stands before one target (``provider/model``), a ``ProviderGate`` before all of a
provider's. :meth:`Gate.admit` asks, in this order: does the target rest (``Cooldown``), is it or
its provider left alone (``Breaker``), is there quota (``QuotaStore``), is there a place
(``Throttle``). What it gives is a :class:`Permit`, which has exactly one end.
"""

import enum
import logging
import math
from collections.abc import Callable, Iterator, Sequence

from llm_gateway.adapters.contract import Usage
from llm_gateway.adapters.error_words import MODEL_NOT_FOUND
from llm_gateway.config import Limits, Model
from llm_gateway.errors import (
    Retry,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnsupported,
)
from llm_gateway.limits.breaker import Breaker, Lease
from llm_gateway.limits.cooldown import Cooldown
from llm_gateway.limits.provider_gate import ProviderGate
from llm_gateway.limits.quota import (
    Claim,
    QuotaExceeded,
    QuotaStore,
    Reading,
    Receipt,
    Standing,
    claim,
)
from llm_gateway.limits.throttle import QueueFull, QueueTimeout
from llm_gateway.tasks import spawn

logger = logging.getLogger(__name__)

_NO_LIMITS = Limits()
_OUTAGES = (
    UpstreamConnectionError,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamInvalidResponse,
)
_ALPHA = 0.2
"""How much the newest answer counts in a target's latency."""
FAILURE_SECONDS = 10.0
"""What a failure adds to the time that it took, in a target's latency: it was quick for nothing."""


class Reason(enum.StrEnum):
    """Why a target is passed over."""

    QUOTA = "quota"
    PARKED = "parked"
    BREAKER = "breaker"
    QUEUE_FULL = "queue_full"
    QUEUE_TIMEOUT = "queue_timeout"


class Refused(Exception):
    """The target may not be asked now. ``wait`` is in how many seconds it may; None: never.

    ``cause`` says more: the code of the failure that a breaker opened on.
    """

    def __init__(
        self,
        reason: Reason,
        wait: float | None,
        cause: str = "",
        exceeded: QuotaExceeded | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait
        self.cause = cause
        self.exceeded = exceeded


class Gate:
    """Before one target."""

    def __init__(
        self,
        model: Model,
        provider: ProviderGate,
        store: QuotaStore,
        clock: Callable[[], float],
        uses: Iterator[int],
    ) -> None:
        """``uses`` numbers the calls of all targets; what it gives is larger each time."""
        self.breaker = Breaker(model.breaker, clock)
        self.cooldown = Cooldown(clock)
        self.provider = provider
        self.limits = model.limits
        self.label = model.label
        self.latency: float | None = None
        """Seconds to a good answer, the newest counting most; None before the first call ended."""
        self._spent_until = -math.inf
        """Until when there is no quota, as far as a call was told."""
        self.last_used = 0
        """The number of its latest call, 0 before the first."""
        self._used = -math.inf
        self._store = store
        self._key = f"target {model.label}{provider.account}"
        """Of its quota."""
        self._clock = clock
        self._uses = uses

    @property
    def is_busy(self) -> bool:
        """Whether a call would have to queue."""
        return self.provider.throttle.busy

    def refusal(self) -> Refused | None:
        """Why it may not be asked now, as far as that is known without spending anything."""
        spent = self._spent_until - self._clock()
        if rest := self.cooldown.left():
            return Refused(Reason.PARKED, max(rest, spent))
        for breaker in (self.provider.breaker, self.breaker):
            if wait := breaker.wait():
                # Should everything else be closed as well, a probe goes through after `open`.
                wait = max(min(wait, breaker.policy.open), spent)
                return Refused(Reason.BREAKER, wait, breaker.reason)
        return None

    @property
    def is_shut(self) -> bool:
        """Whether a breaker is open."""
        return bool(self.provider.breaker.wait() or self.breaker.wait())

    @property
    def limits_tokens(self) -> bool:
        """Whether a quota of tokens is spent here."""
        return any(
            limits.tokens != _NO_LIMITS.tokens for limits in (self.limits, self.provider.limits)
        )

    @property
    def is_free(self) -> bool:
        """Whether it may be asked now, as far as that is known."""
        return self.refusal() is None and self._spent_until <= self._clock()

    @property
    def idle(self) -> float | None:
        """Seconds since its latest call was let through; None before the first."""
        return self._clock() - self._used if self.last_used else None

    @property
    def spent(self) -> float:
        """Seconds until there will be quota again, as far as the latest call was told; or 0.0."""
        return max(0.0, self._spent_until - self._clock())

    def quota(self) -> Sequence[Reading]:
        """Where its own quota stands."""
        return self._store.read(self._key, self.limits)

    def provider_quota(self) -> Sequence[Reading]:
        """Where that of its provider stands."""
        return self._store.read(self.provider.key, self.provider.limits)

    async def admit(self, tokens: int, *, panic: bool = False) -> "Permit":
        """A place for one call of about so many tokens. Raises Refused.

        ``panic``: there is nowhere else to go, so a breaker may be asked to make an exception.
        """
        refused = self.refusal()
        if refused is not None and not (panic and refused.reason is Reason.BREAKER):
            raise refused
        receipt = await self._take(tokens)
        try:
            if await self._queue():
                receipt = await self._take_again(receipt, tokens)
        except BaseException:
            self._refund(receipt)
            raise
        try:
            leases = self._leases(panic=panic)
            if leases is None:
                raise self.refusal() or Refused(Reason.BREAKER, self.breaker.policy.open)
        except BaseException:
            self._refund(receipt)
            self.provider.throttle.release()
            raise
        self.last_used = next(self._uses)
        self._used = self._clock()
        return Permit(self, receipt, *leases)

    async def one_more(self) -> None:
        """Another call in a place that is held: its quota, and its turn. Raises Refused."""
        await self._take(0)
        await self.provider.throttle.next_turn()

    @property
    def counts_calls(self) -> bool:
        """Whether it matters how many calls are made, and when."""
        return bool(self._claims(0)) or self.provider.throttle.is_strict

    def park(self, hint: float | None) -> None:
        """Rest, as long as the provider says, or as is usual."""
        rested = self.cooldown.left()
        rest = self.cooldown.park(hint)
        if not rested:
            logger.warning("%s rests for %.1f s: its provider is at a limit.", self.label, rest)

    def note_latency(self, seconds: float) -> None:
        """An answer took so long to be good, or failed after so long and some more."""
        old = self.latency
        self.latency = seconds if old is None else old + _ALPHA * (seconds - old)

    def _claims(self, tokens: int) -> Sequence[Claim]:
        claims, provider = [], self.provider
        if self.limits != _NO_LIMITS:
            claims.append(claim(self._key, self.limits, tokens))
        if provider.limits != _NO_LIMITS:
            claims.append(claim(provider.key, provider.limits, tokens))
        return claims

    async def _take(self, tokens: int) -> Receipt | None:
        claims = self._claims(tokens)
        if not claims:
            return None
        try:
            receipt = await self._store.take(claims)
        except QuotaExceeded as exceeded:
            wait = exceeded.retry_after
            self._spent_until = self._clock() + (wait or 0.0)
            raise Refused(Reason.QUOTA, wait, exceeded=exceeded) from None
        self._spent_until = -math.inf
        return receipt

    async def _queue(self) -> bool:
        """Whether it had to wait. Raises Refused, then without a place."""
        try:
            return await self.provider.throttle.acquire() > 0
        except QueueFull:
            raise Refused(Reason.QUEUE_FULL, 1.0) from None
        except QueueTimeout:
            raise Refused(Reason.QUEUE_TIMEOUT, 1.0) from None

    async def _take_again(self, receipt: Receipt | None, tokens: int) -> Receipt | None:
        """What was spent before a wait in the queue is spent now, when the call leaves."""
        try:
            if receipt is not None:
                await self._store.refund(receipt)
            return await self._take(tokens)
        except BaseException:
            self.provider.throttle.release()
            raise

    def _leases(self, *, panic: bool) -> tuple[Lease, Lease] | None:
        if self.cooldown.left():
            return None
        connection = self.provider.breaker.acquire(panic=panic)
        if connection is None:
            return None
        lease = self.breaker.acquire(panic=panic)
        if lease is None:
            connection.release()
            return None
        return connection, lease

    def _refund(self, receipt: Receipt | None) -> None:
        if receipt is not None:
            spawn(self._store.refund(receipt), "give quota back")

    def end(self, receipt: Receipt | None, tokens: int | None, *, sent: bool) -> None:
        """A call of this gate is over: put its quota right, and give its place to the next."""
        self.provider.throttle.release()
        if receipt is None:
            return
        if not sent:
            self._refund(receipt)
        elif tokens is not None:
            spawn(self._store.settle(receipt, tokens), "count tokens")


class Permit:
    """One call that may be made. Its first end counts: succeed, fail or release."""

    def __init__(
        self, gate: Gate, receipt: Receipt | None, connection: Lease, target: Lease
    ) -> None:
        self._gate = gate
        self._receipt = receipt
        self._connection = connection
        self._target = target
        self._began = gate._clock()
        self._answered = False
        self._over = False

    @property
    def standing(self) -> Standing | None:
        """What is left of the quotas that it spends."""
        return None if self._receipt is None else self._receipt.standing

    @property
    def age(self) -> float:
        """Seconds since it was given."""
        return self._gate._clock() - self._began

    def answered(self) -> None:
        """The answer is good so far."""
        self._answered = True
        self._note_latency()
        self._connection.answered()
        self._target.answered()

    def rest(self, seconds: float) -> None:
        """The provider says that nothing is left for so long."""
        self._gate.park(seconds)

    def succeed(self, usage: Usage | None) -> None:
        """The answer was complete."""
        if not self._ends():
            return
        try:
            self._connection.succeed()
            self._target.succeed()
            self._gate.cooldown.eased()
        finally:
            self._count(usage)

    def fail(self, error: UpstreamError, usage: Usage | None = None) -> None:
        """The call failed. What that says of the target depends on how."""
        if not self._ends():
            return
        was_shut = self._gate.is_shut
        try:
            if _never_arrived(error):
                self._connection.fail(error.code or "")
                self._target.release()
            else:
                self._praise_connection(error)
                self._blame(error)
        finally:
            # Of an answer that has begun, the provider has counted something.
            self._count(usage, sent=error.counts, failed=not self._answered)
        if self._gate.is_shut and not was_shut:
            kind = type(error).__name__
            logger.warning("%s is left alone after failures (%s).", self._gate.label, kind)

    def release(self, usage: Usage | None = None, *, sent: bool = True) -> None:
        """The call was broken off by us or the client, or was not its target's fault."""
        if not self._ends():
            return
        if not self._answered and sent:
            self._note_latency()
        try:
            self._connection.release()
            self._target.release()
        finally:
            self._count(usage, sent=sent)

    @property
    def counts_calls(self) -> bool:
        """Whether it matters how many calls the attempt makes, and when."""
        return self._gate.counts_calls

    async def one_more(self) -> None:
        """Another call of the same attempt. Raises Refused."""
        await self._gate.one_more()

    def _note_latency(self, more: float = 0.0) -> None:
        self._gate.note_latency(self.age + more)

    def _ends(self) -> bool:
        """Whether this is its first end."""
        was_over, self._over = self._over, True
        return not was_over

    def _praise_connection(self, error: UpstreamError) -> None:
        """It worked, as far as it was used."""
        if error.sent and not _is_ours(error):
            self._connection.succeed()
        else:
            self._connection.release()

    def _blame(self, error: UpstreamError) -> None:
        limited = isinstance(error, UpstreamRateLimited)
        rejected = isinstance(error, UpstreamRejected)
        if limited or (error.retry_after and error.retry is Retry.HERE):
            self._gate.park(error.retry_after)
        if not self._answered and not (rejected and error.retry is Retry.NEVER):
            self._note_latency(FAILURE_SECONDS)
        if limited and not self._gate.breaker.policy.rate_limits:
            self._target.release()
        elif rejected and error.retry is not Retry.HERE and error.code != MODEL_NOT_FOUND:
            # It answered, and well: the request was at fault.
            self._target.succeed()
        elif _says_nothing_of_the_target(error):
            self._target.release()
        else:
            self._target.fail(error.code or "")

    def _count(self, usage: Usage | None, *, sent: bool = True, failed: bool = False) -> None:
        tokens = 0 if failed else None
        if usage is not None:
            tokens = usage.prompt_tokens + usage.completion_tokens
        self._gate.end(self._receipt, tokens, sent=sent)


def _never_arrived(error: UpstreamError) -> bool:
    """Whether the provider could not be reached, or whoever gives access tokens for it."""
    return isinstance(error, _OUTAGES) and not error.sent and not _is_ours(error)


def _says_nothing_of_the_target(error: UpstreamError) -> bool:
    """Whether it was asked for what it cannot do, or a person ended the call."""
    return isinstance(error, UpstreamUnsupported) or _is_ours(error)


def _is_ours(error: UpstreamError) -> bool:
    """Whether the call was ended on this side: by hand, or because the gateway stops."""
    return isinstance(error, UpstreamConnectionError) and (
        error.retry is Retry.NEVER or error.code == "gateway_shutdown"
    )
