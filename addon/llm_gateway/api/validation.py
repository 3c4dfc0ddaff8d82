"""From a request body to a validated chat request.

Only the fields that the gateway itself uses are checked; the rest passes to the provider, because
OpenAI adds fields faster than anyone can list them. orjson is strict where the standard library is
not: it refuses NaN, Infinity, invalid UTF-8, lone surrogates and endless nesting.
"""

from typing import Any

import orjson

from llm_gateway import faults
from llm_gateway.dispatch import ChatRequest
from llm_gateway.errors import RequestError
from llm_gateway.nesting import MAX_DEPTH, too_deep


def parse_chat(body: bytes) -> ChatRequest:
    """The request in ``body``. Raises RequestError (400) that names the field at fault."""
    request = parse_object(body)
    model = faults.filled(faults.required(request, "model"), "model")
    _check_messages(faults.required(request, "messages"))
    stream = request.get("stream")
    if stream is not None:
        faults.boolean(stream, "stream")
    return ChatRequest(request, model, bool(stream), len(body))


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in ``body``. Raises RequestError (400) where there is none."""
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RequestError(
            400,
            "We could not parse the JSON body of your request: "
            f"{error.msg} (line {error.lineno}, column {error.colno}).",
        ) from None
    if not isinstance(request, dict):
        raise RequestError(
            400,
            "Invalid type for the body: expected an object, "
            f"but got {faults.name_of(request)} instead.",
            code="invalid_type",
        )
    if too_deep(body, request):
        raise RequestError(
            400,
            "We could not take the JSON body of your request: it is nested too deeply. "
            f"At most {MAX_DEPTH} levels are possible.",
        )
    return request


def _check_messages(messages: object) -> None:
    if not isinstance(messages, list):
        raise faults.invalid_type("messages", "an array of objects", messages)
    if not messages:
        raise RequestError(
            400,
            "Invalid 'messages': empty array. Expected an array with minimum length 1, "
            "but got an empty array instead.",
            code="empty_array",
            param="messages",
        )
    for index, message in enumerate(messages):
        where = f"messages[{index}]"
        fields = faults.mapping(message, where)
        faults.string(faults.required(fields, "role", f"{where}.role"), f"{where}.role")
