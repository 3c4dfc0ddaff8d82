"""One attempt at one target: encode, send, and hold the reply until it is good.

A whole reply is good when its body parses and holds an answer. A stream is good at its first
content (see :mod:`llm_gateway.content`). Until then a failure is an exception with its real status.

Time: a stream's first content is bounded by ``first_event`` (comments and empty chunks are none), a
whole reply by ``answer``, and so is what has to be uploaded before. From the commit on each silence
of a stream is bounded by ``idle``.
"""

import math
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from llm_gateway.adapters.contract import Adapter, Call, ImageCall, Usage
from llm_gateway.adapters.hints import until_reset
from llm_gateway.adapters.translating import count_in, object_in
from llm_gateway.config import FallbackOn
from llm_gateway.content import check_filtered
from llm_gateway.errors import (
    RequestError,
    UpstreamInvalidResponse,
    UpstreamTimeout,
    UpstreamUnsupported,
)
from llm_gateway.limits.gate import Permit
from llm_gateway.memory import Memory
from llm_gateway.patience import Limit, Patience
from llm_gateway.pipe import OpenStream, hold, replay
from llm_gateway.routing import Target
from llm_gateway.trace import Trace
from llm_gateway.upstream import Upstream
from llm_gateway.wire import (
    EVENT_STREAM,
    JSON,
    Label,
    UpstreamRequest,
    UpstreamResponse,
    asks_for_event_stream,
    is_event_stream,
    read_whole,
)

_OPTIONS = "stream_options"
LONGEST_REST = 3600.0
"""Seconds that the headers of a good answer may keep a target at rest: after that, one call asks
whether it is still so."""


@dataclass(slots=True)
class Reply:
    """A good reply: its content type, and either the whole body or the stream of pieces.

    ``headers`` are further ones of a whole body.
    """

    content_type: str
    body: bytes | AsyncGenerator[bytes]
    headers: tuple[tuple[str, str], ...] = ()

    async def discard(self) -> None:
        """End it unread."""
        if not isinstance(self.body, bytes):
            await self.body.aclose()


