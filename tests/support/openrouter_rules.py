"""What OpenRouter refuses: OpenAI's rules for OpenAI's fields, its documents for its own.

Its SDK's types let everything pass, so these are checked here by hand. Fields of chats that nobody
knows pass, as they do there. Sources: https://openrouter.ai/docs/api-reference/parameters,
/docs/features/provider-routing and /docs/guides/overview/multimodal/image-generation.
"""

from collections.abc import Callable, Mapping
from typing import Any

from support import openai_rules
from support.openai_shapes import JSONObject

EFFORTS = ("max", "xhigh", "high", "medium", "low", "minimal", "none")
PROVIDER_KEYS = {
    "allow_fallbacks", "data_collection", "enforce_distillable_text", "ignore", "max_price",
    "only", "order", "preferred_max_latency", "preferred_min_throughput", "quantizations",
    "require_parameters", "sort", "zdr",
}  # fmt: skip
MESSAGE_KEYS = {"reasoning", "reasoning_content", "reasoning_details", "images"}
"""What OpenRouter's answers hold beyond OpenAI's, and takes back."""
MAX_STOPS = 4
MAX_PICTURES = 10

type Check = Callable[[Any], bool]


class Refused(openai_rules.Refused):
    """The request is refused with `status` and OpenRouter's error `body`."""

    def __init__(self, text: str, *, status: int = 400, **metadata: object) -> None:
        super().__init__(status, text)
        error: JSONObject = {"message": text, "code": status}
        if metadata:
            error["metadata"] = metadata
        self.body = {"error": error, "user_id": "user_2fake"}


def _number(low: float, high: float) -> Check:
    return lambda value: (
        isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    )


def _texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _is_reasoning(value: object) -> bool:
    known = {"effort", "max_tokens", "exclude", "enabled", "summary"}
    return (
        isinstance(value, dict)
        and value.keys() <= known
        and value.get("effort", "low") in EFFORTS
        and not {"effort", "max_tokens"} <= value.keys()
    )


OWN: Mapping[str, Check] = {
    "models": _texts,
    "provider": lambda value: isinstance(value, dict) and value.keys() <= PROVIDER_KEYS,
    "plugins": lambda value: isinstance(value, list),
    "reasoning": _is_reasoning,
    "top_k": _number(0, 1_000_000),
    "top_a": _number(0, 1),
    "min_p": _number(0, 1),
    "repetition_penalty": _number(0, 2),
    "image_config": lambda value: isinstance(value, dict),
    "session_id": lambda value: isinstance(value, str),
    "route": lambda value: value == "fallback",
    "trace": lambda value: isinstance(value, dict),
    "cache_control": lambda value: isinstance(value, dict),
}


def check_chat_request(body: object) -> JSONObject:
    """Return `body` when OpenRouter would take it; raises Refused when not."""
    if not isinstance(body, dict):
        raise Refused("Invalid JSON: expected an object")
    for name, fits in OWN.items():
        if body.get(name) is not None and not fits(body[name]):
            raise Refused(f"{name}: Invalid input")
    modalities = body.get("modalities") or ["text"]
    if not _texts(modalities) or not {*modalities} <= {"text", "image", "audio"}:
        raise Refused("modalities: Invalid input")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused('Input required: specify "prompt" or "messages"')
    common = {name: value for name, value in body.items() if name in openai_rules.FIELDS}
    plain = {**common, "messages": [_plain(each) for each in messages], "modalities": ["text"]}
    try:
        openai_rules.check_chat_request(plain)
    except openai_rules.Refused as refusal:
        raise Refused(refusal.body["error"]["message"]) from None
    return body


def _plain(message: object) -> object:
    """The message without what is OpenRouter's own."""
    if not isinstance(message, dict):
        return message
    plain = {key: value for key, value in message.items() if key not in MESSAGE_KEYS}
    if isinstance(plain.get("content"), list):
        plain["content"] = [_without("cache_control", part) for part in plain["content"]]
    if isinstance(plain.get("tool_calls"), list):
        plain["tool_calls"] = [_without("index", call) for call in plain["tool_calls"]]
    return plain


def _without(key: str, value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {name: each for name, each in value.items() if name != key}


PICTURES: Mapping[str, Check] = {
    "model": lambda value: isinstance(value, str),
    "prompt": lambda value: isinstance(value, str) and bool(value),
    "n": lambda value: type(value) is int and 1 <= value <= MAX_PICTURES,
    "size": lambda value: isinstance(value, str),
    "resolution": lambda value: value in ("512", "1K", "2K", "4K"),
    "aspect_ratio": lambda value: isinstance(value, str),
    "quality": lambda value: value in ("auto", "low", "medium", "high"),
    "background": lambda value: value in ("auto", "transparent", "opaque"),
    "output_format": lambda value: value in ("png", "jpeg", "webp", "svg"),
    "output_compression": _number(0, 100),
    "seed": lambda value: type(value) is int,
    "input_references": lambda value: isinstance(value, list),
    "stream": lambda value: isinstance(value, bool),
    "provider": lambda value: isinstance(value, dict),
}
"""The fields of its API for pictures. A field that is not among them is refused."""


def check_images_request(body: object) -> JSONObject:
    """Return `body` when OpenRouter would draw it; raises Refused when not."""
    if not isinstance(body, dict):
        raise Refused("Invalid JSON: expected an object")
    for name in ("model", "prompt"):
        if name not in body:
            raise Refused(f"{name}: Required")
    for name, value in body.items():
        if name not in PICTURES:
            raise Refused(f"Unrecognized key: {name}")
        if not PICTURES[name](value):
            raise Refused(f"{name}: Invalid input")
    return body
