"""What adapters are given, and what holds for those of every kind."""

import json
from typing import Any, override

import pytest

from llm_gateway import sse
from llm_gateway.adapters import KINDS
from llm_gateway.adapters.contract import Adapter, Call, Site
from llm_gateway.errors import UpstreamError, UpstreamUnsupported
from llm_gateway.wire import STANDARD_HEADERS, UpstreamRequest
from support.calls import LABEL, SITE, make_call, make_image_call, run_steps, unchanged
from support.openai_shapes import tool_call

KEY = "sk-canary-provider-key"
HI: dict[str, Any] = {"model": "client-name", "messages": [{"role": "user", "content": "Hi"}]}
BODIES: dict[str, dict[str, Any]] = {
    "plain": HI,
    "stream": {**HI, "stream": True, "stream_options": {"include_usage": True}},
    "settings": {**HI, "temperature": 0.5, "max_tokens": 5},
    "parts": {
        "model": "client-name",
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "é😀"}]},
        ],
    },
    "tools": {
        "model": "client-name",
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": None, "tool_calls": [tool_call("f", "{}")]},
            {"role": "tool", "tool_call_id": "call_fake1", "content": "b"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    },
}
EVIL = {
    "base_url": "http://evil.invalid",
    "api_base": "http://evil.invalid",
    "api_key": "x",
    "extra_headers": {"authorization": "Bearer x", "host": "evil.invalid"},
}

every_kind = pytest.mark.parametrize("kind", KINDS)


def adapter_of(kind: str, body: dict[str, Any]) -> Adapter:
    """The kind's adapter, its preparations done: none of these requests needs any."""
    adapter = KINDS[kind].chat(make_call(body))
    assert run_steps(adapter.prepare()) == (None, [])
    return adapter


@every_kind
@pytest.mark.parametrize("name", BODIES)
def test_encoding_twice_gives_the_same_and_changes_nothing(kind: str, name: str) -> None:
    body = unchanged(BODIES[name])
    adapter = adapter_of(kind, body)
    first, second = adapter.encode(), adapter.encode()
    assert first == second == adapter_of(kind, body).encode()
    assert body == BODIES[name]
    assert json.loads(first.body)


@every_kind
def test_the_request_names_the_provider_s_model_and_not_the_client_s(kind: str) -> None:
    request = adapter_of(kind, HI).encode()
    assert b"client-name" not in request.body
    assert "client-name" not in request.url
    assert "up-model" in request.url or b"up-model" in request.body
    assert request.label == LABEL


@every_kind
@pytest.mark.parametrize("name", EVIL)
def test_where_a_request_goes_is_not_the_client_s_to_say(kind: str, name: str) -> None:
    plain = adapter_of(kind, HI).encode()
    assert plain.url.startswith(SITE.base_url)
    try:
        request = adapter_of(kind, {**HI, name: EVIL[name]}).encode()
    except UpstreamUnsupported:
        return
    assert (request.method, request.url) == (plain.method, plain.url)
    assert request.headers == plain.headers


@every_kind
@pytest.mark.parametrize("name", BODIES)
def test_the_site_s_headers_go_along_and_no_header_can_be_split(kind: str, name: str) -> None:
    request = adapter_of(kind, BODIES[name]).encode()
    assert {*SITE.headers, *STANDARD_HEADERS} <= {*request.headers}
    names = [name for name, _ in request.headers]
    assert names == [name.lower() for name in names]
    assert len(names) == len(set(names))
    for text in (request.url, *(part for header in request.headers for part in header)):
        assert text.isprintable()
        assert text.isascii()


@every_kind
def test_an_adapter_begins_with_nothing_done_and_nothing_counted(kind: str) -> None:
    adapter = adapter_of(kind, BODIES["stream"])
    assert not adapter.done
    assert adapter.usage is None
    assert adapter.dropped == ()


@every_kind
@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503, 529])
def test_a_key_in_a_provider_s_error_goes_no_further(kind: str, status: int) -> None:
    error = {"message": f"Bad key {KEY}", "status": "INVALID_ARGUMENT", "type": "invalid"}
    for shape in ({"error": error}, error, [{"error": error}], {"errors": [error]}):
        body = json.dumps(shape).encode()
        failure = adapter_of(kind, HI).failure(status, {}, body)
        assert KEY.encode() not in failure.body()
        assert KEY not in failure.detail


@every_kind
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"null", b"[]", b"[[]]", b'{"error": []}', b'{"error": {"code": {}}}']
)
@pytest.mark.parametrize("status", [300, 400, 404, 429, 500])
def test_any_failure_is_some_error(kind: str, status: int, body: bytes) -> None:
    failure = adapter_of(kind, HI).failure(status, {}, body)
    assert isinstance(failure, UpstreamError)
    assert 400 <= failure.status < 600


class Echo(Adapter):
    """The least an adapter can be."""

    @override
    def encode(self) -> UpstreamRequest:
        return self.call.post("/chat", {"model": self.call.model})

    @override
    def decode(self, body: bytes) -> bytes:
        return body

    @override
    def decode_as_stream(self, body: bytes) -> list[bytes]:
        return [body]

    @override
    def feed(self, event: sse.Event) -> list[bytes]:
        return [event.data]

    @override
    def end(self) -> list[bytes]:
        return []

    @override
    def failure(self, status: int, headers: Any, body: bytes) -> UpstreamError:
        return UpstreamError("no")


def test_most_adapters_have_nothing_to_prepare() -> None:
    assert run_steps(Echo(make_call(HI)).prepare()) == (None, [])


@pytest.mark.parametrize(
    ("stream", "accept"), [(True, "text/event-stream"), (False, "application/json")]
)
def test_a_post_is_json_below_the_base_url_and_accepts_what_the_client_does(
    stream: bool, accept: str
) -> None:
    request = Echo(make_call({**HI, "stream": stream})).encode()
    assert (request.method, request.url) == ("POST", "http://p.invalid/base/chat")
    assert json.loads(request.body) == {"model": "up-model"}
    assert request.headers == (
        *STANDARD_HEADERS,
        ("content-type", "application/json"),
        ("accept", accept),
        *SITE.headers,
    )


def test_a_request_without_a_body_has_no_content_type() -> None:
    request = Site("http://p.invalid").request("GET", "/models", LABEL, headers=(("x-a", "b"),))
    assert request.headers == (*STANDARD_HEADERS, ("accept", "application/json"), ("x-a", "b"))
    assert (request.method, request.url, request.body) == ("GET", "http://p.invalid/models", b"")


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"include_usage": True}, True),
        ({"include_usage": False}, False),
        ({"include_usage": "yes"}, False),
        ({}, False),
        ([], False),
        (None, False),
    ],
)
def test_usage_is_wanted_by_a_client_that_says_so(options: object, wanted: bool) -> None:
    assert make_call({**HI, "stream_options": options}).wants_usage is wanted


def test_each_call_has_a_memory() -> None:
    first, second = (Call(HI, False, "m", SITE, LABEL, 0) for _ in range(2))
    first.memory.keep("p", "id", "x")
    assert second.memory.recall("p", "id") is None


@pytest.mark.parametrize(("body", "n"), [({}, 1), ({"n": None}, 1), ({"n": 3}, 3)])
def test_pictures_and_how_many(body: dict[str, Any], n: int) -> None:
    call = make_image_call({"prompt": "A cat", **body})
    assert (call.prompt, call.n) == ("A cat", n)
