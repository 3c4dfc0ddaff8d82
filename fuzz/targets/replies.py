"""What providers send: an adapter makes OpenAI's answer of it, or says that it is none."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import orjson

from fuzz.oracles import check_error, check_request
from fuzz.recorded import replies
from fuzz.target import Choices, Shape, Target
from llm_gateway import sse
from llm_gateway.adapters import KINDS
from llm_gateway.adapters.contract import Adapter, Listed, Steps, Whole
from llm_gateway.adapters.hints import LONGEST
from llm_gateway.adapters.openai.chat import OpenAIAdapter
from llm_gateway.content import has_begun
from llm_gateway.errors import UpstreamError
from support.calls import LABEL, SITE, make_call, make_image_call
from support.openai_promises import check_chunks, check_completion

CHAT_KINDS = tuple(KINDS)
DRAWING = tuple(kind for kind, row in KINDS.items() if row.images is not None)
LISTING = tuple(kind for kind, row in KINDS.items() if row.models is not None)
HI = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
WITH_USAGE = {**HI, "stream_options": {"include_usage": True}}
STATUSES = (400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 502, 503, 529, 302, 599)
MOST_STEPS = 100
"""Requests after which nobody believes that the steps ever end."""
GROWTH = 40
ENVELOPE = 4000
"""An answer may be so many times as large as what it was made of, and so many bytes larger: the
shortest event there is becomes a chunk with all its fields."""


def made(choices: Choices) -> Adapter:
    """An adapter of some format, for a client that wants a stream, perhaps with its usage."""
    kind = choices.one_of(CHAT_KINDS)
    return KINDS[kind].chat(make_call(WITH_USAGE if choices.flag() else HI))


def whole(data: bytes) -> None:
    """A whole reply becomes a completion, and the same in chunks, or UpstreamError."""
    choices = Choices(data)
    adapter = made(choices)
    body = choices.rest
    try:
        answer = adapter.decode(body)
        chunks = adapter.decode_as_stream(body)
    except UpstreamError as error:
        check_error(error)
        return
    assert adapter.done
    assert sum(map(len, (answer, *chunks))) <= GROWTH * len(body) + ENVELOPE
    if isinstance(adapter, OpenAIAdapter):
        assert all(isinstance(orjson.loads(each)["choices"], list) for each in (answer, *chunks))
    else:
        check_completion(answer)
        check_chunks(chunks, wants_usage=adapter.call.wants_usage)


def stream(data: bytes) -> None:
    """A stream becomes chunks to its end, or UpstreamError: never an answer without an end."""
    choices = Choices(data)
    adapter = made(choices)
    chunks: list[bytes] = []
    complete = False
    try:
        for event in events(choices.rest):
            chunks += adapter.feed(event)
        chunks += [] if adapter.done else adapter.end()
        complete = True
    except UpstreamError as error:
        check_error(error)
        assert not adapter.done
    assert adapter.done is complete
    assert sum(map(len, chunks)) <= GROWTH * len(choices.rest) + ENVELOPE
    has_begun(chunks)
    if not isinstance(adapter, OpenAIAdapter):
        check_chunks(chunks, wants_usage=adapter.call.wants_usage, complete=complete)
    else:
        check_passed(chunks, over=complete and b"[DONE]" not in choices.rest)


def events(body: bytes) -> list[sse.Event]:
    """The events of a stream."""
    decoder = sse.Decoder()
    return [*decoder.feed(body), *decoder.close()]


def check_passed(chunks: Sequence[bytes], *, over: bool) -> None:
    """What passes as it is: it is JSON, and no choice ends twice; when it is ``over``, all have."""
    ended: list[object] = []
    begun: set[int] = set()
    for chunk in map(orjson.loads, chunks):
        choices = chunk.get("choices")
        for choice in choices if isinstance(choices, list) else ():
            if not isinstance(choice, dict):
                continue
            index = choice.get("index")
            index = index if type(index) is int else 0
            begun.add(index)
            ended += [index] if choice.get("finish_reason") is not None else []
    assert len(ended) == len(set(ended)), ended
    assert not over or begun <= set(ended), (begun, ended)


def failure(data: bytes) -> None:
    """An error, whatever it holds, means something to a client."""
    choices = Choices(data)
    adapter = made(choices)
    status = choices.one_of(STATUSES)
    error = adapter.failure(status, {"retry-after": "1"}, choices.rest)
    check_error(error)
    assert error.status != 401
    wait = error.retry_after
    assert wait is None or (math.isfinite(wait) and 0 <= wait <= LONGEST)


def steps(data: bytes) -> None:
    """Pictures, lists of models, and what is done before a chat end well or in UpstreamError."""
    choices = Choices(data)
    end = choices.one_of((_pictures, _models, _preparation))
    answers = [*_answers(choices.rest)]
    end(choices, answers)


def _pictures(choices: Choices, answers: list[Whole]) -> None:
    factory = KINDS[choices.one_of(DRAWING)].images
    assert factory is not None
    model = choices.one_of(("up-model", "imagen-4", "@cf/a/flux-1-schnell"))
    call = make_image_call({"model": "m", "prompt": "A cat", "n": 2}, model=model)
    response = carried_out(factory(call).steps(), answers)
    if response is None:
        return
    orjson.dumps(response)
    assert response["data"]
    for picture in response["data"]:
        assert isinstance(picture.get("b64_json") or picture.get("url"), str)


def _models(choices: Choices, answers: list[Whole]) -> None:
    lister = KINDS[choices.one_of(LISTING)].models
    assert lister is not None
    for model in carried_out(lister(SITE, LABEL), answers) or ():
        assert isinstance(model, Listed)
        assert isinstance(model.id, str)
        assert model.id
        assert model.capability in {"chat", "image"}


def _preparation(choices: Choices, answers: list[Whole]) -> None:
    url = {"url": "data:image/png;base64,iVBORw0KGgo="}
    picture = {"role": "user", "content": [{"type": "image_url", "image_url": url}]}
    adapter = KINDS[choices.one_of(CHAT_KINDS)].chat(make_call({**HI, "messages": [picture]}))
    carried_out(adapter.prepare(), answers)


def carried_out(steps: Steps[Any], answers: list[Whole]) -> Any:
    """What the steps end with, None if it is an UpstreamError."""
    nothing = Whole(200, {}, b"")
    left = iter(answers)
    try:
        batch = next(steps)
        for _ in range(MOST_STEPS):
            assert batch
            for request in batch:
                check_request(request, SITE)
            batch = steps.send([next(left, nothing) for _ in batch])
    except StopIteration as stop:
        return stop.value
    except UpstreamError as error:
        check_error(error)
        return None
    raise AssertionError("the steps do not end")


def _answers(data: bytes) -> Iterator[Whole]:
    """A list of ``[status, content type, body]``; a body that is no text is sent as JSON."""
    try:
        told = orjson.loads(data)
    except orjson.JSONDecodeError:
        return
    for each in told if isinstance(told, list) else ():
        match each:
            case [int(status), str(kind), body] if 100 <= status < 600:
                content = body.encode() if isinstance(body, str) else orjson.dumps(body)
                yield Whole(status, {"content-type": kind}, content)


def _recorded(name: str) -> Callable[[], Iterator[bytes]]:
    def inputs() -> Iterator[bytes]:
        for kind, body in replies(name):
            yield bytes([CHAT_KINDS.index(kind), 1]) + body

    return inputs


def _failures() -> Iterator[bytes]:
    for number, (kind, told) in enumerate(replies("failure.json")):
        body = orjson.loads(told)["body"]
        content = body.encode() if isinstance(body, str) else orjson.dumps(body)
        yield bytes([CHAT_KINDS.index(kind), 0, number % len(STATUSES)]) + content


def _steps() -> Iterator[bytes]:
    for kind, told in replies("prepare.json"):
        yield bytes([2, CHAT_KINDS.index(kind), 0]) + told


WORDS = ("data:", "[DONE]", "event: error", "application/json", "image/png", "text/html")
TARGETS = (
    Target("reply", whole, 2, Shape.JSON, _recorded("reply.json"), WORDS, 16384),
    Target("stream", stream, 2, Shape.EVENTS, _recorded("reply.sse"), WORDS, 16384),
    Target("failure", failure, 3, Shape.JSON, _failures, WORDS),
    Target("steps", steps, 3, Shape.JSON, _steps, WORDS),
)
