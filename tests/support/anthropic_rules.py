"""What Anthropic refuses in a request to /v1/messages, checked with the official SDK's own types.

The SDK's types are those of version 2026-10-21; of 2023-06-01, which the gateway speaks, this file
allows by hand what has been removed since: `temperature`, `top_p` and `top_k`. The types know the
shape of each block; what they do not know stands here: whose turn it is, which result answers which
call, what names and ids look like, what each model takes.

Stricter than the server on purpose: two turns of the same role, and text that the server would
merge, are an error, because the gateway means to send none.
"""

import base64
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from anthropic import types
from anthropic.types import message_create_params as params
from pydantic import TypeAdapter

from support.anthropic_models import SPENDS, limits_of
from support.openai_shapes import JSONObject
from support.typed_dicts import first_fault, forbid_extra_keys

VERSION = "2023-06-01"
NEWEST_VERSION = "2026-10-21"

SAMPLING = {"temperature": (0, 1), "top_p": (0, 1), "top_k": (0, 1_000_000)}
ID = re.compile(r"[a-zA-Z0-9_-]+")
TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
PROPERTY = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
MAX_MARKS = 4
FORCED = {"any", "tool"}
SCHEMA_KEYWORDS = {
    "type", "title", "description", "enum", "const", "anyOf", "properties", "required", "items",
    "additionalProperties", "format", "minItems",
}  # fmt: skip


class Refused(Exception):
    """The request is refused with `status` and Anthropic's error `body`."""

    def __init__(self, text: str, kind: str = "invalid_request_error", status: int = 400) -> None:
        super().__init__(f"{status} {text}")
        self.status = status
        self.body = error_body(text, kind)


def error_body(text: str, kind: str) -> JSONObject:
    """Return Anthropic's error body."""
    error = {"type": kind, "message": text}
    return {"type": "error", "error": error, "request_id": "req_fake"}


forbid_extra_keys("anthropic.types")

WHOLE: TypeAdapter[Any] = TypeAdapter(params.MessageCreateParamsNonStreaming)
STREAM: TypeAdapter[Any] = TypeAdapter(params.MessageCreateParamsStreaming)
TOOL: TypeAdapter[Any] = TypeAdapter(types.ToolParam)
TEXT: TypeAdapter[Any] = TypeAdapter(types.TextBlockParam)
BLOCKS: dict[str, dict[str, TypeAdapter[Any]]] = {
    "user": {
        "text": TEXT,
        "image": TypeAdapter(types.ImageBlockParam),
        "document": TypeAdapter(types.DocumentBlockParam),
        "tool_result": TypeAdapter(types.ToolResultBlockParam),
    },
    "assistant": {
        "text": TEXT,
        "thinking": TypeAdapter(types.ThinkingBlockParam),
        "redacted_thinking": TypeAdapter(types.RedactedThinkingBlockParam),
        "tool_use": TypeAdapter(types.ToolUseBlockParam),
    },
}
THINKING = {"thinking", "redacted_thinking"}


def check_messages_request(body: object, version: str = VERSION) -> JSONObject:
    """Return `body` when Anthropic would take it; raises Refused when not."""
    if not isinstance(body, dict):
        raise Refused("Input should be a valid dictionary")
    _check_fields(body, version)
    for index, turn in enumerate(body["messages"]):
        _check_turn(turn, f"messages.{index}")
    _check_order(body["messages"])
    _check_calls(body["messages"])
    _check_tools(body)
    _check_marks(body)
    _check_thinking(body)
    _check_sampling(body)
    _check_model(body)
    return body


def _check_fields(body: JSONObject, version: str) -> None:
    known = set(SAMPLING) if version == VERSION else set()
    plain = {key: value for key, value in body.items() if key not in known}
    if not isinstance(body.get("messages", []), list):
        raise Refused("messages: Input should be a valid list")
    tools: JSONObject = {"tools": []} if isinstance(body.get("tools"), list) else {}
    given: JSONObject = {"messages": []} if "messages" in body else {}
    _validate(STREAM if body.get("stream") is True else WHOLE, {**plain, **given, **tools}, "")
    if not body["messages"]:
        raise Refused("messages: at least one message is required")
    if body["max_tokens"] < 1:
        raise Refused("max_tokens: Input should be greater than or equal to 1")
    for index, stop in enumerate(body.get("stop_sequences", ())):
        if not stop.strip():
            raise Refused(f"stop_sequences.{index}: each stop sequence must contain non-whitespace")
    for index, block in enumerate(body.get("system", ())):
        _check_text(block, f"system.{index}")
    wanted = body.get("output_config", {}).get("format")
    if wanted is not None:
        check_schema(wanted["schema"], "output_config.format.schema")


def _validate(adapter: TypeAdapter[Any], value: object, path: str) -> None:
    fault = first_fault(adapter, value, path)
    if fault is not None:
        raise Refused(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}")


