"""Content is a string or parts; here it is parts, checked to the last byte."""

import base64
import tracemalloc
from typing import Any

import pytest

from llm_gateway.adapters.fields import dropped, refused
from llm_gateway.adapters.parts import Media, Text, joined, read_parts, read_texts
from llm_gateway.errors import RequestError, UpstreamUnsupported
from support.pictures import PNG
from support.tables import all_fields, fields_with

PLACE = "messages[0].content"
ENCODED = base64.b64encode(PNG).decode()
DATA_URL = f"data:image/png;base64,{ENCODED}"
HTTPS = "https://pictures.invalid/a.png"


def text(words: object = "Hi", **more: object) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def image(url: object = DATA_URL, **more: object) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def audio(data: object = "AAAA", format: object = "wav") -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": data, "format": format}}


def file(**fields: object) -> dict[str, Any]:
    return {"type": "file", "file": fields}


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("Hi", [Text("Hi")]),
        ("", [Text("")]),
        ([], []),
        ([text("a"), text("b")], [Text("a"), Text("b")]),
        ([text(cache_control={"type": "ephemeral"})],
         [Text("Hi", {"cache_control": {"type": "ephemeral"}})]),
        ([image()], [Media("image/png", ENCODED)]),
        ([image(detail="low")], [Media("image/png", ENCODED, detail="low")]),
        ([image(HTTPS)], [Media("", url=HTTPS)]),
        ([image("HTTP://x.invalid")], [Media("", url="HTTP://x.invalid")]),
        ([audio()], [Media("audio/wav", "AAAA")]),
        ([audio(format="mp3")], [Media("audio/mpeg", "AAAA")]),
        ([file(file_data="data:application/pdf;base64,JVBERg==", filename="a.pdf")],
         [Media("application/pdf", "JVBERg==", name="a.pdf")]),
        ([image(a=1) | {"b": 2}], [Media("image/png", ENCODED, extra={"a": 1, "b": 2})]),
    ],
)  # fmt: skip
def test_every_sort_of_content(content: object, parts: list[Text | Media]) -> None:
    assert read_parts(content, PLACE, fields_with()) == parts


@pytest.mark.parametrize(
    "url",
    [
        f"data:image/png;base64,{ENCODED}",
        f"DATA:Image/PNG;BASE64,{ENCODED}",
        f"data:image/png;charset=utf-8;name=a.png;base64,{ENCODED}",
        f"data:image/png;base64,\n{ENCODED[:20]}\r\n {ENCODED[20:]}",
    ],
)
def test_a_data_url_however_it_is_written(url: str) -> None:
    (media,) = read_parts([image(url)], PLACE, fields_with())
    assert isinstance(media, Media)
    assert (media.media_type, media.data, media.content) == ("image/png", ENCODED, PNG)


