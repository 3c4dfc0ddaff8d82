"""Pictures are known by their first bytes, shapes by their nearest ratio."""

import base64
from typing import Any

import pytest
from openai.types import ImagesResponse

from llm_gateway.adapters import KINDS
from llm_gateway.adapters.images import (
    check_response_format,
    data_url,
    images_response,
    media_type_of,
    media_type_of_base64,
    nearest_ratio,
    size_of,
)
from llm_gateway.errors import RequestError, UpstreamInvalidResponse
from support.calls import make_image_call
from support.pictures import JPEG, PNG

PICTURES = [
    (PNG, "image/png"),
    (JPEG, "image/jpeg"),
    (b"GIF89a\x01\x00\x01\x00", "image/gif"),
    (b"GIF87a\x01\x00\x01\x00", "image/gif"),
    (b"RIFF\x1a\n\x00\x00WEBPVP8L", "image/webp"),
]
NONE = [b"", b"\x89PNG", b"RIFF\x24\x00\x00\x00WAVEfmt ", b"<svg/>", b"GIF88a"]


@pytest.mark.parametrize(("content", "media_type"), PICTURES)
def test_a_picture_is_known_by_its_first_bytes(content: bytes, media_type: str) -> None:
    assert media_type_of(content) == media_type
    assert media_type_of_base64(base64.b64encode(content * 9).decode()) == media_type


@pytest.mark.parametrize("format", [None, "b64_json", "url"])
def test_pictures_come_as_base64_or_by_address(format: str | None) -> None:
    check_response_format({"response_format": format})
    check_response_format({})


@pytest.mark.parametrize("kind", ["cloudflare", "gemini", "gigachat"])
@pytest.mark.parametrize(
    ("format", "code"), [("png", "invalid_value"), (5, "invalid_type"), ({}, "invalid_type")]
)
def test_any_other_form_is_refused_before_anything_is_sent(
    format: object, code: str, kind: str
) -> None:
    images = KINDS[kind].images
    assert images is not None
    call = make_image_call({"prompt": "A dot.", "response_format": format})
    with pytest.raises(RequestError) as caught:
        next(images(call).steps())
    assert (caught.value.code, caught.value.param) == (code, "response_format")


@pytest.mark.parametrize("content", NONE)
def test_what_is_no_picture_has_no_type(content: bytes) -> None:
    assert media_type_of(content) is None
    assert media_type_of_base64(base64.b64encode(content).decode()) is None


@pytest.mark.parametrize("encoded", ["?", "abc", "é", "iVBORw0KGgo \n"])
def test_what_is_no_base64_is_no_answer(encoded: str) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        media_type_of_base64(encoded)


def test_a_data_url_names_its_type() -> None:
    assert data_url("image/png", "AAAA") == "data:image/png;base64,AAAA"


@pytest.mark.parametrize(
    ("body", "size"),
    [
        ({}, None),
        ({"size": None}, None),
        ({"size": "auto"}, None),
        ({"size": "1536x1024"}, (1536, 1024)),
        ({"size": "1x99999"}, (1, 99999)),
    ],
)
def test_a_size_is_two_numbers(body: Any, size: tuple[int, int] | None) -> None:
    assert size_of(body) == size


@pytest.mark.parametrize(
    "size", ["", "big", "0x1", "1x", "1X1", "1x1 ", "1x1x1", "-1x1", "²x1", "1x100000", 1024, []]
)
def test_what_is_no_size_is_the_client_s_mistake(size: object) -> None:
    with pytest.raises(RequestError) as caught:
        size_of({"size": size})
    assert (caught.value.status, caught.value.param) == (400, "size")


@pytest.mark.parametrize(
    ("size", "ratio"),
    [
        ((1024, 1024), "1:1"),
        ((1536, 1024), "3:2"),
        ((1024, 1536), "2:3"),
        ((1792, 1024), "16:9"),
        ((9, 10000), "9:16"),
        ((11, 10), "1:1"),
        ((10, 11), "1:1"),
    ],
)
def test_the_nearest_shape_counts(size: tuple[int, int], ratio: str) -> None:
    assert nearest_ratio(size, ["1:1", "2:3", "3:2", "9:16", "16:9"]) == ratio


@pytest.mark.parametrize(("content", "media_type"), PICTURES)
def test_the_answer_is_openai_s(content: bytes, media_type: str) -> None:
    encoded = base64.b64encode(content).decode()
    response = images_response(5, [encoded, "AAAA"])
    assert [each["b64_json"] for each in response["data"]] == [encoded, "AAAA"]
    assert response.get("output_format") == {"image/gif": None}.get(media_type, media_type[6:])
    assert ImagesResponse.model_validate(response).created == 5


def test_its_usage_is_told_if_it_is_known() -> None:
    encoded = base64.b64encode(PNG).decode()
    details = {"text_tokens": 1, "image_tokens": 0}
    usage = {
        "input_tokens": 1,
        "output_tokens": 2,
        "total_tokens": 3,
        "input_tokens_details": details,
    }
    assert images_response(5, [encoded], usage)["usage"] == usage
    assert "usage" not in images_response(5, [encoded])


def test_there_is_no_answer_without_a_picture() -> None:
    with pytest.raises(UpstreamInvalidResponse):
        images_response(5, [])