@dataclass(slots=True)
class Attempt:
    """One attempt. ``asked`` is the client's request, ``created`` what the answer is dated with."""

    target: Target
    upstream: Upstream
    label: Label
    asked: Mapping[str, Any]
    trace: Trace
    patience: Patience
    permit: Permit
    created: int
    longest: float = math.inf
    """Seconds that it may take until a stream has content, whatever its target is given."""
    dropped: tuple[str, ...] = ()
    """The places of the request that the provider is not told."""
    usage: Usage | None = None
    """The tokens of a whole answer."""

    @property
    def body(self) -> Mapping[str, Any]:
        """What was asked for, without the fields that the model does not take."""
        omit = self.target.spec.omit
        return {k: v for k, v in self.asked.items() if k not in omit} if omit else self.asked

    async def open(self, memory: Memory, *, stream: bool) -> Reply | OpenStream:
        """A chat completion, whole or as a stream that is held at its first content.

        Raises GatewayError.
        """
        body, only_we_count = self._counted(stream=stream)
        adapter = self.upstream.kind.chat(
            Call(
                body=body,
                stream=stream,
                model=self.target.spec.model,
                site=self.upstream.site,
                label=self.label,
                created=self.created,
                memory=memory,
                only_we_count=only_we_count,
            )
        )
        async with self._limit(self.target.spec.http.answer, "no answer"):
            await self.upstream.run(adapter.prepare(), self.patience)
        encoded = _encode(adapter)
        self._note_dropped(_asked_for(adapter.dropped) if only_we_count else adapter.dropped)
        if asks_for_event_stream(encoded):
            return await self._stream(encoded, adapter)
        return await self._answer(encoded, adapter, stream=stream)

    async def draw(self) -> dict[str, Any]:
        """An OpenAI images response with at least one picture. Raises GatewayError."""
        if self.upstream.kind.images is None:
            raise UpstreamUnsupported("This provider makes no pictures.", param="model")
        adapter = self.upstream.kind.images(
            ImageCall(
                body=self.body,
                model=self.target.spec.model,
                site=self.upstream.site,
                label=self.label,
                created=self.created,
            )
        )
        async with self._limit(self.target.spec.http.answer, "no pictures"):
            one_more = self.permit.one_more if self.permit.counts_calls else None
            pictures = await self.upstream.run(adapter.steps(), self.patience, one_more)
        self._note_dropped(adapter.dropped)
        self.usage = _usage_of(pictures)
        return pictures

    def _counted(self, *, stream: bool) -> tuple[Mapping[str, Any], bool]:
        """What is asked; and whether the usage is for us alone, who always want to know it."""
        body = self.body
        options = object_in(body, _OPTIONS)
        if not stream or options.get("include_usage") is True or self._omits(_OPTIONS):
            return body, False
        return {**body, _OPTIONS: {**options, "include_usage": True}}, True

    async def _stream(self, request: UpstreamRequest, adapter: Adapter) -> Reply | OpenStream:
        longest = min(self.target.spec.http.first_event, self.longest)
        async with self._limit(longest, "no event"):
            response = await self._send(request)
            if response.status != HTTPStatus.OK or not is_event_stream(response):
                return await self._whole(response, adapter, stream=True)
            opened = OpenStream(self.target, response, adapter, self.trace, self.permit)
            await hold(opened, refuse_filtered=self._refuses_filtered)
            return opened

    async def _answer(self, request: UpstreamRequest, adapter: Adapter, *, stream: bool) -> Reply:
        async with self._limit(self.target.spec.http.answer, "no whole answer"):
            return await self._whole(await self._send(request), adapter, stream=stream)

    async def _send(self, request: UpstreamRequest) -> UpstreamResponse:
        response = await self.upstream.wire.send(request, self.patience)
        if response.status == HTTPStatus.OK:
            rest = until_reset(response.headers, time.time())
            if rest is not None:
                self.permit.rest(min(rest, LONGEST_REST))
        return response

    async def _whole(self, response: UpstreamResponse, adapter: Adapter, *, stream: bool) -> Reply:
        if response.status == HTTPStatus.OK and is_event_stream(response):
            response.close()
            raise UpstreamInvalidResponse("The provider sent a stream where none was asked for.")
        body = await read_whole(response)
        if response.status != HTTPStatus.OK:
            raise adapter.failure(response.status, response.headers, body)
        answers = adapter.decode_as_stream(body) if stream else [adapter.decode(body)]
        if self._refuses_filtered:
            check_filtered(answers)
        self.usage = adapter.usage
        return Reply(EVENT_STREAM, replay(answers)) if stream else Reply(JSON, answers[0])

    @property
    def _refuses_filtered(self) -> bool:
        return FallbackOn.CONTENT_FILTER in self.target.spec.retry.fallback_on

    def _omits(self, name: str) -> bool:
        return name in self.target.spec.omit

    def _note_dropped(self, dropped: tuple[str, ...]) -> None:
        """Keep what the provider is not told: by the model's ``omit``, and by its format."""
        omitted = tuple(filter(self._omits, self.asked))
        self.trace.dropped = self.dropped = omitted + dropped

    def _limit(self, seconds: float, nothing: str) -> Limit:
        return self.patience.limit(
            seconds,
            lambda: UpstreamTimeout(f"The provider sent {nothing} within {seconds:g} s."),
        )


def _asked_for(dropped: tuple[str, ...]) -> tuple[str, ...]:
    """What was dropped of the client's own."""
    return tuple(place for place in dropped if place.partition(".")[0] != _OPTIONS)


def _usage_of(pictures: Mapping[str, Any]) -> Usage | None:
    usage = pictures.get("usage")
    if not isinstance(usage, dict):
        return None
    prompt, completion = count_in(usage, "input_tokens"), count_in(usage, "output_tokens")
    return Usage(prompt, completion, special=True)


def _encode(adapter: Adapter) -> UpstreamRequest:
    try:
        return adapter.encode()
    except (orjson.JSONEncodeError, RecursionError) as error:
        # It reads deeper nesting than it writes.
        raise RequestError(
            400, "We could not encode the JSON body of your request: it is nested too deeply."
        ) from error
