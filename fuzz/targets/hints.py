"""How long to wait: whatever a provider says, it is a time or nothing."""

import math
from typing import Any

import orjson

from fuzz.oracles import check_wait
from fuzz.recorded import replies
from fuzz.target import Choices, Shape, Target
from llm_gateway.adapters import hints
from llm_gateway.adapters.redaction import redact
from llm_gateway.adapters.translating import object_in
from llm_gateway.limits import ratelimit_headers
from llm_gateway.limits.quota import Level, Standing

NOW = (1763700000.0, 0.0, 4e9)


def wait(data: bytes) -> None:
    """Headers and an error object, in JSON, or headers line by line."""
    choices = Choices(data)
    now = choices.one_of(NOW)
    headers, error = said(choices.rest)
    check_wait(hints.hint(headers, error, now), hints.LONGEST)
    check_wait(hints.retry_after(headers, now), hints.LONGEST)
    check_wait(hints.until_reset(headers, now), hints.LONGEST)
    for value in headers.values():
        check_wait(hints.duration(value), math.inf)


def said(data: bytes) -> tuple[dict[str, str], dict[str, Any]]:
    """The headers and the error of an answer."""
    try:
        answer = orjson.loads(data)
    except orjson.JSONDecodeError:
        lines = (line.partition(":") for line in data.decode("latin-1").split("\n"))
        return {name: value.strip() for name, _, value in lines}, {}
    if not isinstance(answer, dict):
        return {}, {}
    headers = object_in(answer, "headers")
    return {name: str(value) for name, value in headers.items()}, object_in(answer, "error")


def told(data: bytes) -> None:
    """What our own headers say is read as what was meant, rounded up."""
    choices = Choices(data)
    seconds = int.from_bytes(choices.rest[:5]) / 10 ** choices.number(9)
    level = Level(10, 0, seconds, "minute")
    headers = dict(ratelimit_headers.headers(Standing(level, None)))
    read = hints.duration(headers["x-ratelimit-reset-requests"])
    assert read is not None
    assert seconds - 1e-6 <= read <= seconds + 1.1e-3 + seconds * 1e-6, (seconds, read, headers)


def sentence(data: bytes) -> None:
    """Doing it twice is as good as once, and no key is left."""
    key = "sk-proj-" + "a1B2" * 8
    text = data.decode("utf-8", "replace")
    once = redact(text)
    assert len(once) <= 4 * len(text) + 3
    assert key not in redact(f"{text} {key} {text}")


def _recorded() -> list[bytes]:
    inputs: list[bytes] = []
    for _, content in replies("failure.json"):
        failure = orjson.loads(content)
        body = failure["body"] if isinstance(failure["body"], dict) else {}
        inputs.append(b"\0" + orjson.dumps({"headers": failure["headers"], "error": body}))
    return inputs


def _sentences() -> list[bytes]:
    return [content for _, content in replies("failure.json")]


WORDS = (
    *(
        "retry-after: ",
        "retry-after-ms: ",
        "x-ratelimit-reset-requests: ",
        "Wed, 21 Oct 2099 07:28",
    ),
    *(
        "x-ratelimit-remaining-requests: 0",
        "x-ratelimit-limit-requests",
        " GMT",
        "2099-01-01T00:00",
    ),
    *("1m2.5s", "34s", "200ms", "try again in ", "retryDelay", "type.googleapis.com/google.rpc"),
    *(
        ".RetryInfo",
        "metadata",
        "headers",
        "details",
        "@type",
        "9e999",
        "Infinity",
        "1" * 400,
        "µs",
    ),
)
KEYS = ("sk-", "Bearer ", "https://", "?key=", "@", "org-", ".internal", "localhost:", "10.0.0.1")
TARGETS = (
    Target("hints", wait, 1, Shape.JSON, _recorded, WORDS),
    Target("durations", told, 1),
    Target("redaction", sentence, recorded=_sentences, words=KEYS),
)
