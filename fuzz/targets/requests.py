"""What clients send: it is refused in OpenAI's words, or every format makes a request of it."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from fuzz.oracles import check_error, check_request
from fuzz.recorded import requests
from fuzz.target import Choices, Shape, Target
from llm_gateway.adapters import KINDS
from llm_gateway.adapters.contract import ImageCall, Steps, Whole
from llm_gateway.api.images import parse_images, parse_picture
from llm_gateway.api.validation import parse_chat
from llm_gateway.config.scalars import model_name
from llm_gateway.dispatch import ChatRequest, ImageRequest
from llm_gateway.errors import RequestError, UpstreamError, UpstreamUnsupported
from llm_gateway.wire import UpstreamRequest
from support.calls import LABEL, SITE, make_call, unchanged

PARSERS: Sequence[Callable[[bytes], ChatRequest | ImageRequest]] = (
    parse_chat,
    parse_images,
    parse_picture,
)
CHAT_KINDS = tuple(KINDS)
DRAWING = tuple(kind for kind, row in KINDS.items() if row.images is not None)
REFUSED = range(400, 500)


def validate(data: bytes) -> None:
    """A body is refused with a 4xx, or it is a request that can be written again."""
    choices = Choices(data)
    parse = choices.one_of(PARSERS)
    try:
        request = parse(choices.rest)
    except RequestError as error:
        check_error(error, REFUSED)
        return
    assert request.model is None or request.model
    orjson.dumps(request.body)
    assert request.size == len(choices.rest)


def encode(data: bytes) -> None:
    """A format makes a request of what was let in, always the same, or says what is wrong."""
    choices = Choices(data)
    kind = choices.one_of(CHAT_KINDS)
    try:
        taken = parse_chat(choices.rest)
    except RequestError:
        return
    model = provider_name(taken.model)
    before = unchanged(taken.body)
    adapter = KINDS[kind].chat(make_call(taken.body, model=model))
    try:
        carry_out(adapter.prepare())
        request = adapter.encode()
    except (RequestError, UpstreamUnsupported) as error:
        check_error(error, REFUSED)
        assert error.param, error.message
        return
    check_request(request, SITE)
    assert isinstance(orjson.loads(request.body), dict)
    assert adapter.encode() == request
    assert taken.body == before
    assert all(place.isprintable() for place in adapter.dropped)


def draw(data: bytes) -> None:
    """The same for pictures."""
    choices = Choices(data)
    kind = choices.one_of(DRAWING)
    try:
        taken = parse_images(choices.rest)
    except RequestError:
        return
    factory = KINDS[kind].images
    assert factory is not None
    model = provider_name(taken.model or "")
    before = unchanged(taken.body)
    try:
        carry_out(factory(ImageCall(taken.body, model, SITE, LABEL, 0)).steps())
    except UpstreamUnsupported as error:
        check_error(error, REFUSED)
        assert error.param, error.message
    except (RequestError, UpstreamError) as error:
        check_error(error)
    assert taken.body == before


def provider_name(name: str) -> str:
    """What a provider's model may be called: what the client says, where that may be."""
    try:
        model_name(name)
    except ValueError:
        return "up-model"
    return name


def carry_out(steps: Steps[Any]) -> None:
    """Check each request on the way; each is answered with the id of a file."""
    answered = Whole(200, {"content-type": "application/json"}, b'{"id": "file_1"}')
    for request in asked(steps, answered):
        check_request(request, SITE)


def asked(steps: Steps[Any], answer: Whole) -> Iterator[UpstreamRequest]:
    """The requests of some steps, each of which gets this answer."""
    try:
        batch: Sequence[UpstreamRequest] = next(steps)
        while True:
            yield from batch
            batch = steps.send([answer for _ in batch])
    except StopIteration:
        return


def _bodies() -> Iterator[bytes]:
    for number, (_, body) in enumerate(requests()):
        yield bytes([number % len(PARSERS)]) + body


def _chats() -> Iterator[bytes]:
    for kind, body in requests():
        yield bytes([CHAT_KINDS.index(kind)]) + body


def _pictures() -> Iterator[bytes]:
    body = {"model": "m", "prompt": "A cat", "n": 2, "size": "1024x1024", "quality": "high"}
    more = {"output_format": "webp", "background": "transparent", "response_format": "url"}
    for number in range(len(DRAWING)):
        yield bytes([number]) + orjson.dumps({**body, **more} if number % 2 else body)


TARGETS = (
    Target("validation", validate, choices=1, shape=Shape.JSON, recorded=_bodies, longest=16384),
    Target("requests", encode, choices=1, shape=Shape.JSON, recorded=_chats, longest=16384),
    Target("pictures", draw, choices=1, shape=Shape.JSON, recorded=_pictures),
)
