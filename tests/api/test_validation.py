"""What is a chat request, and how OpenAI would refuse what is none."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.api.validation import parse_chat
from llm_gateway.config import Bounds
from llm_gateway.errors import INVALID_REQUEST, RequestError
from support.fakes import chat_body


def refusal(body: bytes | object) -> tuple[str | None, str | None]:
    """The code and the parameter of the 400 that a body is refused with."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(RequestError) as caught:
        parse_chat(data)
    error = caught.value
    assert (error.status, error.type) == (400, INVALID_REQUEST)
    assert error.message.isprintable()
    return error.code, error.param


def taken_or_refused(body: bytes) -> str | int:
    """What becomes of a body: "taken", or the status of a refusal in OpenAI's form."""
    try:
        request = parse_chat(body)
    except RequestError as error:
        return error.status if json.loads(error.body())["error"]["message"] else "no message"
    return "taken" if request.model and request.body["messages"] else "taken by mistake"


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in chat_body().items() if key != name}


def test_a_request_is_its_model_its_stream_flag_and_the_whole_body() -> None:
    body = chat_body("é😀\u0000", temperature=0.5, new_field={"deep": [1, None]})
    request = parse_chat(json.dumps(body).encode())
    assert (request.model, request.stream, request.body) == ("m", False, body)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"}",
        b'{"model": "m",}',
        b"{}x",
        b"{} {}",
        b"{'model': 'm'}",
        b"model=m&messages=x",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a": 1e999}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b"\xef\xbb\xbf{}",
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": "\\ud800"}',
        b'{"a": "\x01"}',
        "{}".encode("utf-16"),
        "{}".encode("utf-32"),
        b"\x1f\x8b\x08\x00",
        b"\0",
    ],
)
def test_a_body_that_is_no_json_is_refused(body: bytes) -> None:
    assert refusal(body) == (None, None)
    with pytest.raises(RequestError, match="could not parse the JSON body") as caught:
        parse_chat(body)
    assert caught.value.__suppress_context__, "orjson's error holds the whole document"


@pytest.mark.parametrize("value", [[], "x", None, 1, 1.5, True, [{}]])
def test_a_body_that_is_no_object_is_refused(value: object) -> None:
    assert refusal(value) == ("invalid_type", None)


def test_of_two_models_the_last_counts_and_only_one_is_left() -> None:
    request = parse_chat(b'{"model": "a", "messages": [{"role": "user"}], "model": "b"}')
    assert request.model == request.body["model"] == "b"


@pytest.mark.parametrize("name", ["model", "messages"])
def test_what_is_required_is_named_when_it_is_missing(name: str) -> None:
    assert refusal(without(name)) == ("missing_required_parameter", name)


def test_an_empty_object_lacks_a_model() -> None:
    assert refusal({}) == ("missing_required_parameter", "model")


@pytest.mark.parametrize("model", [None, 1, 1.5, True, [], {}, ["m"]])
def test_a_model_that_is_no_string_is_refused(model: object) -> None:
    assert refusal(chat_body(model=model)) == ("invalid_type", "model")


def test_an_empty_model_is_refused() -> None:
    assert refusal(chat_body(model="")) == ("invalid_value", "model")


@pytest.mark.parametrize("messages", [None, "x", {}, 1, True])
def test_messages_that_are_no_list_are_refused(messages: object) -> None:
    assert refusal(chat_body(messages=messages)) == ("invalid_type", "messages")


def test_an_empty_list_of_messages_is_refused() -> None:
    assert refusal(chat_body(messages=[])) == ("empty_array", "messages")


@pytest.mark.parametrize("message", [1, None, [], "x", True])
def test_a_message_that_is_no_object_is_refused_by_its_place(message: object) -> None:
    good = {"role": "user", "content": "a"}
    assert refusal(chat_body(messages=[message])) == ("invalid_type", "messages[0]")
    assert refusal(chat_body(messages=[good, message])) == ("invalid_type", "messages[1]")


def test_a_message_without_a_role_is_refused() -> None:
    messages = [{"content": "a"}]
    expected = ("missing_required_parameter", "messages[0].role")
    assert refusal(chat_body(messages=messages)) == expected


