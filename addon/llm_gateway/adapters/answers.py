"""OpenAI's answers, built from what other formats say: whole completions, and streams.

A whole reply of a foreign format is read into an :class:`Answer`, which is written as a completion
or, for a client that wanted a stream, as its chunks. A stream is written by :class:`Chunks`, the
state machine that keeps what OpenAI promises of one: one id and one time, the role once per choice,
tool calls numbered as tools (not as content blocks), one finish reason per choice, usage only where
it was asked for and then last.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import orjson

from llm_gateway.adapters.contract import Call, Usage
from llm_gateway.errors import UpstreamInvalidResponse

FinishReason = Literal["stop", "length", "tool_calls", "content_filter"]

NO_ARGUMENTS = "{}"

MAX_CHOICES = 16_384
"""Of one answer; no provider gives more. Clients make lists as long as the numbers they see."""

MAX_CALLS = 10_000
"""Tool calls of one answer; models make a few."""

MAX_COUNT = 2**53 - 1
"""The largest integer that every reader of JSON knows (RFC 8259 §6)."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A whole account of tokens. The prompt's include the cached, the completion's the reasoning.

    ``cached`` and ``reasoning`` are None where the provider does not tell. ``total`` counts only if
    it holds more than the two. What is beyond ``MAX_COUNT`` is written as that. The last three are
    not for clients; see :class:`~llm_gateway.adapters.contract.Usage`.
    """

    prompt: int
    completion: int
    total: int | None = None
    cached: int | None = None
    reasoning: int | None = None
    written: int = 0
    written_for_an_hour: int = 0
    special: bool = False

    def as_json(self) -> dict[str, Any]:
        """OpenAI's usage object."""
        usage: dict[str, Any] = {
            "prompt_tokens": min(self.prompt, MAX_COUNT),
            "completion_tokens": min(self.completion, MAX_COUNT),
            "total_tokens": min(max(self.total or 0, self.prompt + self.completion), MAX_COUNT),
        }
        if self.cached is not None:
            usage["prompt_tokens_details"] = {"cached_tokens": min(self.cached, MAX_COUNT)}
        if self.reasoning is not None:
            usage["completion_tokens_details"] = {
                "reasoning_tokens": min(self.reasoning, MAX_COUNT)
            }
        return usage

    def as_usage(self) -> Usage:
        """What the log and the limits count."""
        return Usage(
            self.prompt,
            self.completion,
            cached_tokens=self.cached or 0,
            cache_written_tokens=self.written,
            cache_hour_tokens=self.written_for_an_hour,
            special=self.special,
        )


