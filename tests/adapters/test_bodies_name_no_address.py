"""Nothing in a request's body says where it goes, with which key, or what else is sent along."""

import copy
from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from llm_gateway.adapters import KINDS
from llm_gateway.adapters.contract import Steps
from llm_gateway.errors import RequestError, UpstreamUnsupported
from llm_gateway.wire import UpstreamRequest
from support.calls import make_call, make_image_call, whole
from support.field_samples import DATA_URL

EVIL = "http://evil.invalid/v1"
HEADERS = {"authorization": "Bearer evil", "host": "evil.invalid", "x-evil": "1"}
FIELDS: dict[str, Any] = {
    **dict.fromkeys(
        (
            "api_base", "apiBase", "base_url", "baseUrl", "baseURL", "base", "endpoint", "url",
            "host", "hostname", "server", "proxy", "proxies", "redirect", "callback", "webhook",
            "region", "azure_endpoint", "azure_ad_token", "custom_llm_provider", "model_id",
            "provider_url", "x-portkey-custom-host", "custom_host", "vertex_location", "path",
        ),
        EVIL,
    ),
    **dict.fromkeys(
        (
            "api_key", "apiKey", "key", "token", "access_token", "authorization", "Authorization",
            "x-api-key", "x-goog-api-key", "organization", "project", "api_version", "method",
        ),
        "evil-key",
    ),
    **dict.fromkeys(
        (
            "headers", "extra_headers", "default_headers", "http_headers", "extra_query",
            "default_query", "params", "query", "extra_body", "cookies", "fallbacks", "__proto__",
        ),
        HEADERS,
    ),
}  # fmt: skip
URLS = (
    "http://169.254.169.254/latest/meta-data/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_INFO",
    "ftp://evil.invalid/a.png",
    "HTTP://localhost:8080/",
    "data:text/html;base64,PGI+",
    "data:image/png;base64,!!!",
    "data:image/png;base64,",
    "data:,",
    "//evil.invalid/a.png",
    "",
    "https://evil.invalid/a.png",
)

every_kind = pytest.mark.parametrize("kind", KINDS)


def chat(**more: Any) -> dict[str, Any]:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return {
        "model": "m",
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "42"},
        ],
        "tools": [{"type": "function", "function": {"name": "f"}}],
        **more,
    }


def with_fields_everywhere(value: Any) -> Any:
    """The same with all these fields in each object in it."""
    if isinstance(value, list):
        return [with_fields_everywhere(each) for each in value]
    if isinstance(value, dict):
        return {**FIELDS, **{name: with_fields_everywhere(each) for name, each in value.items()}}
    return value


def sent(steps: Steps[Any]) -> Iterator[UpstreamRequest]:
    """What is sent first, each answered with the id of a file."""
    try:
        batch = next(steps)
        while True:
            yield from batch
            batch = steps.send([whole(200, b'{"id": "file_1"}') for _ in batch])
    except StopIteration:
        return


def requests(kind: str, body: dict[str, Any]) -> list[UpstreamRequest] | None:
    """All that is sent for a chat; None where it is refused."""
    adapter = KINDS[kind].chat(make_call(copy.deepcopy(body)))
    try:
        return [*sent(adapter.prepare()), adapter.encode()]
    except (RequestError, UpstreamUnsupported):
        return None


def heads(made: list[UpstreamRequest]) -> list[tuple[str, str, tuple[tuple[str, str], ...]]]:
    return [(each.method, each.url, each.headers) for each in made]


@every_kind
@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_goes_where_it_goes_without_them(kind: str, stream: bool) -> None:
    plain = requests(kind, chat(stream=stream))
    assert plain is not None
    for body in (
        {**FIELDS, **chat(stream=stream)},
        with_fields_everywhere(chat(stream=stream)),
        *({name: value, **chat(stream=stream)} for name, value in FIELDS.items()),
    ):
        made = requests(kind, body)
        if made is not None:
            assert heads(made) == heads(plain)


@pytest.mark.parametrize("kind", [kind for kind, row in KINDS.items() if row.images is not None])
def test_pictures_are_asked_for_where_they_are_without_them(kind: str) -> None:
    images = KINDS[kind].images
    assert images is not None
    plain = {"model": "m", "prompt": "A cat"}
    [expected] = next(images(make_image_call(plain)).steps())
    for body in ({**FIELDS, **plain}, *({name: value, **plain} for name, value in FIELDS.items())):
        try:
            [made] = next(images(make_image_call(body)).steps())
        except UpstreamUnsupported:
            continue
        assert heads([made]) == heads([expected])


@every_kind
@pytest.mark.parametrize("url", URLS, ids=lambda url: url[:30])
def test_a_picture_s_address_is_passed_on_or_refused_and_never_asked(kind: str, url: str) -> None:
    picture = {"type": "image_url", "image_url": {"url": url}}
    body = {"model": "m", "messages": [{"role": "user", "content": [picture]}]}
    made = requests(kind, body)
    if made is None:
        return
    good = {**picture, "image_url": {"url": DATA_URL}}
    plain = requests(kind, {"model": "m", "messages": [{"role": "user", "content": [good]}]})
    # A kind that takes no data: URL has nothing to compare with.
    assert plain is None or made[-1].url == plain[-1].url
    assert all(each.url.startswith("http://p.invalid/base/") for each in made)
    assert orjson.loads(made[-1].body)
