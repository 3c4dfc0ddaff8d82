"""Valid requests, and what becomes of them by chance.

The same seed and number give the same mutation, so that one number says how to see a fault again.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from support.valid_requests import BODIES, FIELDS, MODELS

_CHAT = "/v1/chat/completions"
_JUNK = (
    "null",
    "true",
    "false",
    "0",
    "-1",
    "-0",
    "1.5",
    "1e308",
    "-1e308",
    "1e-400",
    "9223372036854775808",
    "18446744073709551615",
    "-9223372036854775808",
    '""',
    '"x"',
    '"\\u0000"',
    '"\\ud83d\\ude00"',
    '"\\r\\nX: y"',
    '"data:image/png;base64,"',
    '"data:;base64,AAAA"',
    '"http://["',
    '"../../x"',
    '"gpt-test"',
    '"required"',
    '"json_schema"',
    "[]",
    "{}",
    "[[]]",
    "[{}]",
    "[null]",
    '{"": ""}',
    '{"type": 1}',
    '{"type": "text"}',
    '{"type": "image_url", "image_url": "x"}',
    '{"type": "function", "function": {"name": "", "parameters": {"$ref": "#"}}}',
    "[1, 2, 3]",
    "[" * 100 + "]" * 100,
    "[" * 200 + "]" * 200,
    '{"a":' * 60 + "1" + "}" * 60,
    '"' + "x" * 5000 + '"',
    "[" + "0," * 2000 + "0]",
)
_BROKEN_JUNK = ("NaN", "Infinity", "1e999", "01", "tru", "", '"\\ud800"', "9" * 30, "'x'", "/**/1")
_METHODS = ("HEAD", "PUT", "DELETE", "OPTIONS", "get", "G@T", "", "PRI", "CONNECT", "TRACE")
_TARGETS = ("*", "/", "//", "/v1", "/ping?", "/v1/models/%00", "/%", "/v1/models/..%2f", "\\", "?")
_VERSIONS = ("HTTP/1.0", "HTTP/2.0", "HTTP/1.2", "http/1.1", "HTTP/1.1 ", "", "HTTP/11")
_VALUES = (
    "",
    " ",
    "0",
    "-1",
    "chunked",
    "gzip",
    "close",
    "keep-alive",
    "text/plain",
    "\xff\xfe",
    "Bearer",
    "Bearer x",
    "localhost, localhost",
    "evil.example",
    "100-continue",
    "x" * 3000,
    'a="b',
    "a\tb",
    "\0",
)
_NAMES = (
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "Content-Encoding",
    "Content-Type",
    "Authorization",
    "Connection",
    "Expect",
    "Upgrade",
    "Trailer",
    "TE",
    "Range",
    "Proxy-Connection",
    "X-Stainless-Read-Timeout",
    "X-Stainless-Retry-Count",
    "X-Request-Id",
    "Cookie",
    "\xe9",
    "",
    "a b",
)
_PLACEHOLDER = "@@here@@"


@dataclass(frozen=True)
class Mutation:
    """What is sent; with `ends` the client closes its side after it. `made` says how it came."""

    made: str
    sent: bytes
    ends: bool = False


def mutation(seed: int, number: int) -> Mutation:
    """The mutation of this number."""
    chance = random.Random(f"{seed}:{number}")
    head, body = _valid(chance)
    make = chance.choice(_MAKERS)
    made = make(chance, head, body)
    if chance.random() < _TWICE and not made.ends:
        # Once more, anywhere.
        sent = _bytes(chance, made.sent)
        return Mutation(f"{made.made}, {_bytes.__name__}", sent)
    return made


_MOSTLY = 0.8
_TWICE = 0.1


def _valid(chance: random.Random) -> tuple[list[str], Any]:
    """The lines of a good head without its body's length, and the content of its body."""
    body = chance.choice(BODIES)
    if body is None:
        target = chance.choice(("/ping", "/v1/models", "/v1/models/gpt-test", "/openapi.json"))
        return [f"GET {target} HTTP/1.1", *FIELDS], None
    model = chance.choice(MODELS)
    kind = "Content-Type: application/json"
    return [f"POST {_CHAT} HTTP/1.1", *FIELDS, kind], {"model": model, **body}


def _joined(head: list[str], body: bytes) -> bytes:
    lines = "".join(f"{line}\r\n" for line in head)
    return f"{lines}\r\n".encode("latin-1") + body


def _framed(chance: random.Random, head: list[str], body: bytes) -> bytes:
    """The request with its body's length, or with a body in chunks."""
    if not body:
        return _joined(head, b"")
    if chance.random() < _MOSTLY:
        return _joined([*head, f"Content-Length: {len(body)}"], body)
    cut = chance.randrange(1, len(body)) if len(body) > 1 else 1
    pieces = [piece for piece in (body[:cut], body[cut:]) if piece]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return _joined([*head, "Transfer-Encoding: chunked"], chunks + b"0\r\n\r\n")


def _plain(chance: random.Random, head: list[str], body: Any) -> bytes:
    return _framed(chance, head, b"" if body is None else json.dumps(body).encode())


