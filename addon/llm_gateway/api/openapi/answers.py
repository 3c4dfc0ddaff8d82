"""The bodies of answers: OpenAI's shapes, as far as they are kept whoever answered.

Nothing is closed: providers add fields of their own, and they are passed on.
"""

from typing import Any

from llm_gateway.api.openapi.headers import Schema
from llm_gateway.config import Size


def _object(required: tuple[str, ...], **properties: Schema) -> Schema:
    return {"type": "object", "required": [*required], "properties": properties}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _array(items: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": items, **more}


_TEXT: Schema = {"type": "string"}
_MAYBE_TEXT: Schema = {"type": ["string", "null"]}
_COUNT: Schema = {"type": "integer", "minimum": 0}

ERROR = {
    "type": "object",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "additionalProperties": False,
            "properties": {
                "message": {"type": "string", "minLength": 1, "description": "For people."},
                "type": {"type": "string", "minLength": 1, "description": "What kind it is."},
                "param": {**_MAYBE_TEXT, "description": "The place in the request at fault."},
                "code": {**_MAYBE_TEXT, "description": "What programs tell it by."},
            },
        }
    },
    "description": "OpenAI's error body, with all four keys.",
}

MODEL = {
    **_object(
        ("id", "object", "created", "owned_by"),
        id={"type": "string", "minLength": 1, "description": "What `model` may be."},
        object={"const": "model"},
        created={**_COUNT, "description": "When the gateway was started, seconds since 1970."},
        owned_by={
            "type": "string",
            "description": "The provider's name in the configuration; `llm-gateway` for aliases "
            f"and for the size classes {' and '.join(f'`{size}`' for size in Size)}.",
        },
    ),
}

MODELS = _object(("object", "data"), object={"const": "list"}, data=_array(_ref("Model")))

_CALL = _object(
    ("id", "type", "function"),
    id=_TEXT,
    type=_TEXT,
    function=_object(("name", "arguments"), name=_TEXT, arguments=_TEXT),
)

COMPLETION = {
    **_object(
        ("choices",),
        id=_TEXT,
        object={"const": "chat.completion"},
        created=_COUNT,
        model={"type": "string", "description": "What the provider calls the model."},
        choices=_array(_ref("Choice"), minItems=1),
        usage=_ref("Usage"),
    ),
    "description": "What a provider that speaks OpenAI's format has in it beyond this stays.",
}

CHOICE = _object(
    ("finish_reason",),
    index=_COUNT,
    message=_ref("AssistantMessage"),
    finish_reason={"type": "string", "description": "One of OpenAI's, whatever was said."},
)

MESSAGE = _object(
    ("role", "content"),
    role=_TEXT,
    content=_MAYBE_TEXT,
    refusal=_MAYBE_TEXT,
    reasoning_content={"description": "What it thought, where the provider says so."},
    tool_calls={"oneOf": [_array(_CALL), {"type": "null"}]},
)

CHUNK = {
    **_object(
        ("choices",),
        id=_TEXT,
        object={"const": "chat.completion.chunk"},
        created=_COUNT,
        model=_TEXT,
        choices=_array(
            _object(("delta",), index=_COUNT, delta={"type": "object"}, finish_reason=_MAYBE_TEXT)
        ),
        usage={"oneOf": [_ref("Usage"), {"type": "null"}]},
    ),
    "description": "The `data` of one event of a stream.",
}

USAGE = {
    "type": ["object", "null"],
    "properties": {
        name: {"type": ["integer", "null"]}
        for name in ("prompt_tokens", "completion_tokens", "total_tokens")
    },
}

PICTURES = _object(
    ("created", "data"),
    created=_COUNT,
    data=_array(
        {
            "type": "object",
            "properties": {
                "b64_json": {**_MAYBE_TEXT, "description": "The picture in base64."},
                "url": {
                    **_MAYBE_TEXT,
                    "description": "Its address. With `response_format: url`, bytes come back as a "
                    "`data:` URL.",
                },
            },
            "anyOf": [{"required": ["b64_json"]}, {"required": ["url"]}],
        },
        minItems=1,
    ),
    output_format={"description": "What the pictures are, where that is known."},
    usage={"description": "Tokens, as the provider counts them."},
)

STREAM = {
    **_object(
        ("data",),
        data={
            "type": "string",
            "anyOf": [
                {"const": "[DONE]"},
                {
                    "contentMediaType": "application/json",
                    "contentSchema": {"oneOf": [_ref("ChatCompletionChunk"), _ref("Error")]},
                },
            ],
        },
    ),
    "description": "Each event of it. The `data` is a `ChatCompletionChunk`, the last one is "
    "`[DONE]`. A stream that fails after it has begun has an `Error` before that. Comments "
    "(`: keepalive`) may stand between.",
}

SCHEMAS: dict[str, Schema] = {
    "Error": ERROR,
    "Model": MODEL,
    "Models": MODELS,
    "ChatCompletion": COMPLETION,
    "Choice": CHOICE,
    "AssistantMessage": MESSAGE,
    "ChatCompletionChunk": CHUNK,
    "Usage": USAGE,
    "Images": PICTURES,
}
