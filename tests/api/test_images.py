"""Requests for pictures, and the two forms that they are answered in."""

import base64
import json
from typing import Any

import pytest

from llm_gateway.api.images import (
    images_reply,
    parse_images,
    parse_picture,
    picture_reply,
)
from llm_gateway.dispatch import ImageRequest
from llm_gateway.errors import INVALID_REQUEST, RequestError, UpstreamInvalidResponse
from llm_gateway.wire import JSON
from support.pictures import JPEG, PNG

GIF = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"
WEBP = b"RIFF\x1a\x00\x00\x00WEBPVP8L"
TYPES = {"image/png": PNG, "image/jpeg": JPEG, "image/gif": GIF, "image/webp": WEBP}


def refusal(body: object, *, picture: bool = False) -> tuple[str | None, str | None]:
    """The code and the parameter of the 400 that a body is refused with."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(RequestError) as caught:
        (parse_picture if picture else parse_images)(data)
    error = caught.value
    assert (error.status, error.type) == (400, INVALID_REQUEST)
    assert error.message.isprintable()
    return error.code, error.param


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


PROMPTS = [
    ({}, "missing_required_parameter"),
    ({"prompt": ""}, "invalid_value"),
    ({"prompt": None}, "invalid_type"),
    ({"prompt": 1}, "invalid_type"),
    ({"prompt": ["A dot."]}, "invalid_type"),
    ({"prompt": {"text": "A dot."}}, "invalid_type"),
]
NO_OBJECTS: list[tuple[object, str | None]] = [
    ([], "invalid_type"),
    ("A dot.", "invalid_type"),
    (None, "invalid_type"),
    (b"", None),
    (b"{", None),
    (b"\xff", None),
    (b'{"prompt": "A dot.", "x": ' + b"[" * 300 + b"]" * 300 + b"}", None),
]
WRONG_MODELS: list[Any] = [1, 0, 1.5, True, False, [], ["m"], {}, {"name": "m"}]


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "A dot."},
        {"prompt": "é😀\u0000", "model": "painter", "n": 1},
        {"prompt": " ", "n": 10, "size": "1024x1024", "new_field": {"deep": [1, None]}},
        {"prompt": "A dot.", "model": None, "n": None, "response_format": None},
        {"prompt": "A dot.", "model": "all"},
    ],
)
def test_a_request_is_its_model_and_its_whole_body(body: dict[str, Any]) -> None:
    content = json.dumps(body).encode()
    assert parse_images(content) == ImageRequest(body, body.get("model"), len(content))


@pytest.mark.parametrize("picture", [False, True])
@pytest.mark.parametrize(("body", "code"), PROMPTS)
def test_without_a_prompt_there_is_nothing_to_draw(
    body: dict[str, Any], code: str, picture: bool
) -> None:
    assert refusal(body, picture=picture) == (code, "prompt")


@pytest.mark.parametrize("picture", [False, True])
@pytest.mark.parametrize(("body", "code"), NO_OBJECTS)
def test_a_body_that_is_no_object_is_refused(body: object, code: str | None, picture: bool) -> None:
    assert refusal(body, picture=picture) == (code, None)


@pytest.mark.parametrize(
    ("n", "code"),
    [
        (0, "integer_below_min_value"),
        (-1, "integer_below_min_value"),
        (11, "integer_above_max_value"),
        (2**40, "integer_above_max_value"),
        (True, "invalid_type"),
        (False, "invalid_type"),
        ("2", "invalid_type"),
        (2.0, "invalid_type"),
        ([2], "invalid_type"),
        ({}, "invalid_type"),
    ],
)
def test_the_number_of_pictures_is_an_integer_from_1_to_10(n: object, code: str) -> None:
    assert refusal({"prompt": "A dot.", "n": n}) == (code, "n")


@pytest.mark.parametrize("model", WRONG_MODELS)
def test_a_model_is_a_string(model: object) -> None:
    body = {"prompt": "A dot.", "model": model}
    assert refusal(body) == ("invalid_type", "model")
    assert refusal(body, picture=True) == ("invalid_type", "model")


def test_an_empty_model_is_none_that_openai_knows() -> None:
    assert refusal({"prompt": "A dot.", "model": ""}) == ("invalid_value", "model")


@pytest.mark.parametrize(
    ("body", "prompt"),
    [
        ({"prompt": "A dot."}, "A dot."),
        ({"inputs": "A dot."}, "A dot."),
        ({"prompt": "", "inputs": "A dot."}, "A dot."),
        ({"prompt": "A dot.", "inputs": "A line."}, "A dot."),
        ({"prompt": "A dot.", "inputs": 7}, "A dot."),
    ],
)
def test_one_picture_s_prompt_has_two_names(body: dict[str, Any], prompt: str) -> None:
    request = parse_picture(json.dumps(body).encode())
    assert request.body == {"prompt": prompt, "response_format": "b64_json"}


@pytest.mark.parametrize(
    ("inputs", "code"),
    [("", "invalid_value"), (None, "invalid_type"), (["A dot."], "invalid_type")],
)
def test_inputs_are_judged_as_the_prompt_is(inputs: object, code: str) -> None:
    assert refusal({"inputs": inputs}, picture=True) == (code, "inputs")


@pytest.mark.parametrize(
    ("fields", "model"),
    [
        ({}, None),
        ({"model": None}, None),
        ({"model": ""}, None),
        ({"model": "all"}, None),
        ({"model": "painter"}, "painter"),
        ({"model": "All"}, "All"),
        ({"model": " "}, " "),
    ],
)
def test_one_picture_needs_no_model(fields: dict[str, Any], model: str | None) -> None:
    body = {"prompt": "A dot.", **fields}
    assert parse_picture(json.dumps(body).encode()).model == model


def test_one_picture_is_one_and_comes_as_bytes_whatever_is_asked_for() -> None:
    body = {"prompt": "A dot.", "n": 7, "response_format": "url", "size": "512x512", "seed": 1}
    assert parse_picture(json.dumps(body).encode()).body == {
        "prompt": "A dot.",
        "response_format": "b64_json",
        "size": "512x512",
        "seed": 1,
    }


def replied(response_format: object, *pictures: dict[str, Any]) -> dict[str, Any]:
    """What a client reads that asked for this format."""
    body = {"prompt": "A dot.", "response_format": response_format}
    response = {"created": 1, "data": [*pictures], "usage": {"input_tokens": 3}}
    before = json.dumps(response)
    reply = images_reply(ImageRequest(body, None), response)
    assert json.dumps(response) == before
    assert reply.content_type == JSON
    assert isinstance(reply.body, bytes)
    answer: dict[str, Any] = json.loads(reply.body)
    assert {**answer, "data": []} == {**response, "data": []}
    return answer


@pytest.mark.parametrize("media_type", TYPES)
def test_bytes_become_a_url_where_one_was_asked_for(media_type: str) -> None:
    encoded = b64(TYPES[media_type])
    picture = {"b64_json": encoded, "revised_prompt": "a dot"}
    assert replied("url", picture)["data"] == [
        {"url": f"data:{media_type};base64,{encoded}", "revised_prompt": "a dot"}
    ]


def test_bytes_that_are_no_known_picture_become_a_url_that_says_nothing_of_them() -> None:
    [picture] = replied("url", {"b64_json": b64(b"<svg/>")})["data"]
    assert picture == {"url": f"data:application/octet-stream;base64,{b64(b'<svg/>')}"}


@pytest.mark.parametrize("response_format", ["b64_json", None, "png", 7, ["url"]])
def test_bytes_stay_bytes_where_no_url_was_asked_for(response_format: object) -> None:
    pictures = [{"b64_json": b64(PNG)}, {"b64_json": "not even base64"}]
    assert replied(response_format, *pictures)["data"] == pictures


@pytest.mark.parametrize("encoded", [None, b64(PNG)])
@pytest.mark.parametrize("response_format", ["url", "b64_json", None])
def test_a_provider_s_url_stays_as_it_is(response_format: object, encoded: str | None) -> None:
    picture = {"url": "https://p.invalid/a.png?sig=x", "b64_json": encoded}
    assert replied(response_format, picture)["data"] == [picture]


def test_each_picture_is_looked_at_on_its_own() -> None:
    there = {"url": "https://p.invalid/a.png"}
    first, second, third = replied("url", {"b64_json": b64(PNG)}, there, {"b64_json": b64(JPEG)})[
        "data"
    ]
    assert first["url"].startswith("data:image/png;base64,")
    assert second == there
    assert third["url"].startswith("data:image/jpeg;base64,")


@pytest.mark.parametrize("media_type", TYPES)
def test_one_picture_is_its_bytes_with_the_type_that_they_have(media_type: str) -> None:
    content = TYPES[media_type]
    reply = picture_reply({"created": 1, "data": [{"b64_json": b64(content)}]})
    assert (reply.content_type, reply.body) == (media_type, content)


def test_one_picture_is_the_first() -> None:
    pictures = [{"b64_json": b64(each)} for each in (JPEG, PNG)]
    assert picture_reply({"data": pictures}).body == JPEG


@pytest.mark.parametrize(
    ("picture", "said"),
    [
        ({"url": "https://p.invalid/a.png"}, "the address of a picture, and no picture"),
        ({"b64_json": None}, "the address of a picture, and no picture"),
        ({"b64_json": b64(b"<!doctype html>")}, "is no picture"),
        ({"b64_json": ""}, "is no picture"),
        ({"b64_json": "****"}, "is not valid base64"),
        ({"b64_json": b64(PNG)[:-1]}, "is not valid base64"),
        ({"b64_json": "é"}, "is not valid base64"),
    ],
)
def test_what_is_no_picture_is_no_answer(picture: dict[str, Any], said: str) -> None:
    with pytest.raises(UpstreamInvalidResponse) as caught:
        picture_reply({"data": [picture]})
    assert caught.value.status == 502
    assert said in caught.value.message


@pytest.mark.parametrize("encoded", ["****", "é"])
def test_what_is_no_base64_becomes_no_url(encoded: str) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        replied("url", {"b64_json": encoded})
