"""Makes of a provider's whole answers, and of what is said in them, what OpenAI's are.

They are changed in place, and it is told whether they were, so that an answer that needs no change
can be passed on as the bytes that came. What providers add (``provider``, ``reasoning_details``,
``citations`` …) stays.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from llm_gateway.adapters.failures import as_error_object
from llm_gateway.adapters.openai.dialects import Classify, Dialect
from llm_gateway.adapters.openai.reasons import finish_reason
from llm_gateway.adapters.translating import object_in, objects, text_in
from llm_gateway.errors import UpstreamInvalidResponse


def written(value: Mapping[str, Any]) -> bytes:
    """An answer or a chunk that was changed, as JSON.

    Raises UpstreamInvalidResponse for one that can be read, but is nested too deep to be written.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise UpstreamInvalidResponse("The provider's answer is nested too deep.") from error


def tidy_reply(reply: dict[str, Any], dialect: Dialect, ids: Iterator[str]) -> bool:
    """Tidy a whole answer; whether it was changed. ``ids`` are for tool calls that have none.

    Raises UpstreamError for an error in it, and for one that holds no answer.
    """
    raise_error_in(reply, dialect.classify)
    if dialect.error is not None and (error := dialect.error(reply)):
        raise dialect.classify(200, {}, as_error_object(error))
    choices = reply.get("choices")
    if choices is None and (text_in(reply, "message") or reply.get("detail")):
        raise dialect.classify(200, {}, reply)
    if (
        not isinstance(choices, list)
        or not choices
        or not all(isinstance(c, dict) for c in choices)
    ):
        raise UpstreamInvalidResponse("The provider's answer holds no choices.")
    # Each one is tidied, whatever the ones before it were.
    changed = any([_tidy_choice(choice, dialect, ids) for choice in choices])
    return tidy_tier(reply) or changed


_OPENAI_TIERS = {None, "auto", "default", "flex", "scale", "priority", "fast"}
_TIERS = {"on_demand": "default", "standard": "default", "performance": "priority"}


def tidy_tier(reply: dict[str, Any]) -> bool:
    """Tidy the service tier of a whole answer or a chunk; whether it was changed.

    Clients with types for it know OpenAI's words only.
    """
    tier = reply.get("service_tier")
    if isinstance(tier, str | None) and tier in _OPENAI_TIERS:
        return False
    reply["service_tier"] = _TIERS.get(tier) if isinstance(tier, str) else None
    return True


def _tidy_choice(choice: dict[str, Any], dialect: Dialect, ids: Iterator[str]) -> bool:
    raise_error_in(choice, dialect.classify)
    given = choice.get("finish_reason")
    reason = finish_reason(given) or "stop"
    message = choice.get("message")
    changed = False
    if isinstance(message, dict):
        changed = tidy_text(message)
        changed |= _complete(message, _MESSAGE) | _complete(choice, _CHOICE)
        calls = objects(message.get("tool_calls"))
        reason = "tool_calls" if calls and reason == "stop" else reason
        for call in calls:
            changed |= tidy_call(call)
            changed |= _tidy_whole_call(call, ids, cut=reason != "tool_calls")
    choice["finish_reason"] = reason
    return changed or reason != given


_CHOICE: Mapping[str, Any] = {"logprobs": None}
_MESSAGE: Mapping[str, Any] = {"role": "assistant", "content": None, "refusal": None}
"""What OpenAI's always have, be it null."""


def _complete(holder: dict[str, Any], keys: Mapping[str, Any]) -> bool:
    missing = {key: value for key, value in keys.items() if key not in holder}
    holder |= missing
    return bool(missing)


def _tidy_whole_call(call: dict[str, Any], ids: Iterator[str], *, cut: bool) -> bool:
    """Its number is for streams, and refused in a history. Clients parse the arguments.

    One whose arguments were ``cut`` off must not look as if it had none.
    """
    numbered = call.pop("index", None) is not None
    function = object_in(call, "function")
    given = function.get("arguments")
    completed = bool(function) and given in ("", None) and given != ("" if cut else "{}")
    if completed:
        function["arguments"] = "" if cut else "{}"
    return give_id(call, ids) or numbered or completed


def raise_error_in(holder: Mapping[str, Any], classify: Classify) -> None:
    """Raises UpstreamError for a reply or a choice that reports a failure."""
    if error := holder.get("error"):
        raise classify(200, {}, as_error_object(error))


def tidy_text(said: dict[str, Any]) -> bool:
    """Tidy what a message, or a delta of one, says; whether it was changed."""
    changed = isinstance(said.get("content"), list)
    if changed:
        _flatten_content(said)
    reasoning = said.get("reasoning")
    if reasoning and isinstance(reasoning, str) and not said.get("reasoning_content"):
        said["reasoning_content"] = reasoning
        changed = True
    return changed


def _flatten_content(said: dict[str, Any]) -> None:
    """Reasoning models of Mistral's answer in parts of type ``text`` and ``thinking``."""
    parts = objects(said["content"])
    said["content"] = "".join(text_in(part, "text") for part in parts)
    thoughts = [
        text_in(thought, "text") for part in parts for thought in objects(part.get("thinking"))
    ]
    if any(thoughts) and not said.get("reasoning_content"):
        said["reasoning_content"] = "".join(thoughts)


def tidy_call(call: dict[str, Any]) -> bool:
    """Tidy a tool call, or a piece of one; whether it was changed."""
    changed = False
    function = call.get("function")
    if isinstance(function, dict) and isinstance(function.get("arguments"), dict):
        function["arguments"] = orjson.dumps(function["arguments"]).decode()
        changed = True
    if call.get("id") and not call.get("type"):
        call["type"] = "function"
        changed = True
    return changed


def give_id(call: dict[str, Any], ids: Iterator[str]) -> bool:
    """Give a tool call the next id if it has none; whether it was. Results are returned by it."""
    if text_in(call, "id"):
        return False
    call["id"] = next(ids)
    call["type"] = call.get("type") or "function"
    return True
