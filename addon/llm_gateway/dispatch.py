"""One exchange: from a validated request to a reply that is known to be good.

A name has targets, which come in the order of its strategy; :class:`~llm_gateway.pursuit.Pursuit`
goes from one to the next until one answers. The reply is *held* until it is good, so until then a
failure is seen by nobody, or is an exception with its real status. From then on (the *commit*) a
stream is a straight pipe (:mod:`llm_gateway.pipe`).

Time: one deadline bounds everything up to the commit.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from llm_gateway import verdict
from llm_gateway.adapters.error_words import CONTEXT_LENGTH
from llm_gateway.attempt import Attempt, Reply
from llm_gateway.config import Capability, Gateway
from llm_gateway.errors import GatewayError, RequestError, UpstreamError, shown
from llm_gateway.limits.gate import Permit
from llm_gateway.limits.gatekeeper import Gatekeeper
from llm_gateway.manner import Manner
from llm_gateway.memory import Memory
from llm_gateway.patience import Patience, seconds_left
from llm_gateway.pipe import OpenStream, pipe
from llm_gateway.pursuit import TOO_LONG, Pursuit, Terms
from llm_gateway.resume import Unbroken, may_resume
from llm_gateway.routing import Catalogue, May, Target, anything
from llm_gateway.strategies import Candidate, ordered
from llm_gateway.tokens import estimate
from llm_gateway.trace import GOOD, RESUMED, Trace
from llm_gateway.upstream import Upstream
from llm_gateway.wire import EVENT_STREAM, Label

CLIENT_SHARE = 0.95
"""The share of a client's own time limit that is used, so that it is told why before it leaves."""
ANY = "any"
"""What a request that names no model is called in the log and in errors."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A validated chat completion request: the client's body as parsed JSON, its size in bytes."""

    body: Mapping[str, Any]
    model: str
    stream: bool
    size: int = 0


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A validated request for pictures; without ``model``, any that draws will do."""

    body: Mapping[str, Any]
    model: str | None
    size: int = 0


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one pursuit is for."""

    name: str
    body: Mapping[str, Any]
    size: int
    manner: Manner
    trace: Trace
    patience: Patience
    resumes: bool = False
    """Whether it goes on with an answer that broke off."""


