"""What GigaChat refuses in a request: the SDK's own types, and the rules that they do not know."""

import re
from collections.abc import Iterator
from typing import Any

import orjson
from gigachat.models import chat, response_format
from pydantic import BaseModel, ConfigDict, ValidationError

from support.openai_shapes import JSONObject

MAX_ATTACHMENTS = 10
FILE_TYPES = {"image/jpeg", "image/png", "image/tiff", "image/bmp"}
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
RESERVED = {"text2image", "text2model3d", "get_file_content", "web_search"}
ROLES = {"system", "user", "assistant", "function"}
SCHEMA_KEYS = {"type", "description", "properties", "items", "enum"}
TYPES = {"string", "integer", "number", "boolean", "array", "object"}


class Refused(Exception):
    """The request is refused with `status` and GigaChat's error `body`."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status = status
        self.body = {"status": status, "message": text}


def _forbid_extra_keys() -> None:
    """Make pydantic refuse unknown keys in every model that a request is made of."""
    models: list[type[BaseModel]] = [
        chat.FunctionParametersProperty,
        chat.FunctionParameters,
        chat.FewShotExample,
        chat.Function,
        chat.FunctionCall,
        chat.ChatFunctionCall,
        chat.FunctionRanker,
        chat.Storage,
        chat.Messages,
        response_format.JsonSchemaResponseFormat,
        chat.Chat,
    ]
    for model in models:
        model.model_config = ConfigDict(**{**model.model_config, "extra": "forbid"})
    # What others are made of comes first; twice, because some are made of themselves.
    for model in models * 2:
        model.model_rebuild(force=True)


_forbid_extra_keys()


def check_chat_request(body: object) -> JSONObject:
    """Return `body` when GigaChat would take it; raises Refused when not."""
    if not isinstance(body, dict):
        raise Refused(400, "Your request contains invalid JSON syntax.")
    _check_types(body)
    if not body.get("model"):
        raise Refused(422, "Invalid params: model must not be empty")
    if not body["messages"]:
        raise Refused(422, "Invalid params: messages must not be empty")
    _check_roles(body["messages"])
    _check_function_messages(body["messages"])
    _check_attachments(body["messages"])
    _check_ranges(body)
    _check_functions(body)
    _check_response_format(body)
    return body


def _check_types(body: JSONObject) -> None:
    try:
        chat.Chat.model_validate_json(orjson.dumps(body), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise Refused(
            400, f"Your request contains invalid JSON syntax. {where}: {first['msg']}"
        ) from None
    if "additional_fields" in body:
        raise Refused(400, "additional_fields is a thing of the SDK")
    if nulls := [*_nulls(body, "")]:
        raise Refused(400, f"{', '.join(nulls)} is null")


def _nulls(value: object, where: str) -> Iterator[str]:
    """Where a null stands, save for what is the client's own."""
    if value is None:
        yield where
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in {"arguments", "schema"}:
                yield from _nulls(inner, f"{where}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _nulls(inner, f"{where}[{index}]")


def _check_roles(messages: list[JSONObject]) -> None:
    for index, message in enumerate(messages):
        if message["role"] not in ROLES:
            raise Refused(422, f"Invalid params: role {message['role']} is not for requests")
        if "content" not in message:
            raise Refused(422, "Invalid params: content must be a string")
        if message["role"] == "system" and index:
            raise Refused(422, "Invalid params: system message must be the first message")


def _check_function_messages(messages: list[JSONObject]) -> None:
    called: str | None = None
    for message in messages:
        result = message["name"] if message["role"] == "function" and "name" in message else None
        if result != called or (message["role"] == "function" and called is None):
            raise Refused(422, "Invalid params: a function's result must follow its call")
        if result is not None:
            _check_result(message["content"])
        elif "name" in message:
            raise Refused(422, "Invalid params: only a function has a name")
        call = message.get("function_call")
        if call is not None:
            if message["role"] != "assistant" or "arguments" not in call:
                raise Refused(422, "Invalid params: function_call")
            _check_name(call["name"])
        if "functions_state_id" in message and call is None:
            raise Refused(422, "Invalid params: functions_state_id without function_call")
        called = call["name"] if call is not None else None
    if called is not None:
        raise Refused(422, "Invalid params: a function's result must follow its call")


def _check_result(content: str) -> None:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        value = None
    if not isinstance(value, dict):
        raise Refused(422, "Invalid params: function content must be a JSON object in a string")


def _check_attachments(messages: list[JSONObject]) -> None:
    attached = [message.get("attachments") for message in messages]
    for message, files in zip(messages, attached, strict=True):
        if files is None:
            continue
        if message["role"] != "user" or len(files) != 1 or not all(files):
            raise Refused(422, "Invalid params: one attachment in a user's message")
    if sum(files is not None for files in attached) > MAX_ATTACHMENTS:
        raise Refused(422, f"Invalid params: more than {MAX_ATTACHMENTS} attachments")


def _check_ranges(body: JSONObject) -> None:
    if body.get("temperature", 1) <= 0:
        raise Refused(422, "Invalid params: temperature must be in range (0, +inf)")
    if not 0 <= body.get("top_p", 1) <= 1:
        raise Refused(422, "Invalid params: top_p must be in range [0, 1]")
    if body.get("max_tokens", 1) < 1:
        raise Refused(422, "Invalid params: max_tokens must be in range [1, +inf)")
    if body.get("n", 1) != 1:
        raise Refused(422, "Invalid params: n must be 1")


def _check_functions(body: JSONObject) -> None:
    functions = body.get("functions")
    names = [function["name"] for function in functions or ()]
    if functions == [] or len(names) != len(set(names)):
        raise Refused(422, "Invalid params: functions must be some, each with a name of its own")
    for function in functions or ():
        _check_name(function["name"])
        parameters = function.get("parameters")
        if not isinstance(parameters, dict):
            raise Refused(422, "Invalid params: parameters are required")
        _check_parameters(parameters)
    choice = body.get("function_call")
    if isinstance(choice, dict) and choice["name"] not in names:
        raise Refused(422, "Invalid params: function_call names a function that is not there")


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name) or name in RESERVED:
        raise Refused(422, f"Invalid params: function name {name}")


