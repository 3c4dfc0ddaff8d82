"""Messages become the turns that Gemini takes."""

from typing import Any

import pytest

from llm_gateway.adapters.conversation import parse_conversation
from llm_gateway.adapters.fields import Fields
from llm_gateway.adapters.gemini.fields import FIELDS
from llm_gateway.adapters.gemini.signatures import UNKNOWN
from llm_gateway.adapters.gemini.turns import contents, system_instruction
from llm_gateway.errors import UpstreamUnsupported
from support.calls import make_call
from support.openai_shapes import JSONObject

BLANK = {"role": "user", "parts": [{"text": " "}]}
TALK = (("user", "a"), ("assistant", "b"))
PDF = "data:application/pdf;base64,JVBERi0xLjcK"


def turns_of(messages: list[Any], *, signed: bool = False) -> tuple[list[JSONObject], list[str]]:
    body = {"model": "m", "messages": messages}
    fields = Fields(FIELDS)
    said = parse_conversation(body, fields).messages
    return contents(said, make_call(body), fields, signed=signed), fields.dropped


def user(*parts: JSONObject) -> JSONObject:
    return {"role": "user", "content": [*parts]}


def picture(url: str) -> JSONObject:
    return {"type": "image_url", "image_url": {"url": url}}


def called(*ids: str) -> JSONObject:
    calls = [
        {"id": id, "type": "function", "function": {"name": f"f_{id}", "arguments": "{}"}}
        for id in ids
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(id: str, text: str = "{}") -> JSONObject:
    return {"role": "tool", "tool_call_id": id, "content": text}


def test_all_instructions_go_to_one_place_wherever_they_stand() -> None:
    messages = [
        {"role": "system", "content": "A"},
        {"role": "user", "content": "Hi"},
        {"role": "developer", "content": [{"type": "text", "text": "B"}]},
        {"role": "system", "content": ""},
    ]
    said = parse_conversation({"messages": messages}, Fields(FIELDS)).messages
    assert system_instruction(said) == [{"text": "A"}, {"text": "B"}]
    assert [turn["role"] for turn in turns_of(messages)[0]] == ["user"]


def test_what_one_side_says_in_a_row_is_one_turn() -> None:
    words = [("user", "a"), ("user", "b"), ("assistant", "c"), ("assistant", "d"), ("user", "e")]
    turns, _ = turns_of([{"role": role, "content": text} for role, text in words])
    assert [[part["text"] for part in turn["parts"]] for turn in turns] == [
        ["a", "b"],
        ["c", "d"],
        ["e"],
    ]


@pytest.mark.parametrize(
    "messages",
    [[], [{"role": "user", "content": ""}], [{"role": "assistant", "content": ""}]],
)
def test_there_is_a_turn_even_if_nobody_said_anything(messages: list[Any]) -> None:
    assert turns_of(messages)[0] == [BLANK]


def test_a_user_who_says_nothing_has_the_last_word_nevertheless() -> None:
    messages = [{"role": role, "content": text} for role, text in TALK]
    turns, _ = turns_of([*messages, {"role": "user", "content": ""}])
    assert turns[-1] == BLANK
    assert turns_of(messages)[0] == turns[:-1]


def test_the_user_begins() -> None:
    turns, _ = turns_of([called("a"), result("a")])
    assert [turn["role"] for turn in turns] == ["user", "model", "user"]
    assert turns[0] == BLANK


def test_results_are_a_turn_of_their_own_in_the_order_of_the_calls() -> None:
    turns, _ = turns_of([called("a", "b", "c"), result("c"), result("a"), result("b"), user()])
    responses = [part["functionResponse"] for part in turns[2]["parts"]]
    assert [(each["id"], each["name"]) for each in responses] == [
        ("a", "f_a"),
        ("b", "f_b"),
        ("c", "f_c"),
    ]


def test_a_call_s_text_and_calls_of_the_same_side_stay_together() -> None:
    turns, _ = turns_of(
        [
            {"role": "assistant", "content": "Wait."},
            called("a"),
            result("a"),
            called("b"),
            result("b"),
        ]
    )
    assert [[*part] for turn in turns for part in turn["parts"]] == [
        ["text"],
        ["text"],
        ["functionCall"],
        ["functionResponse"],
        ["functionCall"],
        ["functionResponse"],
    ]
    assert len(turns) == 5


def test_what_the_user_says_to_results_is_a_turn_after_them() -> None:
    turns, _ = turns_of([called("a"), result("a"), {"role": "user", "content": "And?"}])
    assert [len(turn["parts"]) for turn in turns] == [1, 1, 1, 1]
    assert turns[3] == {"role": "user", "parts": [{"text": "And?"}]}


@pytest.mark.parametrize(
    ("text", "response"),
    [
        ('{"a": {"b": [1, 2.5, null]}}', {"a": {"b": [1, 2.5, None]}}),
        ("{}", {}),
        ("[1]", {"result": "[1]"}),
        ("null", {"result": "null"}),
        ("Sunny", {"result": "Sunny"}),
        ("", {"result": ""}),
        ('{"id": 9007199254740993}', {"result": '{"id": 9007199254740993}'}),
        ('{"ids": [-9007199254740993]}', {"result": '{"ids": [-9007199254740993]}'}),
        ('{"n": 9007199254740992}', {"n": 9007199254740992}),
    ],
)
def test_a_result_is_an_object_and_loses_nothing(text: str, response: JSONObject) -> None:
    turns, _ = turns_of([called("a"), result("a", text)])
    assert turns[2]["parts"][0]["functionResponse"]["response"] == response


def test_a_result_that_is_nested_too_deep_stays_text() -> None:
    deep = '{"a":' * 200 + "1" + "}" * 200
    turns, _ = turns_of([called("a"), result("a", deep)])
    assert turns[2]["parts"][0]["functionResponse"]["response"] == {"result": deep}


def test_the_first_call_of_each_turn_is_signed_if_only_by_the_word_for_unknown() -> None:
    messages = [called("a", "b"), result("a"), result("b"), called("c"), result("c")]
    signatures = [
        part.get("thoughtSignature")
        for turn in turns_of(messages, signed=True)[0]
        for part in turn["parts"]
        if "functionCall" in part
    ]
    assert signatures == [UNKNOWN, None, UNKNOWN]
    assert "thoughtSignature" not in str(turns_of(messages)[0])


@pytest.mark.parametrize(
    "url",
    [
        "https://generativelanguage.googleapis.com/v1beta/files/abc-123",
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "https://youtube.com/shorts/abc",
        "https://youtu.be/dQw4w9WgXcQ",
    ],
)
def test_what_google_fetches_itself_goes_by_its_address(url: str) -> None:
    turns, _ = turns_of([user(picture(url))])
    assert turns == [{"role": "user", "parts": [{"fileData": {"fileUri": url}}]}]


@pytest.mark.parametrize(
    "url",
    [
        "https://pictures.invalid/a.png",
        "http://www.youtube.com/watch?v=a",
        "https://www.youtube.com.evil.invalid/watch?v=a",
        "https://generativelanguage.googleapis.com/v1beta/models",
        "https://generativelanguage.googleapis.com/v1beta/files/a?key=b",
    ],
)
def test_other_addresses_are_refused_by_their_place(url: str) -> None:
    with pytest.raises(UpstreamUnsupported) as caught:
        turns_of([user({"type": "text", "text": "See"}, picture(url))])
    assert caught.value.param == "messages[0].content[1].image_url.url"


@pytest.mark.parametrize(
    ("named", "sent"),
    [("image/png", "image/png"), ("image/jpg", "image/jpeg"), ("IMAGE/WebP", "image/webp")],
)
def test_a_picture_goes_with_its_type(named: str, sent: str) -> None:
    turns, _ = turns_of([user(picture(f"data:{named};base64,AAAA"))])
    assert turns[0]["parts"] == [{"inlineData": {"mimeType": sent, "data": "AAAA"}}]


@pytest.mark.parametrize("media_type", ["image/gif", "image/svg+xml"])
def test_a_picture_that_gemini_does_not_look_at_is_refused(media_type: str) -> None:
    with pytest.raises(UpstreamUnsupported) as caught:
        turns_of([user(picture(f"data:{media_type};base64,AAAA"))])
    assert caught.value.param == "messages[0].content[0]"


def test_the_name_of_a_document_is_left_out_and_reported() -> None:
    file = {"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}}
    turns, dropped = turns_of([user({"type": "text", "text": "Read"}, file)])
    assert turns[0]["parts"][1] == {
        "inlineData": {"mimeType": "application/pdf", "data": "JVBERi0xLjcK"}
    }
    assert dropped == ["messages[0].content[1].file.filename"]