@pytest.mark.parametrize(
    ("content", "param", "code"),
    [
        (None, "", "invalid_type"),
        (1, "", "invalid_type"),
        ({"type": "text"}, "", "invalid_type"),
        (["Hi"], "[0]", "invalid_type"),
        ([{}], "[0].type", "missing_required_parameter"),
        ([{"type": None}], "[0].type", "invalid_type"),
        ([{"type": ["text"]}], "[0].type", "invalid_type"),
        ([{"type": "video"}], "[0].type", "invalid_value"),
        ([{"type": "refusal", "refusal": "no"}], "[0].type", "invalid_value"),
        ([text(), {"type": "text"}], "[1].text", "missing_required_parameter"),
        ([text(None)], "[0].text", "invalid_type"),
        ([{"type": "image_url", "image_url": DATA_URL}], "[0].image_url", "invalid_type"),
        ([{"type": "image_url", "image_url": {}}], "[0].image_url.url",
         "missing_required_parameter"),
        ([image(5)], "[0].image_url.url", "invalid_type"),
        ([image("")], "[0].image_url.url", "invalid_value"),
        ([image("ftp://x")], "[0].image_url.url", "invalid_value"),
        ([image("data:image/png,AAAA")], "[0].image_url.url", "invalid_value"),
        ([image("data:;base64,AAAA")], "[0].image_url.url", "invalid_value"),
        ([image("data:image/png;base64,")], "[0].image_url.url", "invalid_value"),
        ([image("data:image/png;base64,AAA")], "[0].image_url.url", "invalid_value"),
        ([image("data:image/png;base64,A_-A")], "[0].image_url.url", "invalid_value"),
        ([image("data:image/png;base64,ééé=")], "[0].image_url.url", "invalid_value"),
        ([image(detail={"a": 1})], "[0].image_url.detail", "invalid_type"),
        ([audio(data=None)], "[0].input_audio.data", "invalid_type"),
        ([audio(data="*")], "[0].input_audio.data", "invalid_value"),
        ([audio(format="a/b")], "[0].input_audio.format", "invalid_value"),
        ([audio(format=1)], "[0].input_audio.format", "invalid_type"),
        ([{"type": "input_audio", "input_audio": {"data": "AAAA"}}], "[0].input_audio.format",
         "missing_required_parameter"),
        ([file()], "[0].file", "invalid_value"),
        ([file(file_id="file-1")], "[0].file", "invalid_value"),
        ([file(file_id="file-1", file_data="data:a/b;base64,AAAA")], "[0].file", "invalid_value"),
        ([file(file_data=None)], "[0].file.file_data", "invalid_type"),
        ([file(file_data="AAAA")], "[0].file.file_data", "invalid_value"),
        ([file(file_data=HTTPS)], "[0].file.file_data", "invalid_value"),
        ([file(file_data="data:a/b;base64,AAAA", filename=1)], "[0].file.filename",
         "invalid_type"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(content: object, param: str, code: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_parts(content, PLACE, fields_with())
    assert (caught.value.status, caught.value.code) == (400, code)
    assert caught.value.param == PLACE + param


@pytest.mark.parametrize(
    "start", ["image/png" + ";a" * 100_000, "image/png;" + "a" * 100_000, "image/" + "a" * 100_000]
)
def test_a_data_url_is_not_searched_for_its_base64_without_end(start: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(RequestError):
            read_parts([image(f"data:{start};base64,{ENCODED}")], PLACE, fields_with())
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("part", [image(), audio(), file(file_data="data:a/b;base64,AAAA")])
def test_where_only_text_can_be_there_is_only_text(part: dict[str, Any]) -> None:
    with pytest.raises(RequestError) as caught:
        read_texts([text(), part], PLACE, fields_with())
    assert caught.value.param == f"{PLACE}[1].type"


def test_what_the_model_refused_with_is_text() -> None:
    content = [text("a"), {"type": "refusal", "refusal": "b"}]
    assert read_texts(content, PLACE, fields_with(), refusals=True) == [Text("a"), Text("b")]


@pytest.mark.parametrize(
    ("part", "pattern", "place"),
    [
        (image(), "image_url (data:)", "image_url.url"),
        (image(HTTPS), "image_url (https:)", "image_url.url"),
        (audio(), "input_audio", "input_audio"),
        (file(file_id="file-1"), "file", "file"),
        (text(cache_control={}), "cache_control", "cache_control"),
    ],
)
def test_the_table_decides_on_every_sort(part: dict[str, Any], pattern: str, place: str) -> None:
    pattern, place = f"messages[].content[].{pattern}", f"{PLACE}[0].{place}"
    fields = fields_with({pattern: dropped()})
    left = [Text("Hi")] if part["type"] == "text" else []
    assert read_parts([part], PLACE, fields) == left
    assert fields.dropped == [place]
    with pytest.raises(UpstreamUnsupported) as caught:
        read_parts([part], PLACE, fields_with({pattern: refused()}))
    assert caught.value.param == place


def test_a_picture_without_its_detail_is_a_picture() -> None:
    fields = fields_with({"messages[].content[].image_url.detail": dropped()})
    assert read_parts([image(detail="high")], PLACE, fields) == [Media("image/png", ENCODED)]
    assert fields.dropped == [f"{PLACE}[0].image_url.detail"]


def test_the_detail_that_is_chosen_anyway_is_no_demand() -> None:
    assert read_parts([image(detail="auto")], PLACE, all_fields(dropped())) == []
    fields = fields_with({"messages[].content[].image_url.detail": refused()})
    assert read_parts([image(detail="auto")], PLACE, fields) == [Media("image/png", ENCODED)]
    assert fields.dropped == []


@pytest.mark.parametrize(
    ("part", "place"),
    [
        (text(new=1), "[0].new"),
        (image(new=1), "[0].image_url.new"),
        (file(file_data="data:a/b;base64,AAAA", new=1), "[0].file.new"),
        ({**audio(), "new": 1}, "[0].new"),
    ],
)
def test_no_key_is_left_out_in_silence(part: dict[str, Any], place: str) -> None:
    fields = fields_with({"messages[].*": dropped()})
    (read,) = read_parts([part], PLACE, fields)
    assert read.extra == {}
    assert fields.dropped == [PLACE + place]


def test_texts_are_joined() -> None:
    assert joined([Text("a"), Text("b")]) == "ab"
    assert joined([Text("a"), Text("b")], "\n") == "a\nb"
