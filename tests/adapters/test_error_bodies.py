"""The error of a reply, found in whatever it is wrapped in."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.adapters.error_bodies import (
    MAX_MESSAGE,
    as_error_object,
    as_status,
    embedded_status,
    error_object,
    error_text,
    layers,
    sentence,
    status_in_text,
)

INNER = {"message": "m", "code": 429}


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ({"error": INNER}, INNER),
        ({"error": INNER, "user_id": "user_30vF8Qm2Lw"}, INNER),
        ({"type": "error", "error": INNER, "request_id": "req_1"}, INNER),
        ({"error": "sentence"}, {"message": "sentence"}),
        ({"error": [INNER, {"message": "n"}]}, INNER),
        ({"success": False, "result": [], "messages": [], "error": [INNER]}, INNER),
        ({"result": None, "success": False, "errors": [INNER], "messages": []}, INNER),
        ({"errors": INNER}, INNER),
        ({"error": None, "errors": [INNER]}, INNER),
        ([{"error": INNER}], INNER),
        ([{"error": "sentence"}], {"message": "sentence"}),
        (INNER, INNER),
        ([INNER], INNER),
        ({"error": True, **INNER}, INNER),
        ({"error": None}, {}),
        ({"error": 5}, {}),
        ({"error": ["a"]}, {}),
        ({"errors": []}, {}),
        ([], {}),
        ([[]], {}),
        ("sentence", {}),
        (None, {}),
        (7, {}),
    ],
)
def test_the_error_object_is_found_in_every_envelope(
    reply: object, expected: dict[str, Any]
) -> None:
    assert error_object(json.dumps(reply).encode()) == expected
    assert error_object(json.dumps(reply, indent=2).encode()) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>Bad gateway</html>",
        b'<script>var error = {"error":{"code":429,"message":"m"}}</script>',
        b"{",
        b"\xff",
        b"NaN",
        b'{"error":{"code":NaN}}',
        b'{"error":{"message":"\\ud800"}}',
        b"[" * 5000,
        b"{" * 5000,
        b'{"a":' * 100_000,
        b"9" * 5000,
        b"\xef\xbb\xbf{}",
        b"upstream connect error or disconnect/reset before headers",
    ],
)
def test_a_body_without_readable_json_or_status_has_no_error_object(body: bytes) -> None:
    assert error_object(body) == {}


@pytest.mark.parametrize("before", ["", "\ufeff", "unexpected reply, body: ", "error ["])
@pytest.mark.parametrize("after", ["", "]", "\n", " (provider: x)", "\x00", "}"])
def test_json_after_a_few_words_is_the_error(before: str, after: str) -> None:
    body = before + json.dumps({"error": INNER}) + after
    assert error_object(body.encode()) == INNER


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            'unexpected status code: 429, body: {"error":{"message":"m"}}',
            {"message": "m", "status_code": 429},
        ),
        (
            'unexpected status code: 500, body: {"error":{"message":"m","code":429}}',
            {"message": "m", "code": 429},
        ),
        (
            'unexpected status code: 429, body: {"error":{"mess',
            {"message": "unexpected status code: 429, body:"},
        ),
        (
            "OpenRouter error: Provider returned error (status: 429)\n",
            {"message": "OpenRouter error: Provider returned error (status: 429)"},
        ),
    ],
)
def test_a_status_in_words_is_kept(body: str, expected: dict[str, Any]) -> None:
    assert error_object(body.encode()) == expected


@pytest.mark.parametrize("quote", ["`", '"', "'", "\n", "«"])
def test_json_that_is_quoted_is_no_error_but_what_somebody_wrote(quote: str) -> None:
    body = f'unknown field {quote}{{"error":{{"code":429,"message":"m"}}}}{quote} at line 1'
    assert error_object(body.encode()) == {}


def test_what_follows_many_words_is_no_error() -> None:
    assert error_object(b"word " * 30 + b'{"error":{"code":429}}') == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (INNER, INNER),
        ("sentence", {"message": "sentence"}),
        ([INNER], INNER),
        (["a", INNER], INNER),
        ([], {}),
        (None, {}),
        (True, {}),
        (5, {}),
    ],
)
def test_the_value_of_an_error_key_becomes_an_object(
    value: object, expected: dict[str, Any]
) -> None:
    assert as_error_object(value) == expected


NESTED = [
    pytest.param({"metadata": {"raw": "A sentence."}}, ["A sentence."], id="sentence"),
    pytest.param({"metadata": {"raw": {"error": {"message": "i"}}}}, ["i"], id="object"),
    pytest.param({"metadata": {"raw": {"message": "i"}}}, ["i"], id="bare object"),
    pytest.param({"metadata": {"raw": [{"error": {"message": "i"}}]}}, ["i"], id="list"),
    pytest.param({"metadata": {"raw": '{"error":{"message":"i"}}'}}, ["i"], id="JSON"),
    pytest.param({"metadata": {"raw": '\n[{"error":{"message":"i"}}]'}}, ["i"], id="JSON list"),
    pytest.param(
        {"metadata": {"raw": '{"error":{"message":"{\\"error\\":{\\"message\\":\\"j\\"}}"}}'}},
        ['{"error":{"message":"j"}}', "j"],
        id="twice",
    ),
    pytest.param({"metadata": {"raw": '{"error":'}}, [], id="broken JSON"),
    pytest.param({"metadata": {"raw": "<html>502</html>"}}, [], id="markup"),
    pytest.param({"metadata": {"raw": " "}}, [], id="blank"),
    pytest.param({"metadata": {"raw": 5}}, [], id="number"),
    pytest.param({"metadata": {"raw": {}}}, [], id="empty object"),
    pytest.param({"metadata": "raw"}, [], id="metadata of a wrong type"),
    pytest.param({"metadata": {}}, [], id="no raw"),
]


@pytest.mark.parametrize(("error", "inner"), NESTED)
def test_the_errors_inside_an_error_follow_it(error: dict[str, Any], inner: list[str]) -> None:
    outer = {"message": "Provider returned error", "code": 429, **error}
    found = layers(outer)
    assert found[0] == outer
    assert [sentence(each) for each in found[1:]] == inner
    assert error_text(outer) == (inner[-1] if inner else "Provider returned error")


def test_a_message_that_is_json_is_an_error_inside() -> None:
    message = (
        '{\n  "error": {\n    "code": 503,\n    "message": "The model is overloaded."\n  }\n}\n'
    )
    error = {"message": message, "code": 500, "status": "Bad Gateway"}
    assert [embedded_status(each) for each in layers(error)] == [500, 503]
    assert error_text(error) == "The model is overloaded."


def test_a_message_that_only_begins_with_json_is_a_sentence() -> None:
    message = '{"error":{"code":429,"message":"try again in 9h"}}: Extra inputs are not permitted'
    assert layers({"message": message}) == [{"message": message}]


def test_errors_inside_errors_end_somewhere() -> None:
    error: dict[str, Any] = {"message": "innermost"}
    for _ in range(900):
        error = {"message": "outer", "metadata": {"raw": error}}
    assert len(layers(error)) == 4
    assert error_text(error) == "outer"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        ({"message": "m", "detail": "d"}, "m"),
        ({"message": "", "detail": "d"}, "d"),
        ({"message": None, "detail": "Not authenticated"}, "Not authenticated"),
        ({"detail": [{"msg": "m"}]}, ""),
        ({"message": ["m"]}, ""),
        ({}, ""),
    ],
)
def test_the_sentence_is_the_message_or_the_detail(error: dict[str, Any], text: str) -> None:
    assert sentence(error) == text
    assert error_text(error) == text


def test_the_text_is_redacted_before_it_is_cut() -> None:
    text = error_text({"message": "x" * (MAX_MESSAGE - 10) + " sk-canary-0123456789abcdef"})
    assert text.endswith(" ***")
    assert len(error_text({"message": "word " * 100_000})) == MAX_MESSAGE


def test_an_endless_sentence_is_cut_between_words() -> None:
    text = sentence({"message": "sk-canary-0123456789abcdef " * 100_000})
    assert len(text) < 20_000
    assert text.endswith("abcdef")
    assert sentence({"message": "x" * 100_000}) == ""


@pytest.mark.parametrize("name", ["code", "status_code", "status", "httpCode"])
@pytest.mark.parametrize("value", [429, "429"])
def test_a_number_under_any_of_the_names_is_the_status(name: str, value: object) -> None:
    assert embedded_status({"code": None, name: value}) == 429


@pytest.mark.parametrize(
    "value",
    [
        0,
        1,
        200,
        399,
        600,
        4006,
        True,
        429.0,
        "4290",
        "0429",
        "x429",
        "",
        "\uff14\uff12\uff19",
        [429],
        {},
        None,
    ],
)
def test_what_is_no_error_status_is_none(value: object) -> None:
    assert as_status(value) is None
    assert embedded_status({"code": value}) is None


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("unexpected status code: 429, body:", 429),
        ("Provider returned error (status: 503)", 503),
        ("Unexpected Status Code: 500", 500),
        ("status code: 200", None),
        ("status code: 4290", None),
        ("httpstatus: 429", None),
        ("error code: 1015", None),
        ("", None),
    ],
)
def test_a_status_in_a_sentence_is_found(text: str, status: int | None) -> None:
    assert status_in_text(text) == status


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["error", "errors", "message", "metadata", "raw", "code"]), inner
        )
    ),
    max_leaves=8,
)


@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_body_whatever_breaks_the_reading(body: bytes) -> None:
    found = error_object(body)
    assert isinstance(found, dict)
    assert len(error_text(found)) <= MAX_MESSAGE


@given(st.text(max_size=20), JSON, st.text(max_size=20))
def test_no_text_around_json_breaks_the_reading(before: str, value: object, after: str) -> None:
    error_text(error_object((before + json.dumps(value) + after).encode()))
