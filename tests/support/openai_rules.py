"""What OpenAI refuses in a chat completion request, checked with the official SDK's own types."""

from collections.abc import Iterator
from typing import Any, get_type_hints

from openai.types import chat
from openai.types.chat import completion_create_params as params
from pydantic import TypeAdapter

from support.openai_shapes import JSONObject, error_body
from support.typed_dicts import first_fault, forbid_extra_keys

RANGES: dict[str, tuple[float, float]] = {
    "temperature": (0, 2),
    "top_p": (0, 1),
    "presence_penalty": (-2, 2),
    "frequency_penalty": (-2, 2),
    "top_logprobs": (0, 20),
    "n": (1, 128),
    "max_tokens": (1, 1_000_000),
    "max_completion_tokens": (1, 1_000_000),
}
MAX_STOPS = 4


class Refused(Exception):
    """The request is refused with `status` and the OpenAI error `body`."""

    def __init__(
        self, status: int, text: str, *, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(f"{status} {text}")
        self.status = status
        self.body = error_body(text, param=param, code=code)


forbid_extra_keys("openai.types.chat", "openai.types.shared_params")

WHOLE: TypeAdapter[Any] = TypeAdapter(params.CompletionCreateParamsNonStreaming)
STREAM: TypeAdapter[Any] = TypeAdapter(params.CompletionCreateParamsStreaming)
FIELDS = frozenset(get_type_hints(params.CompletionCreateParamsStreaming))
MESSAGES: dict[str, TypeAdapter[Any]] = {
    "developer": TypeAdapter(chat.ChatCompletionDeveloperMessageParam),
    "system": TypeAdapter(chat.ChatCompletionSystemMessageParam),
    "user": TypeAdapter(chat.ChatCompletionUserMessageParam),
    "assistant": TypeAdapter(chat.ChatCompletionAssistantMessageParam),
    "tool": TypeAdapter(chat.ChatCompletionToolMessageParam),
    "function": TypeAdapter(chat.ChatCompletionFunctionMessageParam),
}


def check_chat_request(body: object) -> JSONObject:
    """Return `body` when OpenAI would take it; raises Refused when not."""
    if not isinstance(body, dict):
        raise Refused(400, "We could not parse the JSON body of your request: expected an object.")
    for name in body:
        if name not in FIELDS:
            raise Refused(400, f"Unrecognized request argument supplied: {name}")
    _check_model(body)
    _check_messages(body)
    _check_fields(body)
    _check_ranges(body)
    _check_together(body)
    return body


def _check_model(body: JSONObject) -> None:
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise Refused(400, "you must provide a model parameter")


def _check_fields(body: JSONObject) -> None:
    adapter = STREAM if body.get("stream") is True else WHOLE
    _validate(adapter, {**body, "messages": []}, "")


def _check_messages(body: JSONObject) -> None:
    messages = body.get("messages")
    if messages is None:
        raise Refused(400, "Missing required parameter: 'messages'.", param="messages")
    if not isinstance(messages, list):
        raise Refused(400, "Invalid type for 'messages': expected an array.", param="messages")
    if not messages:
        raise Refused(400, "[] is too short - 'messages'", param="messages")
    for index, each in enumerate(messages):
        _check_message(each, f"messages[{index}]")
    check_tool_results(messages)


def _check_message(each: object, path: str) -> None:
    if not isinstance(each, dict):
        raise Refused(400, f"Invalid type for '{path}': expected an object.", param=path)
    adapter = MESSAGES.get(str(each.get("role")))
    if adapter is None:
        known = ", ".join(f"'{role}'" for role in MESSAGES)
        text = f"Invalid value for '{path}.role'. Supported values are: {known}."
        raise Refused(400, text, param=f"{path}.role", code="invalid_value")
    # OpenAI takes its own answer back as it is, `annotations` included.
    own = {"annotations"} if each["role"] == "assistant" else set()
    _validate(adapter, {key: value for key, value in each.items() if key not in own}, path)
    if each.get("content") is None and not (each.get("tool_calls") or each.get("function_call")):
        text = f"Invalid value for '{path}.content': expected a string, got null."
        raise Refused(400, text, param=f"{path}.content")


def _validate(adapter: TypeAdapter[Any], value: object, path: str) -> None:
    fault = first_fault(adapter, value, path)
    if fault is None:
        return
    where = ".".join(map(str, fault["loc"]))
    if fault["type"] == "extra_forbidden":
        raise Refused(400, f"Unknown parameter: '{where}'.", param=where, code="unknown_parameter")
    raise Refused(400, f"Invalid value for '{where}': {fault['msg']}", param=where)


def check_tool_results(messages: list[JSONObject]) -> None:
    """Raises Refused where a result answers no call, or a call has no result."""
    unanswered: set[str] = set()
    for index, each in enumerate(messages):
        if each["role"] == "tool":
            _take_result(each, unanswered, f"messages[{index}]")
            continue
        _refuse_unanswered(unanswered)
        unanswered = {call["id"] for call in each.get("tool_calls", ())}
    _refuse_unanswered(unanswered)


def _take_result(each: JSONObject, unanswered: set[str], path: str) -> None:
    if each["tool_call_id"] not in unanswered:
        text = (
            "Invalid parameter: messages with role 'tool' must be a response to a preceding "
            "message with 'tool_calls'."
        )
        raise Refused(400, text, param=f"{path}.role")
    unanswered.remove(each["tool_call_id"])


def _refuse_unanswered(unanswered: set[str]) -> None:
    if unanswered:
        text = (
            "An assistant message with 'tool_calls' must be followed by tool messages responding "
            "to each 'tool_call_id'. The following tool_call_ids did not have response messages: "
            + ", ".join(sorted(unanswered))
        )
        raise Refused(400, text, param="messages")


def _check_ranges(body: JSONObject) -> None:
    for name, (low, high) in RANGES.items():
        value = body.get(name)
        if value is not None and not low <= value <= high:
            text = f"Invalid '{name}': expected a value from {low} to {high}."
            raise Refused(400, text, param=name)
    stops = body.get("stop")
    if isinstance(stops, list) and len(stops) > MAX_STOPS:
        raise Refused(400, f"Invalid 'stop': expected at most {MAX_STOPS} items.", param="stop")


def _check_together(body: JSONObject) -> None:
    if body.get("stream_options") is not None and body.get("stream") is not True:
        text = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise Refused(400, text, param="stream_options")
    for name in ("tool_choice", "parallel_tool_calls"):
        if body.get(name) is not None and not body.get("tools"):
            text = f"'{name}' is only allowed when 'tools' are specified."
            raise Refused(400, text, param=name)
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        text = "'top_logprobs' is only allowed when 'logprobs' is enabled."
        raise Refused(400, text, param="top_logprobs")
    if (body.get("response_format") or {}).get("type") == "json_object":
        check_json_is_named(body["messages"])


def check_json_is_named(messages: list[JSONObject]) -> None:
    """Raises Refused where JSON mode is asked for and nobody speaks of JSON."""
    if not any("json" in text.lower() for each in messages for text in texts(each)):
        text = (
            "'messages' must contain the word 'json' in some form, to use 'response_format' of "
            "type 'json_object'."
        )
        raise Refused(400, text, param="messages")


def texts(each: JSONObject) -> Iterator[str]:
    """Yield the texts of a message, whose content is a string, parts or absent."""
    content = each.get("content")
    if isinstance(content, str):
        yield content
    else:
        yield from (part["text"] for part in content or () if part["type"] == "text")