@pytest.mark.parametrize("role", [1, None, [], {}, True])
def test_a_role_that_is_no_string_is_refused(role: object) -> None:
    messages = [{"role": role, "content": "a"}]
    assert refusal(chat_body(messages=messages)) == ("invalid_type", "messages[0].role")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({}, False), ({"stream": None}, False), ({"stream": False}, False), ({"stream": True}, True)],
)
def test_a_stream_is_asked_for_with_true_alone(fields: dict[str, Any], expected: bool) -> None:
    assert parse_chat(json.dumps(chat_body(**fields)).encode()).stream is expected


@pytest.mark.parametrize("stream", ["true", "", 1, 0, {}, [], 1.0])
def test_a_stream_flag_of_another_type_is_refused(stream: object) -> None:
    assert refusal(chat_body(stream=stream)) == ("invalid_type", "stream")


@pytest.mark.parametrize(
    "fields",
    [
        {"messages": [{"role": "user"}]},
        {"messages": [{"role": "user", "content": [{"type": "junk"}]}]},
        {"stream_options": {"include_usage": True}},
        {"temperature": 5, "top_k": "all", "logprobs": 5, "user": 7},
        {"tools": [{"type": "junk"}], "response_format": {"type": "junk"}},
        {"logit_bias": {str(i): 1 for i in range(100_000)}},
        {"stop": ["a", "b", "c", "d", "e"]},
        {"model": "../../x\r\nX: 1"},
        {"unknown_to_us": True, "api_base": "http://evil.invalid"},
    ],
)
def test_what_the_gateway_does_not_use_is_the_provider_s_to_judge(
    fields: dict[str, Any],
) -> None:
    body = chat_body(**fields)
    assert parse_chat(json.dumps(body).encode()).body == body


ENTRIES: dict[str, Any] = {
    "messages": {"role": "user", "content": "a"},
    "tools": {"type": "function"},
}


@pytest.mark.parametrize("name", ENTRIES)
def test_lists_have_a_bound_that_the_configuration_sets(name: str) -> None:
    two, three = ({**chat_body(), name: [ENTRIES[name]] * number} for number in (2, 3))
    bounds = Bounds(messages=2, tools=2)
    assert parse_chat(json.dumps(two).encode(), bounds).body == two
    with pytest.raises(RequestError, match=rf"maximum length 2 .*bounds\.{name}") as caught:
        parse_chat(json.dumps(three).encode(), bounds)
    assert (caught.value.code, caught.value.param) == ("array_above_max_length", name)


def test_ten_thousand_messages_are_no_trouble() -> None:
    messages = [{"role": "user", "content": "a"}] * 10_000
    assert parse_chat(json.dumps(chat_body(messages=messages)).encode()).body["messages"]
    assert refusal(chat_body(messages=[*messages, messages[0]]))[0] == "array_above_max_length"


@pytest.mark.parametrize("where", ["model", "role", "message", "syntax"])
def test_the_client_s_text_is_not_repeated_in_a_refusal(where: str) -> None:
    bodies: dict[str, bytes] = {
        "model": json.dumps(chat_body(model=["canary"])).encode(),
        "role": json.dumps(chat_body(messages=[{"role": ["canary"]}])).encode(),
        "message": json.dumps(chat_body(messages=["canary"])).encode(),
        "syntax": b'{"messages": [{"role": "user", "content": "canary"}',
    }
    with pytest.raises(RequestError) as caught:
        parse_chat(bodies[where])
    assert b"canary" not in caught.value.body()


VALID = json.dumps(chat_body(stream=True, tools=[{"type": "function"}])).encode()


@given(st.binary(max_size=20), st.integers(0, len(VALID)), st.integers(0, 10))
def test_a_valid_request_with_anything_put_in_is_parsed_or_refused(
    junk: bytes, place: int, dropped: int
) -> None:
    outcome = taken_or_refused(VALID[:place] + junk + VALID[place + dropped :])
    assert outcome in {"taken", 400}


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["model", "messages", "stream", "tools", "x"]), JSON))
def test_any_object_is_taken_or_refused(body: dict[str, Any]) -> None:
    assert taken_or_refused(json.dumps(body).encode()) in {"taken", 400}
