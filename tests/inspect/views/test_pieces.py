"""The pieces of messages in every format: said in a few words, whatever stands there."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.inspect.views.pieces import Piece, call, in_short, pieces_of, result
from support.any_json import anything

PNG = "iVBORw0KGgoAAAAN" * 100
IMAGE_URL = "https://example.com/cat.png"
CACHED = {"type": "text", "text": "long", "cache_control": {"type": "ephemeral"}}
WORDS = st.sampled_from(
    [
        "type",
        "text",
        "image_url",
        "url",
        "source",
        "content",
        "name",
        "input",
        "functionCall",
        "tool_result",
        "input_audio",
        "file",
        "thinking",
        "data",
        "base64",
        "document",
        "args",
        "functionResponse",
        "inlineData",
        "fileData",
        "executableCode",
        "codeExecutionResult",
        "redacted_thinking",
        "tool_use",
        "image",
        "refusal",
    ]
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("Hi", [("", "Hi")]),
        (None, []),
        (["a", {"type": "text", "text": "b"}], [("", "a"), ("", "b")]),
        ({"type": "refusal", "refusal": "No."}, [("refusal", "No.")]),
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            [("picture", "image/png, 1.2 KB")],
        ),
        (
            {"type": "image_url", "image_url": {"url": IMAGE_URL, "detail": "low"}},
            [("picture", f"{IMAGE_URL}, detail low")],
        ),
        (
            {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}},
            [("sound", "wav, 1.2 KB")],
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:a/pdf;base64,AAAA"}},
            [("file", "a.pdf, a/pdf, 3 B")],
        ),
        ({"type": "file", "file": {"file_id": "f1"}}, [("file", '{"file_id":"f1"}')]),
        (
            {"type": "image", "source": {"type": "base64", "media_type": "m", "data": PNG}},
            [("picture", "m, 1.2 KB")],
        ),
        (
            {"type": "image", "source": {"type": "url", "url": IMAGE_URL}},
            [("picture", IMAGE_URL)],
        ),
        (
            {"type": "document", "source": {"type": "text", "data": "A b"}},
            [("file, text", "A b")],
        ),
        (
            {"type": "document", "source": {"type": "file", "file_id": "f"}},
            [("file", '{"type":"file","file_id":"f"}')],
        ),
        (
            {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": "b"}},
            [("call", 'f(a: "b") · t1')],
        ),
        (
            {"type": "tool_result", "tool_use_id": "t1", "content": "21", "is_error": True},
            [("result of a call that failed · t1", "21")],
        ),
        ({"type": "thinking", "thinking": "Hm", "signature": "s"}, [("thinking", "Hm")]),
        ({"type": "redacted_thinking", "data": "x" * 40}, [("thinking", "encrypted, 40 B")]),
        (CACHED, [("", "long"), ("cache", "the provider may keep the prompt up to here")]),
        ({"text": "Hm", "thought": True}, [("thinking", "Hm")]),
        ({"inlineData": {"mimeType": "audio/wav", "data": PNG}}, [("sound", "audio/wav, 1.2 KB")]),
        ({"inline_data": {"mime_type": "a/pdf", "data": "AAAA"}}, [("file", "a/pdf, 3 B")]),
        ({"fileData": {"fileUri": IMAGE_URL}}, [("file", IMAGE_URL)]),
        ({"functionCall": {"name": "f", "args": {}}}, [("call", "f()")]),
        (
            {"functionResponse": {"id": "i", "name": "f", "response": {"a": 1}}},
            [("result of f · i", '{"a":1}')],
        ),
        (
            {"executableCode": {"language": "PYTHON", "code": "1+1"}},
            [("code · python", "1+1")],
        ),
        (
            {"codeExecutionResult": {"outcome": "OK", "output": "2"}},
            [("result of code · OK", "2")],
        ),
        ({"type": "new_thing", "a": 1}, [("new_thing", '{"a":1}')]),
        (7, [("?", "7")]),
    ],
)
def test_a_piece_is_said_in_words(content: object, said: list[tuple[str, str]]) -> None:
    assert [(piece.tag, piece.text) for piece in pieces_of(content)] == said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ('{"a": "ü", "b": [1]}', 'f(a: "ü", b: [1]) · c1'),
        ("", "f() · c1"),
        (None, "f() · c1"),
        ('{"a": ', 'f({"a":   ← no JSON) · c1'),
        ("[1]", "f([1]) · c1"),
        ({"a": "x" * 200}, f'f(…) · c1\na: "{"x" * 200}"'),
    ],
)
def test_a_call_is_said_as_code_says_it(arguments: object, said: str) -> None:
    assert call("f", arguments, "c1") == Piece(said, "call")


def test_a_result_says_what_it_answers_and_keeps_its_pictures_apart() -> None:
    picture = {"type": "image_url", "image_url": {"url": IMAGE_URL}}
    assert [*result("f", ["a", picture, "b"], "c1")] == [
        Piece("a\nb", "result of f · c1"),
        Piece(IMAGE_URL, "picture"),
    ]
    assert [*result(None, None)] == [Piece("(nothing)", "result")]


def test_in_short_no_value_is_long() -> None:
    deep: Any = "end"
    for _ in range(100):
        deep = [deep] * 2
    assert in_short(deep).startswith('[[[["…","…"],["…","…"]],[["…"')
    assert in_short({"data": "A" * 5000}) == '{"data":"(5.0 KB of data)"}'
    assert len(in_short({f"k{i}": "word " * 1000 for i in range(1000)})) <= 300


@given(anything(WORDS))
def test_nothing_in_a_body_is_too_strange(value: Any) -> None:
    assert all(isinstance(piece.text, str) for piece in pieces_of(value))
