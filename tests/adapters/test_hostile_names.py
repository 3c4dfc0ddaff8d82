"""A model's name never changes where a request goes, whatever stands in it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yarl import URL

from llm_gateway.adapters import KINDS
from llm_gateway.adapters.contract import in_path
from llm_gateway.errors import GatewayError, UpstreamUnsupported
from llm_gateway.wire import UpstreamRequest
from support.calls import make_call, make_image_call

NAMES = (
    "../",
    "..",
    "a/../../v1/files",
    "./a",
    "a//b",
    "/a",
    "a/",
    "%2e%2e/x",
    "%2e%2e%2fx",
    "a%00b",
    "x?key=1",
    "x#f",
    "a\r\nX: 1",
    "a b",
    "a\\..\\b",
    "a:streamGenerateContent?",
    "a:streamGenerateContent?alt=sse#",
    "//evil.example",
    "http://evil.example/",
    "@evil.example",
    "u:p@evil.example",
    "a;b=c",
    "a\0b",
    "a\u202eb",
    "\uff41",
    "😀",
    "",
    "x" * 10_000,
)
FIT = ("@evil.example", "u:p@evil.example", "x" * 10_000)
"""No more than names after the first slash of a path."""
PARTS = (*"ab./\\%?#:@;&= \r\n\0", "..", "//", "%2e", "é")
HOSTILE = st.sampled_from(NAMES) | st.lists(st.sampled_from(PARTS), max_size=8).map("".join)
MESSAGES = [{"role": "user", "content": "Hi"}]
TAME = "up-model"

every_kind = pytest.mark.parametrize("kind", KINDS)
every_format = pytest.mark.parametrize(
    "kind",
    [
        "openai",
        "anthropic",
        "cloudflare",
        "cloudflare-openai",
        "cloudflare-gateway",
        "gemini",
        "gigachat",
    ],
)


def chat(kind: str, model: str, *, stream: bool) -> UpstreamRequest | None:
    """The first request of a chat, or None where the name is refused."""
    body = {"model": "m", "messages": MESSAGES, "stream": stream}
    try:
        return KINDS[kind].chat(make_call(body, model=model)).encode()
    except GatewayError:
        return None


def picture(kind: str, model: str) -> UpstreamRequest | None:
    """The first request for a picture, likewise."""
    images = KINDS[kind].images
    if images is None:
        return None
    try:
        batch = next(images(make_image_call({"model": "m", "prompt": "p"}, model=model)).steps())
    except GatewayError:
        return None
    return batch[0]


def check(sent: UpstreamRequest | None, tame: UpstreamRequest | None, model: str) -> None:
    """The hostile request goes where the tame one goes, but for the name in its place."""
    if sent is None or tame is None:
        return
    url, other = URL(sent.url, encoded=True), URL(tame.url, encoded=True)
    assert url.origin() == other.origin()
    assert (url.raw_query_string, url.raw_fragment) == (other.raw_query_string, "")
    assert url.raw_path.startswith("/base/")
    assert not {"", ".", ".."} & {*url.raw_path.split("/")[1:]}
    assert "%" not in url.raw_path
    assert url.raw_path in (other.raw_path, other.raw_path.replace(TAME, model))
    assert [name for name, _ in sent.headers] == [name for name, _ in tame.headers]


def go_the_same_way(kind: str, model: str) -> None:
    for stream in (False, True):
        check(chat(kind, model, stream=stream), chat(kind, TAME, stream=stream), model)
    check(picture(kind, model), picture(kind, TAME), model)


@every_kind
def test_a_hostile_name_stays_in_its_place(kind: str) -> None:
    for model in NAMES:
        go_the_same_way(kind, model)


@every_format
@settings(max_examples=40, deadline=None)
@given(model=HOSTILE)
def test_any_name_stays_in_its_place(kind: str, model: str) -> None:
    go_the_same_way(kind, model)


@pytest.mark.parametrize("name", [each for each in NAMES if each not in FIT])
def test_what_would_make_another_address_is_refused(name: str) -> None:
    with pytest.raises(UpstreamUnsupported):
        in_path(name)


@pytest.mark.parametrize("name", ["@cf/meta/llama-3.1-8b", "a.b", "..a/b..", *FIT])
def test_names_as_they_are_pass(name: str) -> None:
    assert in_path(name) == name
