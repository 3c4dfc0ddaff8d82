"""Pictures are uploaded first, each of them once, and those that are not taken are refused."""

import base64
from typing import Any

import pytest

from llm_gateway.adapters.gigachat import KIND
from llm_gateway.adapters.gigachat.pictures import MAX_BYTES, MAX_PICTURES
from llm_gateway.adapters.multipart import FormPart, multipart
from llm_gateway.errors import (
    UpstreamAuthError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamUnsupported,
)
from llm_gateway.wire import UpstreamRequest
from support.calls import make_call, run_steps, whole
from support.openai_shapes import JSONObject
from support.pictures import JPEG, PNG

PICTURE = "messages[0].content[0].image_url"


def part(content: bytes = PNG, media_type: str = "image/png") -> JSONObject:
    url = f"data:{media_type};base64,{base64.b64encode(content).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}


def user(*parts: JSONObject) -> JSONObject:
    return {"role": "user", "content": [*parts]}


def uploads(*messages: JSONObject, answers: int = 0, **fields: Any) -> list[UpstreamRequest]:
    """The files that are sent before a request with these messages."""
    adapter = KIND.chat(make_call({"model": "m", "messages": [*messages], **fields}))
    files = [whole(200, b'{"id":"file-%d"}' % number) for number in range(answers)]
    return run_steps(adapter.prepare(), files)[1]


def test_without_pictures_nothing_is_uploaded() -> None:
    assert uploads({"role": "user", "content": "Hi"}) == []


def test_a_picture_is_a_form_with_a_file_and_its_purpose() -> None:
    (request,) = uploads(user(part()), answers=1)
    assert (request.method, request.url) == ("POST", "http://p.invalid/base/files")
    content_type, body = multipart(
        [FormPart("file", PNG, "picture.png", "image/png"), FormPart("purpose", b"general")]
    )
    headers = dict(request.headers)
    assert request.body == body
    assert headers["content-type"] == content_type
    assert headers["accept"] == "application/json"
    assert headers["authorization"].startswith("Bearer ***")
    assert "x-client-id" not in headers


def test_a_file_belongs_to_the_client_that_asks() -> None:
    body = {"model": "m", "messages": [user(part())], "user": "alice"}
    adapter = KIND.chat(make_call(body))
    _, (upload,) = run_steps(adapter.prepare(), [whole(200, b'{"id":"file-1"}')])
    assert dict(upload.headers)["x-client-id"] == "alice"
    assert dict(adapter.encode().headers)["x-client-id"] == "alice"


@pytest.mark.parametrize(
    ("media_type", "sent_as", "ending"),
    [
        ("image/jpeg", "image/jpeg", "jpg"),
        ("IMAGE/JPG", "image/jpeg", "jpg"),
        ("image/tiff", "image/tiff", "tiff"),
        ("image/bmp", "image/bmp", "bmp"),
    ],
)
def test_each_type_has_its_name(media_type: str, sent_as: str, ending: str) -> None:
    (request,) = uploads(user(part(JPEG, media_type)), answers=1)
    assert f'filename="picture.{ending}"\r\ncontent-type: {sent_as}\r\n'.encode() in request.body


def test_different_pictures_are_uploaded_at_once_and_the_same_one_once() -> None:
    messages = [user(part()), user(part(JPEG, "image/jpeg")), user(part())]
    assert len(uploads(*messages, answers=2)) == 2


def test_as_many_pictures_as_are_taken_are_sent() -> None:
    messages = [user(part(PNG + bytes([number]))) for number in range(MAX_PICTURES)]
    assert len(uploads(*messages, answers=MAX_PICTURES)) == MAX_PICTURES


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ([user(part(), part())], "messages[0].content[1].image_url"),
        (
            [user({"type": "text", "text": "a"}, part(), {"type": "text", "text": "b"}, part())],
            "messages[0].content[3].image_url",
        ),
        ([user(part())] * 11, "messages[10].content[0].image_url"),
        ([user(part(PNG, "image/gif"))], f"{PICTURE}.url"),
        ([user(part(PNG, "image/webp"))], f"{PICTURE}.url"),
        ([user(part(bytes(MAX_BYTES + 3)))], f"{PICTURE}.url"),
        (
            [user({"type": "image_url", "image_url": {"url": "https://p.invalid/a.png"}})],
            f"{PICTURE}.url",
        ),
    ],
)
def test_what_is_not_taken_is_refused_by_its_place(messages: list[JSONObject], param: str) -> None:
    with pytest.raises(UpstreamUnsupported) as caught:
        uploads(*messages)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b'{"status":401,"message":"Unauthorized"}', UpstreamAuthError),
        (200, b"", UpstreamInvalidResponse),
        (200, b"{}", UpstreamInvalidResponse),
        (200, b'{"id":7}', UpstreamInvalidResponse),
        (200, b'{"status":500,"message":"Later"}', UpstreamError),
    ],
)
def test_a_file_that_was_not_taken_ends_the_attempt(
    status: int, body: bytes, kind: type[UpstreamError]
) -> None:
    adapter = KIND.chat(make_call({"model": "m", "messages": [user(part())]}))
    with pytest.raises(kind):
        run_steps(adapter.prepare(), [whole(status, body)])
