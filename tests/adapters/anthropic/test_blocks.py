"""What the client says as content blocks."""

import pytest

from llm_gateway.adapters.anthropic.blocks import blocks_of, texts_of
from llm_gateway.adapters.conversation import Media, Text
from llm_gateway.errors import UpstreamUnsupported

MARK = {"cache_control": {"type": "ephemeral"}}


def test_white_space_alone_is_not_sent() -> None:
    assert blocks_of([Text(""), Text(" \n"), Text(" a ")], "m") == [{"type": "text", "text": " a "}]


def test_a_mark_stays_on_its_block() -> None:
    picture = Media("", url="https://e.com/a.png", extra=MARK)
    source = {"type": "url", "url": "https://e.com/a.png"}
    assert blocks_of([Text("a", MARK), picture], "m") == [
        {"type": "text", "text": "a", **MARK},
        {"type": "image", "source": source, **MARK},
    ]


@pytest.mark.parametrize(
    ("media", "block"),
    [
        (
            Media("image/webp", "AAAA"),
            {
                "type": "image",
                "source": {"type": "base64", "media_type": "image/webp", "data": "AAAA"},
            },
        ),
        (
            Media("application/pdf", "AAAA"),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
            },
        ),
        (
            Media("text/plain", "/w==", name="a.txt"),
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "\ufffd"},
                "title": "a.txt",
            },
        ),
    ],
)
def test_files_become_blocks(media: Media, block: object) -> None:
    assert blocks_of([media], "m") == [block]


@pytest.mark.parametrize("kind", ["image/bmp", "image/svg+xml", "application/zip", "audio/wav"])
def test_other_files_are_refused_by_the_place_of_their_message(kind: str) -> None:
    with pytest.raises(UpstreamUnsupported, match=f"not {kind}".replace("+", r"\+")) as caught:
        blocks_of([Media(kind, "AAAA")], "messages[3]")
    assert caught.value.param == "messages[3].content"


@pytest.mark.parametrize(
    ("parts", "content"),
    [
        ([], ""),
        ([Text(" ")], ""),
        ([Text("a")], "a"),
        ([Text("a"), Text("")], "a"),
        ([Text("a", MARK)], [{"type": "text", "text": "a", **MARK}]),
        ([Text("a"), Text("b")], [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]),
    ],
)
def test_text_is_a_string_where_there_is_no_more_to_say(parts: list[Text], content: object) -> None:
    assert texts_of(parts, "m") == content