@dataclass(frozen=True, slots=True)
class CallMade:
    """A tool call of the model's; ``arguments`` is JSON text. ``extra`` joins it in the answer.

    Where a whole call, or a call's whole stream, has no arguments, clients get ``{}``; but not
    where the answer was cut off, and nobody knows what they would have been.
    """

    id: str
    name: str
    arguments: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """OpenAI's tool call, with the arguments as they are."""
        function = {"name": self.name, "arguments": self.arguments}
        return {"id": self.id, "type": "function", "function": function, **self.extra}

    def whole(self) -> dict[str, Any]:
        """OpenAI's tool call, complete."""
        return replace(self, arguments=self.arguments or NO_ARGUMENTS).as_json()


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the answers. ``images`` are ``data:`` URLs."""

    finish: FinishReason
    content: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: tuple[CallMade, ...] = ()
    images: tuple[str, ...] = ()
    logprobs: Mapping[str, Any] | None = None

    @property
    def finish_reason(self) -> FinishReason:
        """``finish`` as OpenAI would say it; see :func:`reason_of`."""
        return reason_of(self.finish, called=bool(self.calls))

    def message(self) -> dict[str, Any]:
        """OpenAI's message. Without text, content is null beside calls or a refusal."""
        nothing = None if self.calls or self.refusal else ""
        message: dict[str, Any] = {
            "role": "assistant",
            "content": self.content or nothing,
            "refusal": self.refusal or None,
        }
        if self.reasoning:
            message["reasoning_content"] = self.reasoning
        if self.calls:
            cut = self.finish_reason != "tool_calls"
            calls = (call.as_json() if cut else call.whole() for call in self.calls)
            message["tool_calls"] = [*calls]
        if self.images:
            message["images"] = [_image(url) for url in self.images]
        return message


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole reply. ``model`` is what the provider says answered, empty if it does not say."""

    choices: tuple[Choice, ...]
    tokens: Tokens | None = None
    model: str = ""


def reason_of(finish: FinishReason, *, called: bool) -> FinishReason:
    """``stop`` or ``tool_calls``, whichever is true; any other reason as it is."""
    if finish in {"stop", "tool_calls"}:
        return "tool_calls" if called else "stop"
    return finish


def check_choice(index: int) -> None:
    """Raises UpstreamInvalidResponse for a number that no choice of a stream can have."""
    if not 0 <= index < MAX_CHOICES:
        raise UpstreamInvalidResponse("The provider's stream numbers its choices as none does.")


def check_calls(number: int) -> None:
    """Raises UpstreamInvalidResponse where an answer has so many tool calls."""
    if number > MAX_CALLS:
        raise UpstreamInvalidResponse(f"The provider's answer has more than {MAX_CALLS} calls.")


def completion_id(call: Call) -> str:
    """The id of the answer to a call, the same each time."""
    return f"chatcmpl-{call.label.exchange.removeprefix('req_')}"


def tool_call_id(call: Call, number: int) -> str:
    """An id for the ``number``-th tool call of an answer whose provider gives none.

    At most 40 characters, which is what OpenAI takes, should the history go there.
    """
    return f"call_{call.label.exchange.removeprefix('req_')[:26]}_{call.label.attempt}_{number}"


def completion(call: Call, answer: Answer) -> bytes:
    """The answer as a chat completion, JSON bytes."""
    whole: dict[str, Any] = {
        "id": completion_id(call),
        "object": "chat.completion",
        "created": call.created,
        "model": answer.model or call.model,
        "choices": [
            {
                "index": index,
                "message": choice.message(),
                "logprobs": choice.logprobs,
                "finish_reason": choice.finish_reason,
            }
            for index, choice in enumerate(answer.choices)
        ],
    }
    if answer.tokens is not None:
        whole["usage"] = answer.tokens.as_json()
    return orjson.dumps(whole)


def completion_as_chunks(call: Call, answer: Answer) -> list[bytes]:
    """The answer as the chunks of a stream."""
    chunks = Chunks(call)
    chunks.model = answer.model
    for index, choice in enumerate(answer.choices):
        chunks.add(index, choice)
    chunks.tokens = answer.tokens
    return chunks.finish()


class Chunks:
    """Writes the chunks of one stream.

    Say what has come (:meth:`text` and its like), take what is to be sent (:meth:`take`), and
    :meth:`finish` in the end. ``tokens`` may be set at any time until then, ``model`` until the
    first chunk: all chunks name the same.
    """

    def __init__(self, call: Call) -> None:
        self.model = ""
        self.tokens: Tokens | None = None
        self._call = call
        self._head: dict[str, Any] = {}
        self._ready: list[bytes] = []
        self._calls: dict[int, list[bool]] = {}
        """Of each choice that has begun, of each of its tool calls: whether it has arguments."""
        self._called = 0
        """How many tool calls all of them have."""
        self._images: dict[int, int] = {}
        """How many pictures each choice has."""
        self._finished: dict[int, FinishReason] = {}

    @property
    def complete(self) -> bool:
        """Whether there is a choice, and every one that has begun has ended."""
        return bool(self._finished) and self._calls.keys() <= self._finished.keys()

    def text(self, index: int, text: str, logprobs: Mapping[str, Any] | None = None) -> None:
        """A piece of choice ``index``'s content, and the log probabilities of its tokens."""
        if text or logprobs is not None:
            self._delta(index, {"content": text}, logprobs=logprobs)

    def reasoning(self, index: int, text: str) -> None:
        """A piece of its reasoning."""
        if text:
            self._delta(index, {"reasoning_content": text})

    def refusal(self, index: int, text: str) -> None:
        """A piece of its refusal."""
        if text:
            self._delta(index, {"refusal": text})

    def image(self, index: int, url: str) -> None:
        """A picture, as a ``data:`` URL."""
        number = self._images.get(index, 0)
        self._images[index] = number + 1
        # The entries of every list in a delta are numbered: OpenAI's SDK puts them together so.
        self._delta(index, {"images": [{"index": number, **_image(url)}]})

    def logprobs(self, index: int, logprobs: Mapping[str, Any]) -> None:
        """The log probabilities of what was said last."""
        self._delta(index, {}, logprobs=logprobs)

    def call(self, index: int, call: CallMade) -> int:
        """A tool call begins, with the first piece of its arguments. Its number in the choice."""
        self._called += 1
        check_calls(self._called)
        number = len(self._calls.get(index, ()))
        self._delta(index, {"tool_calls": [{"index": number, **call.as_json()}]})
        self._calls[index].append(bool(call.arguments))
        return number

    def arguments(self, index: int, number: int, piece: str) -> None:
        """A further piece of the arguments of a call that has begun."""
        if piece:
            self._calls[index][number] = True
            delta = {"index": number, "function": {"arguments": piece}}
            self._delta(index, {"tool_calls": [delta]})

    def end(self, index: int, reason: FinishReason) -> None:
        """Choice ``index`` has ended; what is said of its end afterwards does not count."""
        check_choice(index)
        self._finished.setdefault(index, reason)

    def add(self, index: int, choice: Choice) -> None:
        """A whole choice."""
        self.reasoning(index, choice.reasoning)
        self.text(index, choice.content, choice.logprobs)
        self.refusal(index, choice.refusal)
        for url in choice.images:
            self.image(index, url)
        for call in choice.calls:
            self.call(index, call)
        if index not in self._calls:
            # OpenAI's SDK takes choices in their order only, and this one says nothing.
            self._delta(index, {})
        self.end(index, choice.finish)

    def take(self) -> list[bytes]:
        """The chunks that are ready to be sent."""
        ready, self._ready = self._ready, []
        return ready

    def finish(self) -> list[bytes]:
        """The last chunks: what is ready, each choice's finish reason, and the usage."""
        for index, reason in sorted(self._finished.items()):
            calls = self._calls.get(index, ())
            said = reason_of(reason, called=bool(calls))
            for number, has_arguments in enumerate(calls):
                if not has_arguments and said == "tool_calls":
                    self.arguments(index, number, NO_ARGUMENTS)
            self._delta(index, {}, said)
        if self._call.wants_usage and self.tokens is not None:
            usage = {**self._envelope(), "choices": [], "usage": self.tokens.as_json()}
            self._ready.append(orjson.dumps(usage))
        return self.take()

    def _delta(
        self,
        index: int,
        delta: dict[str, Any],
        reason: FinishReason | None = None,
        logprobs: Mapping[str, Any] | None = None,
    ) -> None:
        if index not in self._calls:
            check_choice(index)
            self._calls[index] = []
            nothing = None if delta.keys() & {"tool_calls", "refusal"} else ""
            delta = {"role": "assistant", "content": nothing, "refusal": None} | delta
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        chunk = {**self._envelope(), "choices": [choice]}
        if self._call.wants_usage:
            chunk["usage"] = None
        self._ready.append(orjson.dumps(chunk))

    def _envelope(self) -> dict[str, Any]:
        if not self._head:
            self._head = {
                "id": completion_id(self._call),
                "object": "chat.completion.chunk",
                "created": self._call.created,
                "model": self.model or self._call.model,
            }
        return self._head


def _image(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}