def _check_turn(turn: object, path: str) -> None:
    if not isinstance(turn, dict) or set(turn) != {"role", "content"}:
        raise Refused(f"{path}: expected role and content, and nothing else")
    if turn["role"] not in BLOCKS:
        raise Refused(f'{path}.role: Input should be "user" or "assistant"')
    if not isinstance(turn["content"], list) or not turn["content"]:
        raise Refused(f"{path}: all messages must have non-empty content")
    for index, block in enumerate(turn["content"]):
        _check_block(block, turn["role"], f"{path}.content.{index}")


def _check_block(block: object, role: str, path: str) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    adapter = BLOCKS[role].get(str(kind))
    if not isinstance(block, dict) or adapter is None:
        raise Refused(f"{path}: Input tag '{kind}' does not match any of the expected tags")
    _validate(adapter, block, path)
    match kind:
        case "text":
            _check_text(block, path)
        case "image" | "document":
            _check_source(block["source"], path)
        case "tool_use":
            _check_name(block["id"], ID, f"{path}.id")
            _check_name(block["name"], TOOL_NAME, f"{path}.name")
        case "tool_result":
            for index, inner in enumerate(_inner(block)):
                _check_text(inner, f"{path}.content.{index}")


def _inner(block: JSONObject) -> list[JSONObject]:
    content = block.get("content")
    return content if isinstance(content, list) else []


def _check_text(block: JSONObject, path: str) -> None:
    _validate(TEXT, block, path)
    if not block["text"].strip():
        raise Refused(f"{path}: text content blocks must contain non-whitespace text")


def _check_source(source: JSONObject, path: str) -> None:
    if source["type"] == "url" and not source["url"].startswith("https://"):
        raise Refused(f"{path}.source: Only HTTPS URLs are supported.")
    if source["type"] == "base64":
        try:
            base64.b64decode(source["data"], validate=True)
        except ValueError:
            raise Refused(f"{path}.source.base64: invalid base64 data") from None


def _check_name(name: str, pattern: re.Pattern[str], path: str) -> None:
    if not pattern.fullmatch(name):
        raise Refused(f"{path}: String should match pattern '^{pattern.pattern}$'")


def _check_order(messages: list[JSONObject]) -> None:
    if messages[0]["role"] != "user":
        raise Refused('messages: first message must use the "user" role')
    if any(one["role"] == other["role"] for one, other in pairwise(messages)):
        raise Refused('messages: roles must alternate between "user" and "assistant"')
    last = messages[-1]["content"][-1]
    if messages[-1]["role"] == "assistant":
        if last["type"] == "text" and last["text"] != last["text"].rstrip():
            raise Refused("messages: final assistant content cannot end with trailing whitespace")
        if last["type"] in THINKING:
            raise Refused("messages: The final block in an assistant message cannot be `thinking`.")


def _check_calls(messages: list[JSONObject]) -> None:
    seen: set[str] = set()
    for index, (turn, following) in enumerate(pairwise([*messages, {"content": []}])):
        ids = [block["id"] for block in turn["content"] if block["type"] == "tool_use"]
        if len(ids) != len(set(ids)) or seen & set(ids):
            raise Refused(f"messages.{index}: `tool_use` ids must be unique")
        seen |= set(ids)
        if turn["role"] == "assistant":
            _check_results(ids, following["content"], f"messages.{index}")
        elif index == 0:
            _check_results([], turn["content"], "messages.0")


def _check_results(ids: list[str], blocks: list[JSONObject], path: str) -> None:
    kinds = [block["type"] for block in blocks]
    results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
    if missing := [id for id in ids if id not in results]:
        raise Refused(
            f"{path}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(missing)}."
        )
    if len(results) != len(ids):
        raise Refused(f"{path}: unexpected `tool_use_id` found in `tool_result` blocks")
    if "tool_result" in kinds[len(results) :]:
        raise Refused(f"{path}: `tool_result` blocks must come before other content")


def _check_tools(body: JSONObject) -> None:
    tools = body.get("tools", [])
    for index, tool in enumerate(tools):
        path = f"tools.{index}.custom"
        _validate(TOOL, tool, path)
        _check_name(tool["name"], TOOL_NAME, f"{path}.name")
        _check_input_schema(tool, path)
    names = [tool["name"] for tool in tools]
    if len(set(names)) != len(names):
        raise Refused("tools: Tool names must be unique.")
    if not tools and any(_blocks(body, {"tool_use", "tool_result"})):
        raise Refused("Requests which include `tool_use` or `tool_result` must define tools")
    choice = body.get("tool_choice")
    if choice is not None and not tools:
        raise Refused("tool_choice: tool_choice may only be specified while providing tools")
    if choice is not None and choice.get("name", names[0]) not in names:
        raise Refused(f"Tool '{choice['name']}' not found in provided tools")


def _check_input_schema(tool: JSONObject, path: str) -> None:
    schema = tool["input_schema"]
    if schema.get("type") != "object":
        raise Refused(f"{path}.input_schema.type: Input should be 'object'")
    if schema.keys() & {"anyOf", "oneOf", "allOf"}:
        raise Refused(f"{path}.input_schema: no oneOf, allOf, or anyOf at the top level")
    for key in schema.get("properties", {}):
        _check_name(key, PROPERTY, f"{path}.input_schema.properties")
    if tool.get("strict"):
        check_schema(schema, f"{path}.input_schema")


