"""Pictures are ordered in chats and fetched as files."""

import base64
import json
import time
from typing import Any

import orjson
import pytest

from llm_gateway.adapters.contract import Whole
from llm_gateway.adapters.gigachat.images import ARTIST, GigaChatImages
from llm_gateway.errors import (
    RequestError,
    Retry,
    UpstreamAuthError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnsupported,
)
from llm_gateway.wire import UpstreamRequest
from support.calls import CREATED, make_image_call, run_steps, unchanged, whole
from support.gigachat_rules import check_chat_request
from support.openai_shapes import JSONObject
from support.pictures import JPEG, PNG

ID = "b28fbd4e-105b-4d1b-a6a3-3a2f6d4c1e0f"
OTHER = "77d3fb14-457a-46ba-937e-8d856156d003"


def chat(content: Any, finish: str = "stop") -> Whole:
    message = {"role": "assistant", "content": content}
    choice = {"message": message, "index": 0, "finish_reason": finish}
    return whole(200, orjson.dumps({"choices": [choice]}))


def drawn(*ids: str) -> Whole:
    return chat(" ".join(f'<img src="{id}" fuse="true"/>' for id in ids))


def file(content: bytes = JPEG) -> Whole:
    return whole(200, content, "application/jpg")


def run(*answers: Whole, **fields: Any) -> tuple[JSONObject, list[UpstreamRequest]]:
    """The images response to a request with these fields, and what was sent for it."""
    body = {"model": "m", "prompt": "A {cat}", **fields}
    before = unchanged(body)
    result = run_steps(GigaChatImages(make_image_call(body)).steps(), answers)
    assert body == before
    return result


def failure(*answers: Whole, **fields: Any) -> UpstreamError:
    with pytest.raises(UpstreamError) as caught:
        run(*answers, **fields)
    return caught.value


def test_a_picture_is_ordered_and_then_fetched() -> None:
    response, (order, fetch) = run(drawn(ID), file(), user="Анна")
    assert response["created"] == CREATED
    assert response["data"] == [{"b64_json": base64.b64encode(JPEG).decode()}]
    assert check_chat_request(json.loads(order.body)) == {
        "model": "up-model",
        "messages": [
            {"role": "system", "content": ARTIST},
            {"role": "user", "content": "Нарисуй: A {cat}"},
        ],
        "function_call": "auto",
    }
    assert (order.method, order.url) == ("POST", "http://p.invalid/base/chat/completions")
    assert (fetch.method, fetch.url) == ("GET", f"http://p.invalid/base/files/{ID}/content")
    assert fetch.body == b""
    assert dict(fetch.headers)["accept"] == "application/jpg"
    for request in (order, fetch):
        headers = dict(request.headers)
        assert headers["x-client-id"] == "%D0%90%D0%BD%D0%BD%D0%B0"
        assert headers["authorization"].startswith("Bearer ***")


def test_several_are_ordered_at_once() -> None:
    response, sent = run(drawn(ID), drawn(OTHER), file(), file(PNG), n=2)
    assert [request.method for request in sent] == ["POST", "POST", "GET", "GET"]
    assert [base64.b64decode(each["b64_json"]) for each in response["data"]] == [JPEG, PNG]


def test_no_more_are_fetched_than_were_ordered() -> None:
    response, sent = run(drawn(ID, OTHER), file())
    assert len(sent) == 2
    assert len(response["data"]) == 1


def test_one_that_was_refused_does_not_spoil_the_others() -> None:
    response, _ = run(chat("Рисовать не буду."), drawn(ID), file(), n=2)
    assert len(response["data"]) == 1


@pytest.mark.parametrize(
    "content",
    [
        f'<img src="{ID}" fuse="true"/> Вот кот.',
        f"Вот: <IMG alt='a' src='{ID}'>",
        f'<img\nsrc="{ID}">',
    ],
)
def test_a_picture_is_found_in_the_answer(content: str) -> None:
    _, (_, fetch) = run(chat(content), file())
    assert fetch.url.endswith(f"/files/{ID}/content")


@pytest.mark.parametrize(
    "content",
    [
        "Я не умею рисовать такое.",
        '<img src="../../models" fuse="true"/>',
        '<img src="a/b"/>',
        '<img src=""/>',
        "<img src=\"a'/>",
        '<img data-src="abc"/>',
        '<imgsrc="abc"/>',
        f'<img src="{ID}?x=1"/>',
    ],
)
def test_an_answer_without_a_picture_is_a_refusal_in_the_models_words(content: str) -> None:
    error = failure(chat(f" {content}\n"))
    assert isinstance(error, UpstreamRejected)
    assert (error.status, error.retry, error.code) == (400, Retry.ELSEWHERE, "no_picture")
    assert error.message == content


def test_an_id_is_not_endless() -> None:
    assert failure(chat(f'<img src="{"a" * 65}"/>')).code == "no_picture"


@pytest.mark.parametrize("piece", ["<img ", "<img src=", " src=", "key-"])
def test_endless_words_take_no_longer_than_their_length(piece: str) -> None:
    start = time.perf_counter()
    assert failure(chat(piece * (400_000 // len(piece)))).code == "no_picture"
    assert time.perf_counter() - start < 2


def test_what_is_forbidden_is_not_tried_elsewhere() -> None:
    error = failure(chat("Давайте сменим тему.", "blacklist"))
    assert (error.retry, error.code) == (Retry.NEVER, "content_policy_violation")


@pytest.mark.parametrize("content", ["", None, 7, []])
def test_without_words_there_are_ours(content: object) -> None:
    assert failure(chat(content)).message == "The provider drew no picture."


@pytest.mark.parametrize(
    ("answers", "kind"),
    [
        ([whole(401, b"")], UpstreamAuthError),
        ([whole(429, b'{"status":429,"message":"Too many requests"}')], UpstreamRateLimited),
        ([whole(200, b'{"status":429,"message":"Too many requests"}')], UpstreamRateLimited),
        ([whole(200, b"")], UpstreamInvalidResponse),
        ([whole(200, b"{}")], UpstreamInvalidResponse),
        ([chat("", "error")], UpstreamError),
        # It is not the client's address that was not found.
        (
            [drawn(ID), whole(404, b'{"status":404,"message":"No such file"}')],
            UpstreamInvalidResponse,
        ),
        ([drawn(ID), whole(200, b'{"status":404}')], UpstreamInvalidResponse),
        ([drawn(ID), whole(200, b"")], UpstreamInvalidResponse),
    ],
)
def test_a_failure_on_the_way_is_told(answers: list[Whole], kind: type[UpstreamError]) -> None:
    assert isinstance(failure(*answers), kind)


def test_hints_are_left_out_and_named() -> None:
    body = {"model": "m", "prompt": "p", "size": "1024x1024", "quality": "hd", "style": "vivid"}
    adapter = GigaChatImages(make_image_call({**body, "output_format": "png", "n": None}))
    run_steps(adapter.steps(), [drawn(ID), file()])
    assert adapter.dropped == ("size", "quality", "style", "output_format")


@pytest.mark.parametrize(
    "field", [{"stream": True}, {"background": "transparent"}, {"svg": {}}, {"frame_count": 2}]
)
def test_what_would_change_the_picture_is_refused_by_name(field: JSONObject) -> None:
    error = failure(**field)
    assert isinstance(error, UpstreamUnsupported)
    assert [error.param] == [*field]


def test_a_user_is_a_string() -> None:
    with pytest.raises(RequestError):
        run(user=7)
