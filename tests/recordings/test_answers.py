"""A recorded answer in the form in which it is asked for."""

import base64
from typing import Any

import orjson
import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from llm_gateway import sse
from llm_gateway.recordings.answers import Answer, Served, arrivals_in, not_found, serve
from llm_gateway.recordings.asked import Asked, by_client
from support.openai_shapes import error_body
from support.pictures import PNG
from support.tapes import CHAT, chat, stream, whole

IMAGES = "/v1/images/generations"
STREAM = {"content-type": "text/event-stream; charset=utf-8"}
JSON = {"content-type": "application/json"}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
PICTURE = base64.b64encode(PNG).decode()


def asked(body: Any, path: str = CHAT) -> Asked:
    found = by_client(path, orjson.dumps(body))
    assert found is not None
    return found


PLAIN = asked(chat())
STREAMED = asked(chat(stream=True))
COUNTED = asked(chat(stream=True, stream_options={"include_usage": True}))


def body_of(served: Served) -> bytes:
    return b"".join(piece for _, piece in served.pieces)


def json_of(served: Served) -> Any:
    assert served.headers["content-type"] == "application/json"
    return orjson.loads(body_of(served))


def chunks_of(served: Served) -> list[ChatCompletionChunk]:
    *events, done = sse.Decoder().feed(body_of(served))
    assert done.data == b"[DONE]"
    return [ChatCompletionChunk.model_validate_json(event.data) for event in events]


def test_a_whole_answer_stays_as_it_is() -> None:
    served = serve(Answer(200, JSON, whole("Hi"), seconds=1.5), PLAIN)
    assert served.pieces == [(1.5, whole("Hi"))]
    assert (served.status, served.headers) == (200, JSON)


def test_a_whole_answer_is_left_whole_where_a_stream_is_asked_for() -> None:
    # The engine makes the stream.
    assert json_of(serve(Answer(200, JSON, whole("Hi")), STREAMED)) == orjson.loads(whole("Hi"))


def test_a_stream_comes_in_its_pieces() -> None:
    body = stream("Hi")
    middle = body.index(b"\n\n") + 2
    answer = Answer(200, STREAM, body, arrivals=[(middle, 0.5), (len(body), 2.0)])
    served = serve(answer, STREAMED)
    assert served.headers == {"content-type": "text/event-stream"}
    assert served.pieces == [(0.5, body[:middle]), (2.0, body[middle:])]


@pytest.mark.parametrize(
    ("arrivals", "times"),
    [
        ([], [7.0]),
        ([(10, 1.0)], [1.0, 1.0]),
        ([(10, 1.0), (10, 2.0), (5, 3.0), (20, 4.0)], [1.0, 4.0, 4.0]),
        ([(0, 1.0), (-1, 2.0), (10**9, 3.0)], [7.0]),
    ],
)
def test_whatever_is_said_of_the_pieces_nothing_of_a_stream_is_lost(
    arrivals: list[tuple[int, float]], times: list[float]
) -> None:
    served = serve(Answer(200, STREAM, stream("Hi"), 7.0, arrivals), STREAMED)
    assert body_of(served) == stream("Hi")
    assert [due for due, _ in served.pieces] == times


def test_a_stream_is_put_together_where_a_whole_answer_is_asked_for() -> None:
    body = stream("One ", "two")
    served = serve(Answer(200, STREAM, body, 1, [(len(body), 3.0)], USAGE), PLAIN)
    reply = ChatCompletion.model_validate(json_of(served), strict=True)
    assert reply.choices[0].message.content == "One two"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage is not None
    assert reply.usage.total_tokens == 5
    assert served.pieces[0][0] == 3.0


def test_the_usage_is_added_to_a_stream_that_was_recorded_without() -> None:
    answer = Answer(200, STREAM, stream("Hi"), usage=USAGE)
    *chunks, last = chunks_of(serve(answer, COUNTED))
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.total_tokens == 5
    assert (last.id, last.model) == (chunks[0].id, chunks[0].model)
    assert body_of(serve(answer, STREAMED)) == stream("Hi")
    assert body_of(serve(Answer(200, STREAM, stream("Hi")), COUNTED)) == stream("Hi")


def test_a_usage_that_was_recorded_is_not_told_twice() -> None:
    counted = body_of(serve(Answer(200, STREAM, stream("Hi"), usage=USAGE), COUNTED))
    assert body_of(serve(Answer(200, STREAM, counted, usage=USAGE), COUNTED)) == counted


