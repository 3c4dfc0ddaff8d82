"""A recorded answer, in the form in which it is asked for."""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import orjson

from llm_gateway import sse
from llm_gateway.adapters.openai.recorded import NOT_FOUND
from llm_gateway.adapters.translating import object_in, objects, text_in
from llm_gateway.errors import INVALID_REQUEST
from llm_gateway.inspect.views.assemble import completion
from llm_gateway.recordings.asked import Asked, Sort
from llm_gateway.wire import EVENT_STREAM, JSON

_DATA_URL = re.compile(r"data:image/[\w.+-]+;base64,", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a client got: ``arrivals`` are a stream's pieces, by the byte they end at and by when.

    Times are seconds since the request; ``seconds`` is when all of a whole answer was there.
    ``usage`` is what the answer cost in tokens, where that is known.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds: float = 0.0
    arrivals: Sequence[tuple[int, float]] = ()
    usage: Mapping[str, int] | None = None

    @property
    def is_stream(self) -> bool:
        """Whether it came as server-sent events."""
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        return kind == EVENT_STREAM

    @property
    def is_whole(self) -> bool:
        """Whether nothing of it is missing: a stream says its end, and JSON has one."""
        if self.is_stream:
            return self.body.endswith(sse.DONE)
        if self.headers.get("content-type", "").startswith(JSON):
            return _object(self.body) is not None
        return bool(self.body)

    @property
    def error_code(self) -> str:
        """The code of the error that it is; empty for any other answer."""
        if self.status == HTTPStatus.OK:
            return ""
        return text_in(object_in(_object(self.body) or {}, "error"), "code")


@dataclass(frozen=True, slots=True)
class Served:
    """What is given in place of a provider: the pieces of the body, each with when it is due."""

    status: int
    headers: Mapping[str, str]
    pieces: Sequence[tuple[float, bytes]]

    @property
    def at_once(self) -> Sequence[bytes]:
        """The body without its times: a stream in two pieces, of which the last event is one.

        For if that is a failure, it must not come together with the first content: then the
        gateway would take it for a failure from the beginning.
        """
        body = b"".join(piece for _, piece in self.pieces)
        cut = _last_event(body) if self.headers.get("content-type") == EVENT_STREAM else 0
        return [piece for piece in (body[:cut], body[cut:]) if piece]


def arrivals_in(numbers: object) -> list[tuple[int, float]]:
    """The pieces that the metadata ``ai.arrivals`` tells of, in order; what is none is left out."""
    if not isinstance(numbers, (list, tuple)) or not all(type(n) is int for n in numbers):
        return []
    pairs = zip(numbers[::2], numbers[1::2], strict=False)
    return [(end, milliseconds / 1000) for end, milliseconds in pairs]


def serve(answer: Answer, asked: Asked) -> Served:
    """The answer as a provider of OpenAI's format gives it to this request."""
    if answer.status != HTTPStatus.OK:
        return Served(answer.status, answer.headers, [(answer.seconds, answer.body)])
    if not answer.is_stream:
        body = _pictures(answer) if asked.sort is Sort.PICTURES else answer.body
        return _json(body, answer.seconds)
    if asked.stream:
        return Served(HTTPStatus.OK, {"content-type": EVENT_STREAM}, _pieces(answer, asked))
    end = answer.arrivals[-1][1] if answer.arrivals else answer.seconds
    return _json(orjson.dumps(_put_together(answer)), end)


def not_found(message: str) -> Served:
    """What is given where nothing was recorded."""
    error = {"message": message, "type": INVALID_REQUEST, "param": None, "code": NOT_FOUND}
    body = orjson.dumps({"error": error})
    return Served(HTTPStatus.NOT_FOUND, {"content-type": JSON}, [(0.0, body)])


def _json(body: bytes, seconds: float) -> Served:
    return Served(HTTPStatus.OK, {"content-type": JSON}, [(seconds, body)])


def _pieces(answer: Answer, asked: Asked) -> list[tuple[float, bytes]]:
    """The stream in the pieces that it came in; with its usage before the end, if one is due."""
    body, begin = answer.body, 0
    if asked.with_usage and answer.usage is not None:
        body = _with_usage(body, answer.usage)
    pieces: list[tuple[float, bytes]] = []
    for end, seconds in answer.arrivals:
        if begin < end <= len(body):
            pieces.append((seconds, body[begin:end]))
            begin = end
    if begin < len(body):
        pieces.append((pieces[-1][0] if pieces else answer.seconds, body[begin:]))
    return pieces


def _last_event(stream: bytes) -> int:
    """Where the last event begins, before that which says that it was the last."""
    end = stream.removesuffix(sse.DONE)[:-2].rfind(b"\n\n")
    return 0 if end < 0 else end + 2


def _with_usage(stream: bytes, usage: Mapping[str, int]) -> bytes:
    """The stream with a chunk that counts, if it has none: who recorded it did not ask for one."""
    chunks = [*_chunks(stream)]
    if not chunks or any(chunk.get("usage") or "error" in chunk for chunk in chunks):
        return stream
    envelope = {name: each for name, each in chunks[-1].items() if not isinstance(each, list)}
    last = sse.encode(orjson.dumps({**envelope, "choices": [], "usage": usage}))
    return stream.removesuffix(sse.DONE) + last + sse.DONE


def _put_together(answer: Answer) -> dict[str, Any]:
    """The whole answer that a stream amounts to; if it told of a failure, that alone."""
    chunks = [*_chunks(answer.body)]
    for chunk in chunks:
        if "error" in chunk:
            return {"error": chunk["error"]}
    whole = completion(chunks)
    if answer.usage is not None:
        whole.setdefault("usage", answer.usage)
    return whole


def _chunks(stream: bytes) -> Iterator[dict[str, Any]]:
    for event in sse.Decoder().feed(stream):
        chunk = _object(event.data)
        if chunk is not None:
            yield chunk


def _pictures(answer: Answer) -> bytes:
    """OpenAI's answer with the bytes of the pictures, whatever form the client had asked for."""
    reply = _object(answer.body)
    if reply is None:
        return orjson.dumps({"data": [{"b64_json": base64.b64encode(answer.body).decode()}]})
    data = [_with_bytes(picture) for picture in objects(reply.get("data"))]
    return orjson.dumps({**reply, "data": data})


def _with_bytes(picture: Mapping[str, Any]) -> Mapping[str, Any]:
    url = text_in(picture, "url")
    start = _DATA_URL.match(url)
    if start is None:
        return picture
    rest = {name: value for name, value in picture.items() if name != "url"}
    return {**rest, "b64_json": url[start.end() :]}


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict) else None