def check_schema(schema: Any, path: str) -> None:
    """Raise Refused for a schema that structured outputs do not take."""
    if not isinstance(schema, dict):
        raise Refused(f"{path}: Input should be a valid dictionary")
    if unknown := schema.keys() - SCHEMA_KEYWORDS:
        raise Refused(f"{path}: For this type, properties {sorted(unknown)} are not supported")
    if not schema.keys() & {"type", "enum", "const", "anyOf"}:
        raise Refused(f"{path}: Schema type is required")
    kinds = schema.get("type")
    is_object = "object" in (kinds if isinstance(kinds, list) else [kinds])
    if is_object and schema.get("additionalProperties") is not False:
        raise Refused(f"{path}: For 'object' type, 'additionalProperties' must be false")
    if schema.get("minItems", 0) not in (0, 1):
        raise Refused(f"{path}: 'minItems' values other than 0 or 1 are not supported")
    for name, inner in _inner_schemas(schema):
        check_schema(inner, f"{path}.{name}")


def _inner_schemas(schema: JSONObject) -> Iterator[tuple[str, Any]]:
    yield from schema.get("properties", {}).items()
    yield from ((str(index), each) for index, each in enumerate(schema.get("anyOf", ())))
    if "items" in schema:
        yield "items", schema["items"]


def _blocks(body: JSONObject, kinds: set[str]) -> Iterator[JSONObject]:
    for turn in body["messages"]:
        yield from (block for block in turn["content"] if block["type"] in kinds)


def _check_marks(body: JSONObject) -> None:
    blocks = [*_blocks(body, {"text", "image", "document", "tool_use", "tool_result"})]
    inner = [each for block in blocks for each in _inner(block)]
    marked = [*blocks, *inner, *body.get("system", ()), *body.get("tools", ())]
    if sum("cache_control" in each for each in marked) > MAX_MARKS:
        raise Refused(f"A maximum of {MAX_MARKS} blocks with cache_control may be provided.")


def _check_thinking(body: JSONObject) -> None:
    thinking = body.get("thinking", {})
    if thinking.get("type") != "enabled":
        return
    if not SPENDS <= thinking["budget_tokens"] < body["max_tokens"]:
        raise Refused("thinking.budget_tokens: at least 1024 and less than max_tokens")
    if body.get("tool_choice", {}).get("type") in FORCED:
        raise Refused("Thinking may not be enabled when tool_choice forces tool use.")
    called = _call_in_progress(body["messages"])
    if called and called[0]["type"] not in THINKING:
        raise Refused(
            f"Expected `thinking` or `redacted_thinking`, but found `{called[0]['type']}`. When "
            "`thinking` is enabled, a final `assistant` message must start with a thinking block "
            "(preceding the lastmost set of `tool_use` and `tool_result` blocks)."
        )


def _call_in_progress(messages: list[JSONObject]) -> list[JSONObject]:
    """The answer that the last turn's results belong to, or the first of several in a row."""
    first: list[JSONObject] = []
    for answer, results in zip(messages[-2::-2], messages[::-2], strict=False):
        if not any(block["type"] == "tool_result" for block in results["content"]):
            break
        first = answer["content"]
    return first


def _check_sampling(body: JSONObject) -> None:
    for name, (low, high) in SAMPLING.items():
        if name in body and not low <= body[name] <= high:
            raise Refused(f"{name}: range: {low}..{high}")
    if {"temperature", "top_p"} <= body.keys():
        raise Refused("`temperature` and `top_p` cannot both be specified for this model.")
    if body.get("thinking", {}).get("type") not in {"enabled", "adaptive"}:
        return
    if body.get("temperature", 1) != 1 or "top_k" in body or body.get("top_p", 1) < 0.95:
        raise Refused("`temperature` may only be set to 1 when thinking is enabled.")


def _check_model(body: JSONObject) -> None:
    limits = limits_of(body["model"])
    kind = body.get("thinking", {}).get("type")
    effort = body.get("output_config", {}).get("effort")
    if kind is not None and kind not in limits.thinking:
        raise Refused(f'"thinking.type.{kind}" is not supported for this model.')
    if effort is not None and effort not in limits.efforts:
        raise Refused(f"output_config.effort: this model does not support effort '{effort}'")
    if kind in {"disabled", "between_tools"} and effort in {"xhigh", "max"}:
        raise Refused(f"thinking.type.{kind} is not supported with effort '{effort}'")
    for name in SAMPLING.keys() & body.keys():
        if not limits.samples:
            raise Refused(f"`{name}` is deprecated for this model.")
    if body.get("tool_choice", {}).get("type") in FORCED and not limits.forces:
        raise Refused("tool_choice: forced tool use is not supported for this model.")
