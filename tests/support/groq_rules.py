"""What Groq refuses in a chat completion request, checked with its official SDK's own types.

The SDK's types know the fields; what is typed and refused all the same stands here, and the limits.
Sources: https://console.groq.com/docs/openai and the errors that users of it quote.
"""

import base64
import re
from collections.abc import Iterator
from typing import Any

from groq.types import chat
from groq.types.chat.completion_create_params import CompletionCreateParams
from pydantic import TypeAdapter

from support import openai_rules
from support.openai_shapes import JSONObject
from support.typed_dicts import first_fault, forbid_extra_keys

forbid_extra_keys("groq.types.chat", "groq.types.shared_params")

REQUEST: TypeAdapter[Any] = TypeAdapter(CompletionCreateParams)
MESSAGES: dict[str, TypeAdapter[Any]] = {
    "developer": TypeAdapter(chat.ChatCompletionSystemMessageParam),
    "system": TypeAdapter(chat.ChatCompletionSystemMessageParam),
    "user": TypeAdapter(chat.ChatCompletionUserMessageParam),
    "assistant": TypeAdapter(chat.ChatCompletionAssistantMessageParam),
    "tool": TypeAdapter(chat.ChatCompletionToolMessageParam),
    "function": TypeAdapter(chat.ChatCompletionFunctionMessageParam),
}
NEVER = ("logprobs", "top_logprobs", "logit_bias", "store", "metadata")
"""Typed, and not supported by any model."""
NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
MAX_STOPS = 4
MAX_TOOLS = 128
MAX_PICTURES = 5
MAX_PICTURE_BYTES = 4 * 1024 * 1024


class Refused(openai_rules.Refused):
    """The request is refused with `status` and Groq's error `body`."""

    def __init__(self, text: str, *, status: int = 400, **more: str) -> None:
        super().__init__(status, text)
        self.body = {"error": {"message": text, "type": "invalid_request_error", **more}}


def check_chat_request(body: object) -> JSONObject:
    """Return `body` when Groq would take it; raises Refused when not."""
    if not isinstance(body, dict):
        raise Refused("could not parse the JSON body of the request")
    _check_fields(body)
    for index, each in enumerate(body["messages"]):
        _check_message(each, f"messages.{index}")
    _in_groq_s_words(body)
    _check_tools(body)
    _check_pictures(body["messages"])
    return body


def _check_fields(body: JSONObject) -> None:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused("'messages' : minimum number of items is 1")
    fault = first_fault(REQUEST, {**body, "messages": []})
    if fault is not None:
        where = ".".join(map(str, fault["loc"]))
        if fault["type"] == "extra_forbidden":
            raise Refused(f"property '{where}' is unsupported")
        raise Refused(f"'{where}' : {fault['msg']}")
    for name in NEVER:
        if body.get(name) is not None:
            raise Refused(f"`{name}` is not supported with this model", param=name)
    if body.get("n") not in (None, 1):
        raise Refused("'n' : number must be at most 1")
    if len(body.get("stop") or ()) > MAX_STOPS and isinstance(body["stop"], list):
        raise Refused("'stop' : maximum number of items is 4")


def _check_message(each: object, path: str) -> None:
    adapter = MESSAGES.get(str(each.get("role"))) if isinstance(each, dict) else None
    if adapter is None or not isinstance(each, dict):
        raise Refused(f"'{path}' : discriminator property 'role' has invalid value")
    if "name" in each and each["role"] != "function":
        raise Refused(f"'{path}' : property 'name' is unsupported")
    fault = first_fault(adapter, each, path)
    if fault is not None:
        what = f"'{'.'.join(map(str, fault['loc'][:-1]))}' : property '{fault['loc'][-1]}'"
        forbidden = fault["type"] == "extra_forbidden"
        what += " is unsupported" if forbidden else f" : {fault['msg']}"
        raise Refused(
            f"'{path}' : for 'role:{each['role']}' the following must be satisfied[({what})]"
        )
    if each.get("content") is None and not (each.get("tool_calls") or each.get("function_call")):
        raise Refused(f"'{path}' : property 'content' is missing")


def _in_groq_s_words(body: JSONObject) -> None:
    """What Groq has from OpenAI: each call has its result, and JSON mode is spoken of."""
    try:
        openai_rules.check_tool_results(body["messages"])
        if (body.get("response_format") or {}).get("type") == "json_object":
            openai_rules.check_json_is_named(body["messages"])
    except openai_rules.Refused as refusal:
        raise Refused(refusal.body["error"]["message"]) from None


def _check_tools(body: JSONObject) -> None:
    tools = body.get("tools") or []
    if len(tools) > MAX_TOOLS:
        raise Refused(f"'tools' : maximum number of items is {MAX_TOOLS}")
    names = [tool["function"]["name"] for tool in tools if tool["type"] == "function"]
    for name in names:
        if not NAME.fullmatch(name):
            raise Refused(f"'tools' : invalid function name '{name}'")
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice["function"]["name"] not in names:
        raise Refused("Tool choice is not in the list of tools.")
    if choice == "required" and not tools:
        raise Refused("'tool_choice' : tools are missing")
    wants_json = (body.get("response_format") or {}).get("type") not in (None, "text")
    if body.get("reasoning_format") == "raw" and (tools or wants_json):
        raise Refused("reasoning_format must be one of [parsed, hidden] with tools or JSON mode")


def _check_pictures(messages: list[JSONObject]) -> None:
    urls = [*_urls(messages)]
    if len(urls) > MAX_PICTURES:
        raise Refused(f"Too many images provided. This model supports up to {MAX_PICTURES} images")
    for url in urls:
        if url.startswith("data:"):
            content = base64.b64decode(url.partition(",")[2], validate=True)
            if len(content) > MAX_PICTURE_BYTES:
                raise Refused("Request Entity Too Large", status=413)
        elif not url.startswith(("https://", "http://")):
            raise Refused("invalid image url")


def _urls(messages: list[JSONObject]) -> Iterator[str]:
    for each in messages:
        for part in each["content"] if isinstance(each.get("content"), list) else ():
            if part["type"] == "image_url":
                yield part["image_url"]["url"]
