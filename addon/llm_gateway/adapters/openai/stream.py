"""Makes of a provider's stream what OpenAI's are."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from llm_gateway.adapters.answers import check_calls, check_choice
from llm_gateway.adapters.openai.calls import Calls
from llm_gateway.adapters.openai.dialects import Dialect
from llm_gateway.adapters.openai.reasons import finish_reason
from llm_gateway.adapters.openai.tidy import raise_error_in, tidy_text, tidy_tier, written
from llm_gateway.adapters.translating import object_in, objects

_USAGE = b'"usage"'
_NO_USAGE = b',"usage":null'
"""As OpenAI writes it into each chunk of a stream whose tokens it is to count."""


class Stream:
    """What OpenAI promises of a stream, kept for one that promises less.

    The role once in each choice (the official SDK joins repeated ones into ``assistantassistant``),
    one finish reason in each, tool calls with an index, and the usage only where it was asked for:
    once, last, without choices. ``ids`` are for tool calls that have none.
    """

    def __init__(self, dialect: Dialect, ids: Iterator[str], *, wants_usage: bool) -> None:
        self.usage: dict[str, Any] | None = None
        """What was counted, as the provider says it."""
        self.tier: object = None
        """The service tier, as the chunk says that has the usage."""
        self._dialect = dialect
        self._wants_usage = wants_usage
        self._begun: set[int] = set()
        self._finished: set[int] = set()
        self._roles: set[int] = set()
        self._calls: defaultdict[int, Calls] = defaultdict(partial(Calls, ids))
        self._called = 0
        """How many tool calls there are in all choices."""
        self._last: bytes | Mapping[str, Any] | None = None
        """The chunk with the usage, or one to make it of."""

    @property
    def complete(self) -> bool:
        """Whether a choice has ended, and every one that has begun."""
        return bool(self._finished) and self._begun <= self._finished

    def pass_on(self, chunk: dict[str, Any], data: bytes) -> list[bytes]:
        """The chunks to be sent for ``chunk``, whose bytes are ``data``.

        Raises UpstreamError where it reports a failure.
        """
        changed = self._dialect.own_tiers and tidy_tier(chunk)
        choices = chunk.get("choices")
        if isinstance(choices, list):
            for choice in choices:
                if isinstance(choice, dict) and self._tidy(choice):
                    changed = True
        usage = chunk.get("usage")
        if usage is None:
            if not self._wants_usage and "usage" in chunk:
                del chunk["usage"]
                data, cut = _without_usage(data)
                changed = changed or not cut
            usage = self._dialect.usage(chunk) if self._dialect.usage is not None else None
        if isinstance(usage, dict):
            self.usage = usage
            self.tier = chunk.get("service_tier")
            return self._count(chunk, data, changed)
        return [written(chunk) if changed else data]

    def finish(self) -> list[bytes]:
        """The chunk with the usage, if it was asked for and has come."""
        last = self._last
        if last is None:
            return []
        if not isinstance(last, bytes):
            last = written({**_envelope(last), "choices": [], "usage": self.usage})
        return [last]

    def _tidy(self, choice: dict[str, Any]) -> bool:
        if choice.get("error"):
            raise_error_in(choice, self._dialect.classify)
        index = choice.get("index")
        if type(index) is not int:
            index = 0
        if index not in self._begun:
            check_choice(index)
            self._begun.add(index)
        delta = choice.get("delta")
        changed = isinstance(delta, dict) and self._tidy_delta(index, delta)
        given = choice.get("finish_reason")
        return changed if given is None else self._end(choice, index, given) or changed

    def _end(self, choice: dict[str, Any], index: int, given: object) -> bool:
        """A choice says why it ended; whether that was changed. Only the first time counts."""
        reason = finish_reason(given)
        if index in self._finished:
            reason = None
        elif reason is not None:
            self._finished.add(index)
            if index in self._calls:
                return self._end_calls(choice, self._calls[index], reason)
        choice["finish_reason"] = reason
        return reason != given

    def _end_calls(self, choice: dict[str, Any], calls: Calls, reason: str) -> bool:
        given = choice["finish_reason"]
        choice["finish_reason"] = "tool_calls" if reason == "stop" else reason
        # One that was cut off must not look as if it had no arguments.
        missing = calls.missing() if choice["finish_reason"] == "tool_calls" else []
        if missing:
            delta = object_in(choice, "delta")
            choice["delta"] = {**delta, "tool_calls": objects(delta.get("tool_calls")) + missing}
        return bool(missing) or choice["finish_reason"] != given

    def _tidy_delta(self, index: int, delta: dict[str, Any]) -> bool:
        changed = False
        if index not in self._roles:
            self._roles.add(index)
            changed = not delta.get("role")
            delta["role"] = delta.get("role") or "assistant"
        elif len(delta) == 1 and type(delta.get("content")) is str:
            # Most deltas are a piece of text and nothing else.
            return False
        elif delta.get("role"):
            del delta["role"]
            changed = True
        changed |= tidy_text(delta)
        if "tool_calls" in delta and (pieces := objects(delta["tool_calls"])):
            changed |= self._tidy_calls(self._calls[index], pieces)
        return changed

    def _tidy_calls(self, calls: Calls, pieces: list[dict[str, Any]]) -> bool:
        before = len(calls)
        changed = any([calls.take(piece) for piece in pieces])
        self._called += len(calls) - before
        check_calls(self._called)
        return changed

    def _count(self, chunk: dict[str, Any], data: bytes, changed: bool) -> list[bytes]:
        """A chunk that counts: its usage is kept for the end, the rest of it passed on."""
        own = chunk.get("usage") is self.usage
        if self._wants_usage:
            if own and chunk.get("choices") == []:
                self._last = written(chunk) if changed else data
                return []
            self._last = chunk
        if not own:
            return [written(chunk) if changed else data]
        if all(map(_says_nothing, objects(chunk.get("choices")))):
            return []
        if self._wants_usage:
            chunk["usage"] = None
        else:
            del chunk["usage"]
        return [written(chunk)]


def _without_usage(data: bytes) -> tuple[bytes, bool]:
    """A chunk's bytes without its empty usage; False where they have to be written anew for that.

    A quote within a string is escaped, so these bytes are a key and its value, wherever they stand.
    """
    if _NO_USAGE not in data or data.count(_USAGE) != 1:
        return data, False
    return data.replace(_NO_USAGE, b"", 1), True


def _envelope(chunk: Mapping[str, Any]) -> dict[str, Any]:
    """What a chunk says of itself: the fields that hold no more than a word or a number."""
    return {key: value for key, value in chunk.items() if not isinstance(value, dict | list)}


def _says_nothing(choice: Mapping[str, Any]) -> bool:
    delta = choice.get("delta")
    said = isinstance(delta, dict) and any(delta.values())
    return not (said or choice.get("finish_reason") or choice.get("logprobs"))
