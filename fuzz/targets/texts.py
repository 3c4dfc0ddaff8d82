"""What hides texts and keys, and what lays answers out: nothing is lost, nothing is left."""

import email.policy
import json
import re
from collections.abc import Iterator
from email.parser import BytesParser
from random import Random
from typing import Any

import orjson

from fuzz.recorded import replies
from fuzz.target import Choices, Shape, Target
from llm_gateway.adapters.multipart import FormPart, multipart
from llm_gateway.keymask import KeyMask
from llm_gateway.masks import Masks
from llm_gateway.secret import Secret

PATTERNS = (
    (r"4[0-9]{3}",),
    (r"(?<![\w.])[\w.]+@[\w.]+", "é", r"\b1+\b"),
    (r"a+b", r"content", r'"x'),
)
KEY = b"sk-abab/abc+0123"
_SIGN = re.compile(r"\[masked:[0-9a-f]{8,64}\]")
_OURS = b"[masked"


def mask(data: bytes) -> None:
    """Hidden twice is hidden once, no match is left, and what is shown again is what was there."""
    choices = Choices(data)
    patterns = [re.compile(each) for each in choices.one_of(PATTERNS)]
    masks = Masks()
    masks.adopt(patterns, (Secret(KEY.decode()),))
    body = choices.rest.replace(_OURS, b"")
    hidden = masks.hide(body)
    assert masks.hide(hidden) == hidden, (hidden, masks.hide(hidden))
    assert KEY not in hidden
    value = parsed(body)
    if value is None:
        return
    assert parsed(masks.show(hidden)) == value
    for text in _strings(parsed(hidden)):
        for part in _SIGN.split(text):
            assert not any(pattern.search(part) for pattern in patterns), (part, hidden)


def parsed(body: bytes) -> Any:
    """The value of JSON in which no key is given twice, None for any other."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a key is given twice")
        return dict(pairs)

    try:
        orjson.loads(body)
        return json.loads(body, object_pairs_hook=once, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for each in [*value, *value.values()] if isinstance(value, dict) else value:
            yield from _strings(each)


def mask_key(data: bytes) -> None:
    """However what arrives is cut, it is as if the key had been replaced in the whole."""
    choices = Choices(data)
    random = Random(choices.number(256))
    body = choices.rest
    key_mask = KeyMask(KEY, b"***")
    ends = sorted(random.randint(0, len(body)) for _ in range(5))
    pieces = [body[a:b] for a, b in zip([0, *ends], [*ends, len(body)], strict=True)]
    found = b"".join(map(key_mask.feed, pieces)) + key_mask.flush()
    assert found == body.replace(KEY, b"***")


def form(data: bytes) -> None:
    """A form is read by others as it was meant, whatever is in its files and names."""
    names, *contents = data.split(b"\0\0")
    text = names.decode("utf-8", "replace")
    parts = [FormPart(text, each, f"{text}.png", "image/png") for each in contents]
    kind, body = multipart([*parts, FormPart("purpose", b"general")])
    head = f"Content-Type: {kind}\r\n\r\n".encode()
    message = BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    boundary = kind.partition("boundary=")[2].encode()
    assert body.count(b"--" + boundary) == len(parts) + 2
    assert len([*message.iter_parts()]) == len(parts) + 1


def _replies() -> Iterator[bytes]:
    for number, name in enumerate(("reply.sse", "reply.json")):
        for _, body in replies(name):
            yield bytes([number]) + body


WORDS = ("4111", "x@y.z", "é", "\\u00e9", "1", "11", "aab", "content", '"', "\\", KEY.decode())
TARGETS = (
    Target("masks", mask, 1, Shape.JSON, _replies, WORDS),
    Target("keymask", mask_key, 1, words=(KEY.decode(), KEY.decode()[:7], "sk-ab")),
    Target("form", form, words=("--", "\r\n", '"', "\0\0", "content-type: ")),
)
