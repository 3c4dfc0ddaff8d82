"""From a request body to a validated chat request.

Only the fields that the gateway itself uses are checked; the rest passes to the provider, because
OpenAI adds fields faster than anyone can list them. orjson is strict where the standard library is
not: it refuses NaN, Infinity, invalid UTF-8, lone surrogates and endless nesting.
"""

from typing import Any

import orjson

from llm_gateway.dispatch import ChatRequest
from llm_gateway.errors import RequestError

_NAMES = {
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


def parse_chat(body: bytes) -> ChatRequest:
    """The request in ``body``. Raises RequestError (400) that names the field at fault."""
    request = _parse_object(body)
    model = _required(request, "model")
    if not isinstance(model, str):
        raise _invalid_type("model", "a string", model)
    if not model:
        raise _invalid_value("model", "a non-empty string")
    _check_messages(_required(request, "messages"))
    stream = request.get("stream")
    if stream is not None and not isinstance(stream, bool):
        raise _invalid_type("stream", "a boolean", stream)
    return ChatRequest(body=request, model=model, stream=bool(stream))


def _parse_object(body: bytes) -> dict[str, Any]:
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
            f"Invalid type for the body: expected an object, but got {_name(request)} instead.",
            code="invalid_type",
        )
    return request


def _check_messages(messages: object) -> None:
    if not isinstance(messages, list):
        raise _invalid_type("messages", "an array of objects", messages)
    if not messages:
        raise RequestError(
            400,
            "Invalid 'messages': empty array. Expected an array with minimum length 1, "
            "but got an empty array instead.",
            code="empty_array",
            param="messages",
        )
    for index, message in enumerate(messages):
        _check_message(f"messages[{index}]", message)


def _check_message(where: str, message: object) -> None:
    if not isinstance(message, dict):
        raise _invalid_type(where, "an object", message)
    role = _required(message, "role", f"{where}.role")
    if not isinstance(role, str):
        raise _invalid_type(f"{where}.role", "a string", role)


def _required(fields: dict[str, Any], name: str, where: str | None = None) -> object:
    if name not in fields:
        where = where or name
        raise RequestError(
            400,
            f"Missing required parameter: '{where}'.",
            code="missing_required_parameter",
            param=where,
        )
    return fields[name]


def _invalid_type(where: str, expected: str, got: object) -> RequestError:
    return RequestError(
        400,
        f"Invalid type for '{where}': expected {expected}, but got {_name(got)} instead.",
        code="invalid_type",
        param=where,
    )


def _invalid_value(where: str, expected: str) -> RequestError:
    return RequestError(
        400, f"Invalid value for '{where}': expected {expected}.", code="invalid_value", param=where
    )


def _name(value: object) -> str:
    return _NAMES[type(value)]
