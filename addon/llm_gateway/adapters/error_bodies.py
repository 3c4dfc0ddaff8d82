"""Where in a reply its error stands, whatever it is wrapped in.

Proxies wrap the errors of those behind them: as an object, as JSON in a string, as JSON after a few
words of their own, or as a sentence alone. :func:`error_object` finds the outermost error of a
body, :func:`layers` the ones inside it.

Errors repeat what clients wrote, and a client that writes an error must not be believed: JSON in a
string counts only if it is all there is, or if the words before it quote nothing.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

import orjson

from llm_gateway.adapters.redaction import redact

MAX_MESSAGE = 500
"""Characters of a provider's sentence that reach the client."""

_MAX_LAYERS = 4
_MAX_TEXT = 16 * 1024
"""Bytes of a body that is no JSON, or characters of a sentence, that are looked at."""

_ENVELOPES = ("error", "errors")
_SENTENCES = ("message", "detail")
"""OpenAI's name and RFC 9457's, which FastAPI has, too."""

_STATUS_FIELDS = ("code", "status_code", "status", "httpCode")
_STATUS_IN_TEXT = re.compile(r"\bstatus(?: code)?: ([45][0-9]{2})\b", re.ASCII | re.IGNORECASE)
_FEW_WORDS = re.compile(r"[\w .,:;()\[\]-]{0,100}")
_NO_SENTENCE = ("{", "[", "<")
_STATUS_DIGITS = 3
_ERROR_STATUSES = range(400, 600)
_JSON = json.JSONDecoder()


def error_object(body: bytes) -> dict[str, Any]:
    """The ``error`` object of a reply body; ``{}`` when there is none to be read.

    Takes ``{"error": …}`` and ``{"errors": …}`` with an object, a list of them or a sentence, and a
    bare ``{"message": …}``; any of them inside a list or after a few words; and a plain sentence
    that names a status. A status named before the JSON becomes the object's
    ``status_code``.
    """
    try:
        return _unwrap(orjson.loads(body))
    except orjson.JSONDecodeError:
        return _error_in_text(body[:_MAX_TEXT].decode("utf-8-sig", "replace"))


def as_error_object(error: object) -> dict[str, Any]:
    """The value of an ``error`` key as an object.

    A bare sentence becomes its message; of a list the first object counts.
    """
    if isinstance(error, list):
        error = next((each for each in error if isinstance(each, dict)), None)
    if isinstance(error, dict):
        return error
    return {"message": error} if isinstance(error, str) else {}


def layers(error: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The error, then the one it wraps, then the one that wraps, …: the innermost is the last.

    An error wraps another in ``metadata.raw`` (an object, JSON in a string, or a sentence), or in a
    message that is JSON.
    """
    found = [error]
    while len(found) < _MAX_LAYERS and (inner := _wrapped(found[-1])):
        found.append(inner)
    return found


def error_text(error: Mapping[str, Any]) -> str:
    """The provider's sentence, fit for a client: no secret in it, and not endless.

    It is the innermost one; empty if there is none.
    """
    sentences = (sentence(each) for each in reversed(layers(error)))
    return redact(next(filter(None, sentences), ""))[:MAX_MESSAGE]


def sentence(error: Mapping[str, Any]) -> str:
    """The sentence of this one error, empty if it has none.

    It is as it came, but an endless one is cut: between words, so that no key is cut in two.
    """
    texts = (error.get(name) for name in _SENTENCES)
    text = next((text for text in texts if isinstance(text, str) and text), "")
    return text if len(text) <= _MAX_TEXT else text[:_MAX_TEXT].rpartition(" ")[0]


def embedded_status(error: Mapping[str, Any]) -> int | None:
    """The error status, 400 to 599, that this one error gives as a number."""
    numbers = (as_status(error.get(name)) for name in _STATUS_FIELDS)
    return next((number for number in numbers if number is not None), None)


def as_status(value: object) -> int | None:
    """``value`` if it is an error status, 400 to 599, as a number or in digits."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value) if len(value) == _STATUS_DIGITS else None
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if value in _ERROR_STATUSES else None


def status_in_text(text: str) -> int | None:
    """The error status that a sentence names: ``status code: 429``, ``(status: 429)``."""
    found = _STATUS_IN_TEXT.search(text)
    return int(found[1]) if found else None


def _unwrap(reply: object) -> dict[str, Any]:
    """The outermost error object of a parsed body."""
    if isinstance(reply, list):
        reply = next(iter(reply), None)
    if not isinstance(reply, dict):
        return {}
    for name in _ENVELOPES:
        if error := as_error_object(reply.get(name)):
            return error
    return {name: value for name, value in reply.items() if name not in _ENVELOPES}


def _error_in_text(text: str) -> dict[str, Any]:
    """The error in a text that is no JSON as a whole; ``{}`` if it holds neither JSON nor status.

    Markup is a page for people, and no sentence.
    """
    before, brace, _ = text.partition("{")
    if before.lstrip().startswith("<"):
        return {}
    status = status_in_text(before)
    inner = _json_from(text, len(before)) if brace and _FEW_WORDS.fullmatch(before) else {}
    if inner:
        known = status is None or embedded_status(inner) is not None
        return inner if known else {**inner, "status_code": status}
    return {} if status is None else {"message": before.strip()}


def _json_from(text: str, start: int) -> dict[str, Any]:
    """The error in the JSON that begins at ``start``, whatever comes after it."""
    try:
        _, end = _JSON.raw_decode(text, start)
        return _unwrap(orjson.loads(text[start:end]))
    except (ValueError, RecursionError):
        return {}


def _wrapped(error: Mapping[str, Any]) -> dict[str, Any]:
    """The error that this one wraps; ``{}`` if it wraps none."""
    metadata = error.get("metadata")
    raw = metadata.get("raw") if isinstance(metadata, dict) else None
    if isinstance(raw, str):
        readable = raw.lstrip()[:1] not in {"", *_NO_SENTENCE}
        return {"message": raw} if readable else _json_error(raw)
    if isinstance(raw, dict | list):
        return _unwrap(raw)
    return _json_error(sentence(error))


def _json_error(text: str) -> dict[str, Any]:
    """The error in a text that is JSON as a whole; ``{}`` if it is none."""
    if text.lstrip()[:1] not in {"{", "["}:
        return {}
    try:
        return _unwrap(orjson.loads(text))
    except orjson.JSONDecodeError:
        return {}