def test_a_stream_that_told_of_a_failure_is_that_failure_where_it_is_asked_for_whole() -> None:
    error = error_body("It broke.", code="upstream_connection_error")
    start = stream("One").removesuffix(sse.DONE)
    body = start + sse.encode(orjson.dumps(error)) + sse.DONE
    answer = Answer(200, STREAM, body, usage=USAGE)
    assert json_of(serve(answer, PLAIN)) == error
    assert body_of(serve(answer, COUNTED)) == body


@pytest.mark.parametrize("question", [PLAIN, STREAMED])
def test_a_failure_is_the_same_in_every_form(question: Asked) -> None:
    body = orjson.dumps(error_body("Slow down."))
    headers = {**JSON, "retry-after": "7"}
    served = serve(Answer(429, headers, body, seconds=0.5), question)
    assert served == Served(429, headers, [(0.5, body)])


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("image/png", PNG),
        ("application/json", orjson.dumps({"created": 1, "data": [{"b64_json": PICTURE}]})),
        (
            "application/json",
            orjson.dumps({"data": [{"url": f"data:image/png;base64,{PICTURE}"}]}),
        ),
    ],
)
def test_pictures_are_bytes_in_whatever_form_they_were_recorded(
    content_type: str, body: bytes
) -> None:
    question = asked({"prompt": "A cat"}, IMAGES)
    served = serve(Answer(200, {"content-type": content_type}, body), question)
    assert json_of(served)["data"] == [{"b64_json": PICTURE}]


def test_the_address_of_a_picture_stays_one() -> None:
    data = [{"url": "https://pictures.example/1.png", "revised_prompt": "A cat."}]
    answer = Answer(200, JSON, orjson.dumps({"created": 1, "data": data}))
    assert json_of(serve(answer, asked({"prompt": "A cat"}, IMAGES)))["data"] == data


@pytest.mark.parametrize(
    ("headers", "body", "complete"),
    [
        (STREAM, stream("Hi"), True),
        (STREAM, stream("Hi").removesuffix(sse.DONE), False),
        (STREAM, b"", False),
        (JSON, whole("Hi"), True),
        (JSON, whole("Hi")[:-1], False),
        (JSON, b"", False),
        (JSON, b"[]", False),
        ({"content-type": "image/png"}, PNG, True),
        ({"content-type": "image/png"}, b"", False),
        ({}, b"", False),
    ],
)
def test_an_answer_is_whole_or_it_is_not(
    headers: dict[str, str], body: bytes, complete: bool
) -> None:
    assert Answer(200, headers, body).is_whole is complete


def test_at_once_the_last_event_still_comes_alone() -> None:
    begun, error = stream("One").removesuffix(sse.DONE), sse.encode(b'{"error": {}}')
    served = serve(Answer(200, STREAM, begun + error + sse.DONE), STREAMED)
    assert served.at_once == [begun, error + sse.DONE]
    only = serve(Answer(200, STREAM, error + sse.DONE), STREAMED)
    assert only.at_once == [error + sse.DONE]
    assert serve(Answer(200, JSON, whole("a\n\nb")), PLAIN).at_once == [whole("a\n\nb")]


def test_an_error_has_a_code() -> None:
    body = orjson.dumps(error_body("No.", code="no_such_thing"))
    assert Answer(404, JSON, body).error_code == "no_such_thing"
    assert Answer(200, JSON, body).error_code == ""
    assert Answer(502, JSON, b"<html>").error_code == ""
    assert Answer(502, JSON, b'{"error": "no"}').error_code == ""


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        ([10, 500, 20, 1500], [(10, 0.5), (20, 1.5)]),
        ((10, 500), [(10, 0.5)]),
        ([10, 500, 20], [(10, 0.5)]),
        ([], []),
        (None, []),
        ("1020", []),
        ([10, "500"], []),
        ([10, 0.5], []),
    ],
)
def test_arrivals_are_read_by_twos(numbers: object, found: list[tuple[int, float]]) -> None:
    assert arrivals_in(numbers) == found


def test_a_missing_recording_is_a_404_that_no_client_tries_again() -> None:
    served = not_found("No recording.")
    assert served.status == 404
    assert json_of(served)["error"] == {
        "message": "No recording.",
        "type": "invalid_request_error",
        "param": None,
        "code": "recording_not_found",
    }