class Dispatcher:
    """Serves exchanges from the targets of one catalogue."""

    def __init__(
        self,
        catalogue: Catalogue,
        upstreams: Mapping[str, Upstream],
        gateway: Gateway,
        gatekeeper: Gatekeeper,
        memory: Memory,
        clock: Callable[[], float] = time.time,
        chance: random.Random | None = None,
    ) -> None:
        """``upstreams`` by provider name; ``clock`` dates answers; ``chance`` draws lots."""
        self._catalogue = catalogue
        self._upstreams = upstreams
        self._gateway = gateway
        self._gatekeeper = gatekeeper
        self._memory = memory
        self._clock = clock
        self._chance = chance or random.Random()  # noqa: S311 - lots, not secrets

    async def chat(
        self,
        request: ChatRequest,
        trace: Trace,
        manner: Manner = Manner(),
        may: May = anything,
    ) -> Reply:
        """A good reply. Raises GatewayError: unknown model, or why there is no answer.

        ``may`` says which names the client may ask for.
        """
        trace.model = request.model
        targets = self._catalogue.targets(request.model, Capability.CHAT, may)
        asked = _Asked(request.model, request.body, request.size, manner, trace, Patience())
        answer = await self._pursue(targets, asked, partial(self._open, asked, request.stream))
        if isinstance(answer, Reply):
            return answer
        resumption = None
        if may_resume(answer.target.spec, request.body):
            resumption = Unbroken(partial(self._reopen, asked, [answer.target.label]))
        return Reply(EVENT_STREAM, await pipe(answer, resumption))

    async def images(
        self,
        request: ImageRequest,
        trace: Trace,
        manner: Manner = Manner(),
        may: May = anything,
    ) -> dict[str, Any]:
        """An OpenAI images response with at least one picture. Raises GatewayError."""
        name = trace.model = request.model or ANY
        if request.model is None:
            targets = self._catalogue.any(Capability.IMAGE, may)
        else:
            targets = self._catalogue.targets(request.model, Capability.IMAGE, may)
        asked = _Asked(name, request.body, request.size, manner, trace, Patience())
        return await self._pursue(targets, asked, partial(self._draw, asked))

    async def _pursue[T](
        self,
        targets: Sequence[Target],
        asked: _Asked,
        attempt: Callable[[Target, Permit, float], Awaitable[T]],
        *,
        last: Collection[str] = (),
    ) -> T:
        """The first good answer; ``last`` are asked after all others. Raises GatewayError."""
        candidates = self._candidates(targets, asked, last)
        deadline = self._deadline(asked.manner)
        failures: dict[str, UpstreamError] = {}
        try:
            async with asked.patience.limit(deadline) as limit:
                terms = self._terms(asked, limit)
                pursuit = Pursuit(
                    candidates, terms, asked.trace, attempt, _discard, failures=failures
                )
                answer = await pursuit.run()
        except TimeoutError:
            raise self._late(asked, deadline, failures) from None
        if answer is not None:
            return answer
        if pursuit.out_of_time:
            raise self._late(asked, deadline, failures)
        skips = [refused for _, refused in pursuit.skips]
        if failures:
            raise verdict.of_failures([*failures.values()], skips, asked.trace)
        raise verdict.of_skips(skips, asked.name, asked.trace)

    def _late(
        self, asked: _Asked, deadline: float, failures: Mapping[str, UpstreamError]
    ) -> UpstreamError:
        clients = deadline < self._gateway.deadline
        return verdict.of_time(deadline, [*failures.values()], asked.trace, clients=clients)

    def _candidates(
        self, targets: Sequence[Target], asked: _Asked, last: Collection[str]
    ) -> Sequence[Candidate]:
        """Those that take a request of this size, in order. Raises RequestError if none does."""
        candidates: list[Candidate] = []
        for target in targets:
            most = target.spec.max_request_bytes
            if most is None or asked.size <= most:
                candidates.append((target, self._gatekeeper.gate(target.spec)))
            else:
                reason = f"the request has {asked.size} bytes, it takes at most {most}"
                asked.trace.skip(target.label, TOO_LONG, reason)
        if not candidates:
            raise _too_long(asked, targets)
        strategy = self._catalogue.strategy(asked.name)
        found = ordered(strategy, candidates, self._chance.random)
        return sorted(found, key=lambda each: each[0].label in last) if last else found

    def _deadline(self, manner: Manner) -> float:
        if manner.patience is None:
            return self._gateway.deadline
        return min(self._gateway.deadline, CLIENT_SHARE * manner.patience)

    def _terms(self, asked: _Asked, limit: asyncio.Timeout) -> Terms:
        return Terms(
            tokens=partial(estimate, asked.body),
            attempts=self._gateway.max_attempts,
            once=asked.manner.retries,
            time_left=partial(seconds_left, limit),
            uniform=self._chance.uniform,
            success=RESUMED if asked.resumes else GOOD,
        )

    async def _open(
        self, asked: _Asked, stream: bool, target: Target, permit: Permit, longest: float
    ) -> Reply | OpenStream:
        attempt = self._attempt(asked, target, permit, longest)
        opened = await attempt.open(self._memory, stream=stream)
        self._note(asked.trace, attempt)
        if isinstance(opened, Reply):
            asked.trace.usage = attempt.usage
            permit.succeed(attempt.usage)
        return opened

    async def _draw(
        self, asked: _Asked, target: Target, permit: Permit, longest: float
    ) -> dict[str, Any]:
        attempt = self._attempt(asked, target, permit, longest)
        pictures = await attempt.draw()
        self._note(asked.trace, attempt)
        asked.trace.usage = attempt.usage
        permit.succeed(attempt.usage)
        return pictures

    async def _reopen(self, asked: _Asked, broken: list[str], text: str) -> OpenStream | None:
        """A held stream that goes on after ``text``, where a target can do that.

        ``broken`` are the labels of those that broke off, and get this one.
        """
        said = {"role": "assistant", "content": text}
        body = {**asked.body, "messages": [*asked.body["messages"], said]}
        further = replace(asked, body=body, size=asked.size + len(text.encode()), resumes=True)
        targets = self._resuming(asked)
        if not targets:
            return None
        answered, opened = asked.trace.target, None
        try:
            opened = await self._pursue(
                targets, further, partial(self._open, further, True), last=broken
            )
        except GatewayError:
            return None
        finally:
            if not isinstance(opened, OpenStream):
                # What the client has is still another's.
                asked.trace.target = answered
        if not isinstance(opened, OpenStream):
            return None
        broken.append(opened.target.label)
        return opened

    def _resuming(self, asked: _Asked) -> Sequence[Target]:
        """The targets that can go on with an answer that broke off."""
        if asked.trace.attempts >= self._gateway.max_attempts:
            return ()
        try:
            targets = self._catalogue.targets(asked.name, Capability.CHAT)
        except RequestError:
            # A provider may have listed other models meanwhile.
            return ()
        return [each for each in targets if Capability.PREFILL in each.spec.capabilities]

    def _attempt(self, asked: _Asked, target: Target, permit: Permit, longest: float) -> Attempt:
        trace = asked.trace
        provider, name = target.provider, target.provider.name
        number, model = trace.attempts, target.spec.model
        return Attempt(
            target=target,
            upstream=self._upstreams[name],
            label=Label(trace.exchange, number, name, model, asked.resumes, provider.kind),
            asked=asked.body,
            trace=trace,
            patience=asked.patience,
            permit=permit,
            created=int(self._clock()),
            longest=longest,
        )

    def _note(self, trace: Trace, attempt: Attempt) -> None:
        attempt.permit.answered()
        trace.dropped = attempt.dropped


def _discard(answer: object) -> None:
    """End a stream that another one has outrun."""
    if isinstance(answer, OpenStream):
        answer.finish()


def _too_long(asked: _Asked, targets: Sequence[Target]) -> RequestError:
    most = max(target.spec.max_request_bytes or 0 for target in targets)
    return RequestError(
        400,
        f"This request has {asked.size} bytes, and no target of `{shown(asked.name)}` takes more "
        f"than {most}. Please reduce the length of the messages.",
        code=CONTEXT_LENGTH,
        param="messages",
    )