def _bytes(chance: random.Random, sent: bytes) -> bytes:
    """Flip, insert, delete or double bytes, mostly in the head."""
    data = bytearray(sent)
    end = data.find(b"\r\n\r\n") + 4 if chance.random() < _MOSTLY else len(data)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(max(1, min(end, len(data))))
        some = chance.randint(1, 8)
        match chance.randrange(5):
            case 0 if data:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at:at] = chance.randbytes(some)
            case 2:
                del data[at : at + some]
            case 3:
                data[at:at] = data[at : at + some * 4]
            case _:
                data[at:at] = chance.choice((b"\r\n", b"\n", b"\r", b"\0", b" ", b":", b"\r\n\r\n"))
    return bytes(data)


def _any_bytes(chance: random.Random, head: list[str], body: Any) -> Mutation:
    return Mutation("bytes", _bytes(chance, _plain(chance, head, body)))


def _lines(chance: random.Random, head: list[str], body: Any) -> Mutation:
    """Lines of the head doubled, dropped, exchanged, given other values or further company."""
    text = b"" if body is None else json.dumps(body).encode()
    lines = [*head, f"Content-Length: {len(text)}"] if text else [*head]
    at = chance.randrange(1, len(lines))
    name, _, value = lines[at].partition(":")
    match chance.randrange(6):
        case 0:
            lines.insert(at, lines[at])
        case 1:
            del lines[at]
        case 2:
            lines[at] = f"{name}:{chance.choice(_VALUES)}"
        case 3:
            lines.insert(at, f"{chance.choice(_NAMES)}: {chance.choice(_VALUES)}")
        case 4:
            lines[at] = f"{chance.choice((name.upper(), name + ' ', ' ' + name))}:{value}"
        case _:
            chance.shuffle(lines)
    return Mutation("lines", _joined(lines, text))


def _request_line(chance: random.Random, head: list[str], body: Any) -> Mutation:
    words = head[0].split(" ")
    at = chance.randrange(3)
    words[at] = chance.choice((_METHODS, _TARGETS, _VERSIONS)[at])
    return Mutation("request line", _plain(chance, [" ".join(words), *head[1:]], body))


type _Place = tuple[str | int, ...]
"""The keys and indices that lead there."""


def _places(value: Any) -> Iterator[_Place]:
    """Every place in a JSON value but the whole."""
    for key, inner in _inside(value):
        yield (key,)
        yield from ((key, *place) for place in _places(inner))


def _inside(value: Any) -> Iterator[tuple[str | int, Any]]:
    if isinstance(value, dict):
        yield from value.items()
    elif isinstance(value, list):
        yield from enumerate(value)


def _put(value: Any, place: _Place, text: str) -> Any:
    """A copy of a JSON value with a string in that place."""
    copy = json.loads(json.dumps(value))
    inner = copy
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = text
    return copy


def _value(chance: random.Random, head: list[str], body: Any) -> Mutation:
    """Any value of the body replaced by junk of any type, well-formed or not."""
    if body is None:
        return _request_line(chance, head, body)
    place = chance.choice([*_places(body)])
    junk = chance.choice(_JUNK if chance.random() < _MOSTLY else _BROKEN_JUNK)
    text = json.dumps(_put(body, place, _PLACEHOLDER)).replace(f'"{_PLACEHOLDER}"', junk)
    return Mutation(f"value {junk[:40]}", _framed(chance, head, text.encode()))


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value."""
    if isinstance(value, dict):
        yield value
    for _, inner in _inside(value):
        yield from _objects(inner)


def _key(chance: random.Random, head: list[str], body: Any) -> Mutation:
    """A key of the body taken away, doubled, renamed, or one put in."""
    if body is None:
        return _request_line(chance, head, body)
    body = json.loads(json.dumps(body))
    fields = chance.choice([each for each in _objects(body) if each])
    key = chance.choice([*fields])
    match chance.randrange(4):
        case 0:
            del fields[key]
        case 1:
            fields[_PLACEHOLDER] = json.loads(chance.choice(_JUNK))
        case 2:
            fields[chance.choice(("", "api_base", "stream", "type", "\0", "é"))] = fields.pop(key)
        case _:
            fields[chance.choice(("x", "api_key", "function_call", "audio"))] = json.loads(
                chance.choice(_JUNK)
            )
    text = json.dumps(body).replace(f'"{_PLACEHOLDER}"', json.dumps(key))
    return Mutation(f"key {key}", _framed(chance, head, text.encode()))


def _cut(chance: random.Random, head: list[str], body: Any) -> Mutation:
    sent = _plain(chance, head, body)
    return Mutation("cut", sent[: chance.randrange(len(sent))], ends=True)


def _length(chance: random.Random, head: list[str], body: Any) -> Mutation:
    """A length that is not the body's."""
    text = json.dumps(body).encode()
    length = len(text) + chance.choice((-20, -1, 1, 100, 10**9, 10**18))
    return Mutation("length", _joined([*head, f"Content-Length: {length}"], text), ends=True)


_MAKERS = (
    *(_any_bytes, _any_bytes, _lines, _lines, _request_line, _cut, _length),
    *(_value, _value, _value, _value, _value, _key, _key),
)