def _check_parameters(parameters: JSONObject) -> None:
    if parameters.get("type") != "object" or "properties" not in parameters:
        raise Refused(422, "Invalid params: parameters must be an object with properties")
    for inner in parameters["properties"].values():
        _check_schema(inner)
    if not set(parameters.get("required", ())) <= parameters["properties"].keys():
        raise Refused(422, "Invalid params: required names what is not in properties")


def _check_schema(schema: Any) -> None:
    if not isinstance(schema, dict) or schema.keys() - SCHEMA_KEYS:
        raise Refused(422, f"Invalid params: schema {schema}")
    kind = schema.get("type")
    if kind not in TYPES:
        raise Refused(422, f"Invalid params: type {kind}")
    if (kind == "object") is not ("properties" in schema):
        raise Refused(422, "Invalid params: an object, and nothing else, has properties")
    if (kind == "array") is not ("items" in schema):
        raise Refused(422, "Invalid params: an array, and nothing else, has items")
    enum = schema.get("enum", ["some"])
    if not enum or not all(isinstance(each, str) for each in enum):
        raise Refused(422, "Invalid params: an enum has strings")
    for inner in schema.get("properties", {}).values():
        _check_schema(inner)
    if "items" in schema:
        _check_schema(schema["items"])


def _check_response_format(body: JSONObject) -> None:
    wanted = body.get("response_format")
    if wanted is None:
        return
    if wanted.keys() - {"type", "schema", "strict"} or wanted.get("type") != "json_schema":
        raise Refused(422, "Invalid params: response_format")
    if not isinstance(wanted.get("schema"), dict) or not isinstance(
        wanted.get("strict", True), bool
    ):
        raise Refused(422, "Invalid params: response_format.schema")
