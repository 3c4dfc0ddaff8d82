"""What a request asks for, by which its recording is found again.

Two requests are the same when they are the same JSON after this:

- what does not change the answer is left out: ``DELIVERY``, and of pictures ``PICTURE_DELIVERY``;
- at the top level and in messages, a null says nothing;
- what says what is so anyway is left out: ``DEFAULTS``;
- at the top level, ``1.0`` and ``1`` are the same number.

The order of keys and white space never count, nor does which text it was that is masked
(``gateway.mask``): the recording does not know. Everything else does.
"""

import enum
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import orjson

from llm_gateway.adapters.translating import object_in, text_in
from llm_gateway.api import routes
from llm_gateway.api.images import parse_images, parse_picture
from llm_gateway.api.routes import Endpoint
from llm_gateway.api.validation import parse_chat
from llm_gateway.errors import RequestError

DELIVERY = frozenset(
    {
        "metadata",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "service_tier",
        "store",
        "stream",
        "stream_options",
        "user",
    }
)
"""Who asks, how the answer is delivered, and what is kept of it."""
PICTURE_DELIVERY = frozenset({"partial_images", "response_format"})
"""The same of a request for pictures: they come as they are asked for, whatever was recorded."""
DEFAULTS: Mapping[str, Any] = MappingProxyType(
    {
        "frequency_penalty": 0,
        "logprobs": False,
        "n": 1,
        "presence_penalty": 0,
        "response_format": {"type": "text"},
        "tool_choice": "auto",
        "tools": [],
    }
)
"""What holds with every provider where nothing else is said; a ``temperature`` does not."""

_MASKED = re.compile(rb"\[masked:[0-9a-f]+\]")
_ANY_MODEL = ("", "all")
_KEY_BYTES = 16
_EXACT = 2**53
"""Up to here every whole number is a float; far above it JSON's integers end."""


class Sort(enum.StrEnum):
    """What is asked for."""

    CHAT = "chat"
    PICTURES = "pictures"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: ``body`` is what counts of it, ``key`` the same in short.

    ``stream`` and ``with_usage`` are the form that is wanted.
    """

    sort: Sort
    body: Mapping[str, Any]
    key: bytes
    stream: bool = False
    with_usage: bool = False

    @property
    def model(self) -> str:
        """The name that was asked for; empty where any model will do."""
        return text_in(self.body, "model")


def by_client(path: str, body: bytes) -> Asked | None:
    """What a client's POST asks for; None where it is nothing that a provider answers.

    Raises RequestError for what the gateway refuses before it asks anybody.
    """
    body = _alike(body)
    match routes.find("POST", path).endpoint:
        case Endpoint.CHAT:
            return _asked(Sort.CHAT, parse_chat(body).body)
        case Endpoint.IMAGES:
            return _asked(Sort.PICTURES, parse_images(body).body)
        case Endpoint.PICTURE:
            return _asked(Sort.PICTURES, parse_picture(body).body)
        case _:
            return None


def by_gateway(url: str, body: bytes) -> Asked:
    """The same of what the gateway asks its provider, masked as what is recorded was.

    Raises RequestError (400) for a body that a person broke.
    """
    try:
        fields = orjson.loads(_alike(body))
    except orjson.JSONDecodeError:
        fields = None
    if not isinstance(fields, dict):
        raise RequestError(400, "The body of the request is no JSON object.")
    sort = Sort.PICTURES if url.endswith("/images/generations") else Sort.CHAT
    return _asked(sort, fields)


def same(fields: Mapping[str, Any], sort: Sort = Sort.CHAT) -> dict[str, Any]:
    """What counts of a request's body."""
    left_out = DELIVERY | PICTURE_DELIVERY if sort is Sort.PICTURES else DELIVERY
    body = {
        name: _whole_number(value)
        for name, value in fields.items()
        if value is not None and name not in left_out
    }
    if body.get("model") in _ANY_MODEL:
        del body["model"]
    messages = body.get("messages")
    if isinstance(messages, list):
        body["messages"] = [_said(message) for message in messages]
    return {name: value for name, value in body.items() if not _is_default(name, value)}


def written(value: object) -> bytes:
    """JSON that is the same for the same value, whatever the order of its keys."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _asked(sort: Sort, fields: Mapping[str, Any]) -> Asked:
    body = same(fields, sort)
    key = hashlib.sha256(b"%s %s" % (sort.encode(), written(body))).digest()[:_KEY_BYTES]
    stream = fields.get("stream") is True
    with_usage = object_in(fields, "stream_options").get("include_usage") is True
    return Asked(sort, body, key, stream, stream and with_usage)


def _alike(body: bytes) -> bytes:
    """The body with all that is masked made one: each process masks in a way of its own."""
    return _MASKED.sub(b"[masked]", body)


def _whole_number(value: object) -> object:
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT:
        return int(value)
    return value


def _said(message: object) -> object:
    """A message without the keys that say nothing."""
    if not isinstance(message, dict):
        return message
    return {name: value for name, value in message.items() if value is not None}


def _is_default(name: str, value: object) -> bool:
    # As JSON: to Python, True and 1 are the same.
    return name in DEFAULTS and written(value) == written(DEFAULTS[name])
