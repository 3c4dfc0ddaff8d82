"""The bodies of requests: the fields that the gateway itself looks at, and what they may be.

All others are passed on, or what becomes of them is said in ``docs/providers.md``. A test asks the
rules of ``api/fields.py`` and ``api/messages.py`` whether they say the same. That an integer is not
written with a point (``1.0``) is more than JSON Schema can say.
"""

from typing import Any

from llm_gateway.api.fields import MAX_ANSWERS
from llm_gateway.api.images import MAX_PICTURES
from llm_gateway.api.messages import ROLES
from llm_gateway.api.openapi.headers import Schema
from llm_gateway.config import Size


def _maybe(*types: str, **more: Any) -> Schema:
    """A value of one of these types, or null, which is the same as to leave it out."""
    return {"type": [*types, "null"], **more}


_NAME: Schema = {
    "type": "string",
    "minLength": 1,
    "description": "A name that `GET /v1/models` lists, an alias, `provider/model`, or "
    + " or ".join(f"`{size}`" for size in Size)
    + ".",
}
_MOST = 2**64 - 1
"""Integers of more bits are refused wherever they stand."""
_LENGTH: Schema = _maybe(
    "integer",
    anyOf=[{"minimum": 1, "maximum": _MOST}, {"const": -1}],
    description="At least 1; -1: no limit.",
)

SETTINGS: dict[str, Schema] = {
    "frequency_penalty": _maybe("number"),
    "max_completion_tokens": _LENGTH,
    "max_tokens": _LENGTH,
    "n": _maybe("integer", minimum=1, maximum=MAX_ANSWERS, description="How many answers."),
    "presence_penalty": _maybe("number"),
    "response_format": _maybe("object"),
    "seed": _maybe("integer", minimum=-(2**63), maximum=_MOST),
    "stop": _maybe("string", "array", items={"type": "string"}),
    "stream": _maybe(
        "boolean", description="Whether the answer comes as server-sent events (null: it does not)."
    ),
    "stream_options": _maybe("object"),
    "temperature": _maybe("number", minimum=0),
    "tool_choice": _maybe("string", "object"),
    "tools": _maybe("array", items={"type": "object"}, description="As many as `bounds` allow."),
    "top_p": _maybe("number", minimum=0),
}

MESSAGE: Schema = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {"enum": [*ROLES]},
        "content": _maybe(
            "string",
            "array",
            items={
                "type": ["string", "object"],
                "properties": {"type": {"type": "string"}},
            },
            description="A text, or parts with a `type` of their own. Addresses of pictures are "
            "never fetched by the gateway.",
        ),
        "tool_calls": _maybe("array", items={"type": "object"}),
    },
}

CHAT: Schema = {
    "type": "object",
    "required": ["model", "messages"],
    "properties": {
        "model": _NAME,
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {"$ref": "#/components/schemas/Message"},
            "description": "As many as `bounds` allow.",
        },
        **SETTINGS,
    },
}

_PROMPT: Schema = {"type": "string", "minLength": 1, "description": "What is to be seen."}

IMAGES: Schema = {
    "type": "object",
    "required": ["prompt"],
    "properties": {
        "prompt": _PROMPT,
        "model": {
            **_NAME,
            "type": ["string", "null"],
            "description": "A model that draws. Without one: any of them, by their `priority`.",
        },
        "n": _maybe("integer", minimum=1, maximum=MAX_PICTURES, description="How many pictures."),
        "response_format": {
            "description": "`url` or `b64_json`. With `url`, what a provider sends as bytes comes "
            "back as a `data:` URL.",
        },
    },
}

_NOTHING: list[Any] = [None, "", False, 0, [], {}]

PICTURE: Schema = {
    "type": "object",
    "anyOf": [
        {"required": ["prompt"], "properties": {"prompt": _PROMPT}},
        {"required": ["inputs"], "properties": {"inputs": _PROMPT, "prompt": {"enum": _NOTHING}}},
    ],
    "properties": {
        "prompt": {"description": _PROMPT["description"]},
        "inputs": {"description": "The same, where `prompt` says nothing."},
        "model": {
            "type": ["string", "null"],
            "description": 'A model that draws. Without one, or with `""` or `"all"`: any.',
        },
    },
}

SCHEMAS: dict[str, Schema] = {
    "ChatCompletionRequest": CHAT,
    "Message": MESSAGE,
    "ImagesRequest": IMAGES,
    "PictureRequest": PICTURE,
}
