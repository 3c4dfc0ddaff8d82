"""A whole reply of Workers AI's own endpoint, whose ``result`` has one of three shapes.

Older models give ``response`` and ``tool_calls``, newer ones a whole completion of OpenAI's
(``choices``), gpt-oss may give the ``output`` of OpenAI's Responses API.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from llm_gateway.adapters.answers import Answer, Choice, FinishReason, Tokens
from llm_gateway.adapters.cloudflare.tools import CallIds, as_text, calls_made
from llm_gateway.adapters.contract import Call
from llm_gateway.adapters.translating import count_in, object_in, objects, text_in
from llm_gateway.errors import UpstreamInvalidResponse, UpstreamUnavailable

_FINISH: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "model_length": "length",
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}
"""Any other reason counts as ``stop``; that tools were called is seen by the calls."""


def read_result(call: Call, result: Mapping[str, Any], limit: int) -> Answer:
    """The answer in a result; ``limit`` is how many tokens it was allowed.

    Raises UpstreamError if there is none.
    """
    ids, tokens = CallIds(call), tokens_in(result)
    if choices := objects(result.get("choices")):
        read = tuple(_choice(ids, choice) for choice in choices)
    elif output := objects(result.get("output")):
        read = (_response(ids, output, object_in(result, "incomplete_details")),)
    else:
        read = (_native(ids, result, limit_reached(tokens, limit)),)
    return Answer(read, tokens, text_in(result, "model"))


def finish_of(reason: object) -> FinishReason:
    """OpenAI's word for a reason. Raises UpstreamUnavailable for one that is a failure."""
    if reason == "error":
        raise UpstreamUnavailable("The provider broke its answer off with an error.")
    return _FINISH.get(reason, "stop") if isinstance(reason, str) else "stop"


def limit_reached(tokens: Tokens | None, limit: int) -> FinishReason:
    """Why an answer ended where the model does not say it."""
    return "length" if tokens is not None and tokens.completion >= limit else "stop"


def tokens_in(reply: Mapping[str, Any]) -> Tokens | None:
    """The account of tokens in a result or an event, in Chat Completions' or Responses' names."""
    usage = object_in(reply, "usage")
    if not usage:
        return None
    prompt, completion = "prompt_tokens", "completion_tokens"
    if "input_tokens" in usage:
        prompt, completion = "input_tokens", "output_tokens"
    return Tokens(
        count_in(usage, prompt),
        count_in(usage, completion),
        cached=_detail(object_in(usage, f"{prompt}_details"), "cached_tokens"),
        reasoning=_detail(object_in(usage, f"{completion}_details"), "reasoning_tokens"),
    )


def text_of(content: object) -> str:
    """Content, which may be a list of parts."""
    if isinstance(content, list):
        return "".join(text_in(part, "text") for part in objects(content))
    return as_text(content)


def reasoning_of(message: Mapping[str, Any]) -> str:
    """The reasoning in a message or a delta, under either of its names."""
    return text_in(message, "reasoning_content") or text_in(message, "reasoning")


def _detail(details: Mapping[str, Any], name: str) -> int | None:
    return count_in(details, name) if name in details else None


def _native(ids: CallIds, result: Mapping[str, Any], ended: FinishReason) -> Choice:
    calls = calls_made(ids, result.get("tool_calls"))
    response = result.get("response")
    if response is None and not calls:
        raise UpstreamInvalidResponse("The provider's answer holds no text and calls no tool.")
    reason = result.get("finish_reason")
    finish = ended if reason is None else finish_of(reason)
    return Choice(finish, as_text(response), calls=calls)


def _choice(ids: CallIds, choice: Mapping[str, Any]) -> Choice:
    message = object_in(choice, "message")
    return Choice(
        finish_of(choice.get("finish_reason")),
        text_of(message.get("content")),
        reasoning_of(message),
        text_in(message, "refusal"),
        calls_made(ids, message.get("tool_calls")),
    )


def _response(
    ids: CallIds, output: Iterable[Mapping[str, Any]], incomplete: Mapping[str, Any]
) -> Choice:
    """https://platform.openai.com/docs/api-reference/responses/object."""
    items: dict[str, list[Mapping[str, Any]]] = {}
    for item in output:
        items.setdefault(text_in(item, "type"), []).append(item)
    said = [part for item in items.get("message", ()) for part in objects(item.get("content"))]
    thought = items.get("reasoning", ())
    calls = [{**item, "id": item.get("call_id")} for item in items.get("function_call", ())]
    return Choice(
        finish_of(incomplete.get("reason")),
        text_of(said),
        "\n".join(filter(None, (_thought(item) for item in thought))),
        "".join(text_in(part, "refusal") for part in said),
        calls_made(ids, calls),
    )


def _thought(item: Mapping[str, Any]) -> str:
    """The reasoning itself, or the summary of it."""
    return text_of(item.get("content") or []) or text_of(item.get("summary") or [])
