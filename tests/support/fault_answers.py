"""Steps of the fault server that answer with a status, a whole body or a broken connection.

They do the same whether a stream was asked for or not.
"""

import json

from support.fault_attempt import Attempt, Script
from support.openai_shapes import completion, error_body, usage
from support.recording_server import HeaderList

INTERNAL_NAME = "internal-name-of-the-model"
"""What the provider calls a model where it says that there is none."""

JSON = ("content-type", "application/json")
ODD_HINTS = {
    "nan": "NaN",
    "minus": "-1",
    "huge": "1e400",
    "word": "soon",
    "past": "Fri, 01 Jan 2021 00:00:00 GMT",
    "digits": "\u00b2",
}
"""What no one can wait for, by the ends of the names of steps."""


async def _ok(attempt: Attempt) -> None:
    if not attempt.stream:
        await attempt.reply.json(200, attempt.whole())
        return
    await attempt.begin()
    await attempt.pieces()
    await attempt.finish()


async def status(attempt: Attempt, number: int) -> None:
    """An error with this status."""
    await attempt.reply.json(number, attempt.error())


async def _limited(attempt: Attempt, headers: HeaderList = ()) -> None:
    await attempt.reply.json(429, attempt.error("rate_limit_exceeded"), headers)


async def limited(attempt: Attempt, seconds: int) -> None:
    """A rate limit, and how long to wait."""
    await _limited(attempt, [("retry-after", str(seconds))])


async def limited_ms(attempt: Attempt, milliseconds: int) -> None:
    """A rate limit, and how long to wait, in the header that OpenAI's SDK reads first."""
    await _limited(attempt, [("retry-after-ms", str(milliseconds))])


def _oddly_limited(hint: str) -> Script:
    async def script(attempt: Attempt) -> None:
        await _limited(attempt, [("retry-after", hint)])

    return script


async def _spent(attempt: Attempt) -> None:
    await attempt.reply.json(429, attempt.error("insufficient_quota"))


async def _unknown_model(attempt: Attempt) -> None:
    text = f"The model `{INTERNAL_NAME}` does not exist or you do not have access to it."
    await attempt.reply.json(404, error_body(text, code="model_not_found", param="model"))


async def error_in_200(attempt: Attempt, code: int) -> None:
    """A success whose body is an error with this code, as OpenRouter does."""
    await attempt.reply.json(200, attempt.error(code))


async def _rst_before_headers(attempt: Attempt) -> None:
    attempt.reply.abort()


async def _close_before_headers(attempt: Attempt) -> None:
    await attempt.reply.close()


async def _rst_if_reused(attempt: Attempt) -> None:
    if attempt.reused:
        attempt.reply.abort()
    else:
        await _ok(attempt)


async def _hang(attempt: Attempt) -> None:
    await attempt.reply.client_gone()
    await attempt.reply.close()


async def _empty_body(attempt: Attempt) -> None:
    await attempt.reply.head(200, [JSON], chunked=False)
    await attempt.reply.close()


async def _eof_after_headers(attempt: Attempt) -> None:
    await attempt.reply.head(200, [JSON, ("content-length", "100")])
    await attempt.reply.close()


async def _half(attempt: Attempt) -> None:
    body = json.dumps(attempt.whole()).encode()
    await attempt.reply.head(200, [JSON, ("content-length", str(len(body)))])
    await attempt.reply.send(body[: len(body) // 2])


async def _short_body(attempt: Attempt) -> None:
    await _half(attempt)
    await attempt.reply.close()


async def _rst_in_body(attempt: Attempt) -> None:
    await _half(attempt)
    attempt.reply.abort()


async def _html(attempt: Attempt) -> None:
    page = b"<!doctype html><title>Welcome</title>"
    await attempt.reply.whole(200, page, "text/html; charset=utf-8")


async def _broken_json(attempt: Attempt) -> None:
    await attempt.reply.whole(200, b'{"id": "chatcmpl-fake", "choices": [', "application/json")


async def _no_choices(attempt: Attempt) -> None:
    await attempt.reply.json(200, completion(attempt.model, [], "stop", usage(1, 0)))


async def _no_content(attempt: Attempt) -> None:
    await attempt.reply.head(204, [("content-length", "0")])


async def _redirect(attempt: Attempt) -> None:
    host = attempt.received.header("host")
    elsewhere = [("location", f"http://{host}/elsewhere"), ("content-length", "0")]
    await attempt.reply.head(307, elsewhere)


async def _huge_header(attempt: Attempt) -> None:
    await attempt.reply.raw(b"HTTP/1.1 200 OK\r\nx-huge: ")
    for _ in range(128):
        await attempt.reply.raw(b"x" * 65536)
    await attempt.reply.raw(b"\r\n\r\n")


async def _many_headers(attempt: Attempt) -> None:
    body = json.dumps(attempt.whole()).encode()
    fields = [(f"x-field-{number}", "x") for number in range(10_000)]
    await attempt.reply.head(200, [JSON, ("content-length", str(len(body))), *fields])
    await attempt.reply.send(body)


async def _informed(attempt: Attempt) -> None:
    """Other responses stand before the answer (RFC 9110 §15.2)."""
    await attempt.reply.raw(b"HTTP/1.1 100 Continue\r\n\r\n")
    await attempt.reply.raw(b"HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\n\r\n")
    await _ok(attempt)


async def _trailers(attempt: Attempt) -> None:
    """Header fields stand after the body (RFC 9112 §7.1.2)."""
    body = json.dumps(attempt.whole()).encode()
    head = (
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    tail = b"\r\n0\r\nx-checksum: 1\r\nset-cookie: a=b\r\n\r\n"
    await attempt.reply.raw(head + b"%x\r\n" % len(body) + body + tail)
    await attempt.reply.close()


async def _headers_to_reflect(attempt: Attempt) -> None:
    """What is said of the answer would be more header fields if it were put into ours."""
    evil = "id\r\nx-evil: 1"
    content = {**attempt.whole(), "id": evil, "model": evil, "system_fingerprint": evil}
    fields = [("set-cookie", "session=of-the-provider"), ("x-ai-proxy-model", "evil/model")]
    await attempt.reply.json(200, content, [*fields, ("x-request-id", "of-the-provider")])


ANSWERS: dict[str, Script] = {
    "ok": _ok,
    "limited": _limited,
    **{f"limited-odd-{name}": _oddly_limited(hint) for name, hint in ODD_HINTS.items()},
    "spent": _spent,
    "unknown-model": _unknown_model,
    "rst-before-headers": _rst_before_headers,
    "close-before-headers": _close_before_headers,
    "rst-if-reused": _rst_if_reused,
    "hang": _hang,
    "empty-body": _empty_body,
    "eof-after-headers": _eof_after_headers,
    "short-body": _short_body,
    "rst-in-body": _rst_in_body,
    "html": _html,
    "broken-json": _broken_json,
    "no-choices": _no_choices,
    "no-content": _no_content,
    "redirect": _redirect,
    "huge-header": _huge_header,
    "many-headers": _many_headers,
    "informed": _informed,
    "trailers": _trailers,
    "headers-to-reflect": _headers_to_reflect,
}
NUMBERED_ANSWERS = {
    "status": status,
    "limited": limited,
    "limited-ms": limited_ms,
    "error-in-200": error_in_200,
}
"""Those that take a number."""
