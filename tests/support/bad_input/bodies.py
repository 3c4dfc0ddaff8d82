"""Rows B: bodies."""

import gzip
import json
from typing import Any

from support.bad_input.case import After, chat, error, post, refused, served, without
from support.recording_server import Received
from support.scene import MODEL, chat_body

UNPARSED = error(400, None, says="could not parse the JSON body")
UNSUPPORTED = error(415, "unsupported_media_type")
_WHOLE = chat().body
_JSON = "application/json"
_MUCH = 20_000_000


def _with(text: str) -> bytes:
    """A chat request with this JSON as the content of its message."""
    return b'{"model":"%b","messages":[{"role":"user","content":%b}]}' % (
        MODEL.encode(),
        text.encode(),
    )


def _nested(opening: str, middle: str, closing: str, levels: int) -> bytes:
    return _with(opening * levels + middle + closing * levels)


def _content(received: Received) -> Any:
    return received.json["messages"][0]["content"]


_BROKEN = {
    "B1-empty": b"",
    "B1-spaces": b" \r\n\t ",
    "B2-open": b"{",
    "B2-cut": _WHOLE[:-1],
    "B2-trailing-comma": b'{"model": "m",}',
    "B2-more-behind": b"{}x",
    "B2-two": _WHOLE + _WHOLE,
    "B2-single-quotes": b"{'model': 'm'}",
    "B2-comment": b'{"model": "m" /* c */}',
    "B2-no-quotes": b"{model: 1}",
    "B2-raw-newline": b'{"model": "a\nb"}',
    "B2-nul": b"\0" + _WHOLE,
    "B5-1e999": _with("1e999"),
    "B5-nan": _with("NaN"),
    "B5-infinity": _with("-Infinity"),
    "B5-leading-zero": _with("01"),
    "B5-plus": _with("+1"),
    "B6-utf-16": _WHOLE.decode().encode("utf-16"),
    "B6-utf-16-le": _WHOLE.decode().encode("utf-16-le"),
    "B6-utf-32": _WHOLE.decode().encode("utf-32"),
    "B6-bom": b"\xef\xbb\xbf" + _WHOLE,
    "B6-no-utf-8": _with('"\x7f"').replace(b"\x7f", b"\xff\xfe"),
    "B6-overlong": _with('"\x7f"').replace(b"\x7f", b"\xc0\xaf"),
    "B6-surrogate-in-utf-8": _with('"\x7f"').replace(b"\x7f", b"\xed\xa0\x80"),
    "B7-lone-surrogate": _with('"\\ud800"'),
    "B7-turned-surrogates": _with('"\\udc00\\ud800"'),
    "B7-half-escape": _with('"\\u00"'),
    "B15-form": b"model=gpt-test&messages=hi",
    "B15-multipart": b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--",
}
_OTHER_TYPES = {
    "[]": "an array",
    '"x"': "a string",
    "null": "null",
    "1": "an integer",
    "true": "a boolean",
    "1.5": "a number",
}
_TOO_DEEP = error(400, None, says="nested in more than 128 levels")

ROWS = (
    *(refused(id, post(body), UNPARSED) for id, body in _BROKEN.items()),
    *(
        refused(f"B3-{text}", post(text.encode()), error(400, "invalid_type", says=name))
        for text, name in _OTHER_TYPES.items()
    ),
    refused("B4-129-levels", post(_nested("[", "", "]", 126)), _TOO_DEEP),
    refused("B4-100k-arrays", post(_nested("[", "", "]", 100_000)), error(400), http2=False),
    refused("B4-100k-objects", post(_nested('{"a":', "1", "}", 100_000)), error(400), http2=False),
    refused("B4-100k-open", post(b"[" * 100_000), error(400), http2=False),
    refused("B5-5000-digits", post(_with("9" * 5000)), error(400)),
    refused(
        "B5-5000-digits-in-a-field",
        post(_WHOLE[:-1] + b',"seed":' + b"9" * 5000 + b"}"),
        error(400),
    ),
    served(
        "B8-null-character",
        post(_with('"a\\u0000b"')),
        calls=1,
        forwarded=lambda received: _content(received) == "a\0b",
    ),
    served(
        "B8-emoji",
        post(_with('"\\ud83d\\ude00"')),
        calls=1,
        forwarded=lambda received: _content(received) == "\U0001f600",
    ),
    served(
        "B9-model-twice",
        post(b'{"model":"other",' + _WHOLE[1:]),
        calls=1,
        forwarded=lambda received: received.body.count(b'"model"') == 1,
    ),
    refused(
        "B9-unknown-model-last",
        post(_WHOLE[:-1] + b',"model":"other"}'),
        error(404, "model_not_found", "model"),
    ),
    served("B10-no-type", without(chat(), "content-type"), calls=1),
    served("B10-utf-8", chat(("Content-Type", f"{_JSON}; charset=UTF-8")), calls=1),
    served("B10-upper-case", chat(("Content-Type", "APPLICATION/JSON")), calls=1),
    *(
        refused(f"B10-{kind}", chat(("Content-Type", kind)), UNSUPPORTED, after=After.CLOSED)
        for kind in (
            "text/plain",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded",
            "application/json; charset=utf-16",
            "application/jsonx",
            "json",
        )
    ),
    refused(
        "B10-twice",
        chat(("Content-Type", _JSON), ("Content-Type", "text/plain")),
        UNSUPPORTED,
        after=After.CLOSED,
    ),
    *(
        refused(
            f"B11-{coding}", chat(("Content-Encoding", coding)), UNSUPPORTED, after=After.CLOSED
        )
        for coding in ("gzip", "br", "deflate", "zstd", "gzip, gzip", "x")
    ),
    refused(
        "B11-gzip-valid",
        post(gzip.compress(_WHOLE), ("Content-Encoding", "gzip")),
        UNSUPPORTED,
        after=After.CLOSED,
    ),
    refused(
        "B11-bomb",
        post(gzip.compress(bytes(10_000_000)), ("Content-Encoding", "gzip")),
        UNSUPPORTED,
        after=After.CLOSED,
    ),
    refused("B11-gzip-unannounced", post(gzip.compress(_WHOLE)), UNPARSED),
    served("B11-identity", chat(("Content-Encoding", "identity")), calls=1),
    served(
        "B12-20-MB",
        chat(messages=[{"role": "user", "content": "x" * 10_000}] * (_MUCH // 10_000)),
        calls=1,
        http2=False,
    ),
    refused(
        "B13-300k-messages",
        post(json.dumps(chat_body(messages=[{"role": "user", "content": ""}] * 300_000)).encode()),
        error(400, "array_above_max_length", "messages", says="10000"),
        http2=False,
    ),
    served(
        "B14-one-string",
        chat(messages=[{"role": "user", "content": "x" * 10_000_000}]),
        calls=1,
        http2=False,
    ),
)
