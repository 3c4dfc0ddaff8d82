"""Rows C: messages, and what other providers than OpenAI make of them."""

from typing import Any

from support.bad_input.case import Row, chat, error, post, refused, served
from support.bad_input.stage import CLAUDE, GEMINI

_MISSING = "missing_required_parameter"
_TYPE = "invalid_type"
_VALUE = "invalid_value"
_USER = {"role": "user", "content": "hi"}
_CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{"}}
_TOOL: Any = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
_TRANSLATED = {"claude": CLAUDE, "gemini": GEMINI}


def _first(id: str, message: Any, code: str | None, param: str) -> Row:
    return refused(id, chat(messages=[message]), error(400, code, param))


def _saying(content: Any) -> Any:
    return chat(messages=[{"role": "user", "content": content}])


def _pictured(url: Any, **fields: Any) -> Any:
    part = {"type": "image_url", "image_url": {"url": url}}
    return chat(messages=[{"role": "user", "content": [part]}], **fields)


_BROKEN_CALL = [
    _USER,
    {"role": "assistant", "content": None, "tool_calls": [_CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "x"},
]
_NO_CALL = [_USER, {"role": "tool", "tool_call_id": "none", "content": "x"}]
_LOPSIDED: dict[str, list[Any]] = {
    "assistant-only": [{"role": "assistant", "content": "hi"}],
    "system-only": [{"role": "system", "content": "hi"}],
    "empty-text": [{"role": "user", "content": ""}],
    "no-parts": [{"role": "user", "content": []}],
    "two-users": [_USER, _USER],
    "system-last": [_USER, {"role": "system", "content": "hi"}],
}
_AT = "messages[0]"
_URL = f"{_AT}.content[0].image_url.url"
_ADDRESSES = {
    "metadata": "http://169.254.169.254/latest/meta-data",
    "loopback": "http://127.0.0.1:1/",
    "https": "https://evil.example/redirects",
    "file": "file:///etc/passwd",
    "gopher": "gopher://evil.example/1",
    "nothing": "",
    "data-broken": "data:image/png;base64,@@@",
}
_NO_PICTURES = {name: _ADDRESSES[name] for name in ("file", "gopher", "nothing", "data-broken")}
_NO_LISTS: dict[str, Any] = {"text": "x", "object": {}, "null": None, "number": 1}
_NO_MESSAGES: dict[str, Any] = {"number": 1, "null": None, "list": [], "text": "hi"}
_REJECTED = error(400, "upstream_rejected", ...)

ROWS = (
    refused("C1-none", post(b'{"model":"gpt-test"}'), error(400, _MISSING, "messages")),
    *(
        refused(f"C2-{name}", chat(messages=value), error(400, _TYPE, "messages"))
        for name, value in _NO_LISTS.items()
    ),
    refused("C2-empty", chat(messages=[]), error(400, "empty_array", "messages")),
    *(_first(f"C3-{name}", value, _TYPE, _AT) for name, value in _NO_MESSAGES.items()),
    refused("C3-second", chat(messages=[_USER, 1]), error(400, _TYPE, "messages[1]")),
    _first("C4-none", {"content": "hi"}, _MISSING, f"{_AT}.role"),
    _first("C4-number", {"role": 1, "content": "hi"}, _TYPE, f"{_AT}.role"),
    _first("C4-other", {"role": "foo", "content": "hi"}, _VALUE, f"{_AT}.role"),
    _first("C5-number", {"role": "user", "content": 1}, _TYPE, f"{_AT}.content"),
    _first("C5-object", {"role": "user", "content": {}}, _TYPE, f"{_AT}.content"),
    _first("C5-list-of-numbers", {"role": "user", "content": [1]}, _TYPE, f"{_AT}.content[0]"),
    _first("C5-list-in-a-list", {"role": "user", "content": [[]]}, _TYPE, f"{_AT}.content[0]"),
    refused("C5-no-type", _saying([{}]), _REJECTED, calls=1),
    _first(
        "C5-type-number",
        {"role": "user", "content": [{"type": 1}]},
        _TYPE,
        f"{_AT}.content[0].type",
    ),
    *(served(f"C6-{name}", _pictured(url), calls=1) for name, url in _ADDRESSES.items()),
    *(
        refused(f"C7-{kind}-{name}", _pictured(url, model=model), error(400, _VALUE, _URL))
        for kind, model in _TRANSLATED.items()
        for name, url in _NO_PICTURES.items()
    ),
    refused(
        "C7-claude-metadata", _pictured(_ADDRESSES["metadata"], model=CLAUDE), _REJECTED, calls=1
    ),
    refused(
        "C7-gemini-metadata",
        _pictured(_ADDRESSES["metadata"], model=GEMINI),
        error(400, "unsupported_parameter", _URL),
    ),
    *(
        served(f"C8-{kind}", chat(model=model, messages=_BROKEN_CALL, tools=[_TOOL]), calls=1)
        for kind, model in _TRANSLATED.items()
    ),
    *(
        refused(
            f"C9-{kind}",
            chat(model=model, messages=_NO_CALL),
            error(400, _VALUE, "messages[1].tool_call_id"),
        )
        for kind, model in _TRANSLATED.items()
    ),
    refused("C9-openai", chat(messages=_NO_CALL), _REJECTED, calls=1),
    *(
        served(f"C10-{kind}-{name}", chat(model=model, messages=messages), calls=1)
        for kind, model in _TRANSLATED.items()
        for name, messages in _LOPSIDED.items()
    ),
)
