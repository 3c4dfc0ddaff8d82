"""Whatever a client asks for, an adapter makes a request of it or says what is wrong with it."""

from collections import defaultdict
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from llm_gateway.adapters import KINDS
from llm_gateway.api.images import parse_images
from llm_gateway.api.validation import parse_chat
from llm_gateway.errors import GatewayError, RequestError, UpstreamUnsupported
from llm_gateway.wire import UpstreamRequest
from support.any_json import disturbed
from support.calls import SITE, make_call, make_image_call, unchanged, whole
from support.openai_requests import chat_requests

MADE_UP = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
# What many providers cannot do at all would hide how they do the rest.
PLAIN = chat_requests(without={"n", "logprobs", "logit_bias", "https pictures"})


def by_format() -> dict[str, list[str]]:
    """The kinds by the package of their wire format; requests are made up once for all of one."""
    kinds = defaultdict(list)
    for kind, row in KINDS.items():
        adapter = row.chat(make_call({"model": "m", "messages": []}))
        kinds[type(adapter).__module__.split(".")[2]].append(kind)
    return kinds


FORMATS = by_format()
every_format = pytest.mark.parametrize("name", FORMATS)


def encoded(kind: str, body: dict[str, Any]) -> UpstreamRequest | GatewayError:
    """The request for a client's body, or what is wrong with it; checked for what always holds."""
    note(f"kind: {kind}")
    before = unchanged(body)
    adapter = KINDS[kind].chat(make_call(body))
    try:
        prepare(adapter.prepare())
        request = adapter.encode()
    except (RequestError, UpstreamUnsupported) as error:
        return error
    assert adapter.encode() == request
    assert body == before
    assert request.url.startswith(SITE.base_url)
    assert orjson.loads(request.body)
    assert all(place.isprintable() for place in adapter.dropped)
    for text in (request.url, *(part for header in request.headers for part in header)):
        assert text.isascii()
        assert text.isprintable()
    return request


def prepare(steps: Any) -> None:
    """Do what has to be done first; each request is answered with the id of a file."""
    try:
        batch = next(steps)
        while True:
            batch = steps.send([whole(200, b'{"id": "file_1"}') for _ in batch])
    except StopIteration:
        return


@every_format
@given(body=chat_requests() | PLAIN)
@MADE_UP
def test_what_openai_takes_is_sent_or_left_to_others(name: str, body: dict[str, Any]) -> None:
    for kind in FORMATS[name]:
        result = encoded(kind, body)
        if isinstance(result, GatewayError):
            assert isinstance(result, UpstreamUnsupported), result.message
            assert result.param


@every_format
@given(body=PLAIN.flatmap(disturbed))
@MADE_UP
def test_a_request_with_something_strange_in_it_is_sent_or_refused(
    name: str, body: dict[str, Any]
) -> None:
    try:
        taken = parse_chat(orjson.dumps(body)).body
    except RequestError:
        # It does not get past the front door.
        return
    for kind in FORMATS[name]:
        result = encoded(kind, dict(taken))
        if isinstance(result, GatewayError):
            assert result.status == 400
            assert result.param


PICTURES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"model": st.just("m"), "prompt": st.sampled_from(["A cat", " ", "é" * 100])},
    optional={
        "n": st.integers(1, 10),
        "size": st.sampled_from(["auto", "1024x1024", "1536x1024", "1x9999", "0x0", "huge"]),
        "quality": st.sampled_from(["auto", "low", "hd"]),
        "style": st.sampled_from(["vivid", "natural"]),
        "background": st.sampled_from(["auto", "transparent"]),
        "output_format": st.sampled_from(["png", "webp"]),
        "output_compression": st.integers(0, 100),
        "response_format": st.sampled_from(["url", "b64_json"]),
        "moderation": st.sampled_from(["auto", "low"]),
        "partial_images": st.integers(0, 3),
        "user": st.text(max_size=5),
    },
)


def drawn(kind: str, body: dict[str, Any]) -> GatewayError | None:
    """What is wrong with a request for pictures, None if something is sent for it."""
    factory = KINDS[kind].images
    assert factory is not None
    try:
        batch = next(factory(make_image_call(body)).steps())
    except (RequestError, UpstreamUnsupported) as error:
        return error
    assert batch
    return None


@pytest.mark.parametrize("kind", [kind for kind, row in KINDS.items() if row.images is not None])
@given(body=PICTURES | PICTURES.flatmap(disturbed))
@MADE_UP
def test_a_request_for_pictures_is_sent_or_refused(kind: str, body: dict[str, Any]) -> None:
    try:
        taken = parse_images(orjson.dumps(body)).body
    except RequestError:
        # It does not get past the front door.
        return
    before = unchanged(taken)
    result = drawn(kind, dict(taken))
    assert result is None or result.status == 400
    assert result is None or result.param
    assert taken == before
