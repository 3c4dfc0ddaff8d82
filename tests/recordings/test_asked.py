"""What counts of a request, and what does not."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from llm_gateway.errors import RequestError
from llm_gateway.recordings.asked import (
    DEFAULTS,
    DELIVERY,
    Asked,
    Sort,
    by_client,
    by_gateway,
    same,
    written,
)
from support.any_json import anything
from support.tapes import CHAT, chat

IMAGES = "/v1/images/generations"
FIELDS = st.dictionaries(
    st.sampled_from(["top_k", "min_p", "logit_bias", "logprobs", "top_logprobs", "documents", "x"]),
    anything(st.sampled_from(["auto", "function"])),
    max_size=4,
)


def asked(body: Any, path: str = CHAT) -> Asked:
    found = by_client(path, orjson.dumps(body))
    assert found is not None
    return found


def key(body: Any) -> bytes:
    return asked(body).key


@pytest.mark.parametrize("name", sorted(DELIVERY - {"stream"}))
def test_who_asks_and_how_it_is_delivered_does_not_count(name: str) -> None:
    anything = {"include_usage": True} if name == "stream_options" else "anything"
    assert key({**chat(), name: anything}) == key(chat())


def test_a_stream_is_the_same_question_in_another_form() -> None:
    options = {"include_usage": True}
    streamed, plain = asked(chat(stream=True, stream_options=options)), asked(chat(stream=False))
    assert streamed.key == plain.key
    assert (streamed.stream, streamed.with_usage) == (True, True)
    assert (plain.stream, plain.with_usage) == (False, False)


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_what_is_so_anyway_need_not_be_said(name: str) -> None:
    assert key({**chat(), name: DEFAULTS[name]}) == key({**chat(), name: None}) == key(chat())


@pytest.mark.parametrize(
    "fields",
    [
        {"n": 2},
        {"logprobs": 0},
        {"temperature": 0},
        {"temperature": 1},
        {"top_p": 1},
        {"seed": 0},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"tool_choice": "none"},
        {"response_format": {"type": "json_object"}},
        {"x_unknown": False},
    ],
)
def test_everything_else_counts(fields: dict[str, Any]) -> None:
    assert key(chat(**fields)) != key(chat())


def test_a_whole_number_is_the_same_however_it_is_written() -> None:
    assert key(chat(temperature=1.0, top_k=3)) == key(chat(temperature=1, top_k=3.0))
    assert key(chat(temperature=1.5)) != key(chat(temperature=1))
    assert key(chat(top_k=1e300)) != key(chat(top_k=1e299))


def test_in_messages_a_null_says_nothing() -> None:
    plain = chat()
    nulls = chat()
    nulls["messages"][0] |= {"name": None, "tool_calls": None}
    assert key(nulls) == key(plain)
    # In a tool's schema it does: a default of null is one.
    one, other = chat(tools=[{"default": None}]), chat(tools=[{}])
    assert key(one) != key(other)


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": "What is it? "}],
        [{"role": "system", "content": "What is it?"}],
        [{"role": "user", "content": [{"type": "text", "text": "What is it?"}]}],
        [{"role": "user", "content": "What is it?"}] * 2,
    ],
)
def test_every_message_counts(messages: list[Any]) -> None:
    assert key({**chat(), "messages": messages}) != key(chat())


def test_what_is_masked_is_the_same_in_each_process() -> None:
    one, other = chat("I am [masked:9f31c2a4]."), chat("I am [masked:0011223344].")
    assert key(one) == key(other)
    assert key(one) != key(chat("I am Ann."))
    url = "http://recording.invalid/v1/chat/completions"
    assert by_gateway(url, orjson.dumps(one)).key == key(other)


def test_the_model_counts() -> None:
    assert key(chat(model="gpt-4o")) != key(chat(model="gpt-4o-mini"))
    assert asked(chat()).model == "gpt-4o"


@given(FIELDS, st.randoms())
def test_neither_order_nor_white_space_counts(fields: dict[str, Any], chance: Any) -> None:
    body = chat(**fields)
    items = [*body.items()]
    chance.shuffle(items)
    spaced = json.dumps(dict(items), indent=chance.randint(0, 3)).encode()
    again = by_client(CHAT, spaced)
    assert again is not None
    assert again.key == key(body)


@given(FIELDS, FIELDS)
def test_two_requests_are_the_same_exactly_if_what_counts_is(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    alike = written(same(chat(**one))) == written(same(chat(**other)))
    assert (key(chat(**one)) == key(chat(**other))) is alike


@given(FIELDS)
def test_no_field_is_lost_that_is_no_default(fields: dict[str, Any]) -> None:
    assume(all(value is not None for value in fields.values()))
    assume(not any(isinstance(value, float) for value in fields.values()))
    kept = same(chat(**fields))
    for name, value in fields.items():
        left_out = orjson.dumps(value) == orjson.dumps(DEFAULTS.get(name))
        assert left_out or kept[name] == value


@given(FIELDS)
def test_what_is_the_same_stays_the_same(fields: dict[str, Any]) -> None:
    once = same(chat(**fields))
    assert same(once) == once


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (IMAGES, {"model": "gpt-image-1", "prompt": "A cat", "response_format": "url"}),
        (IMAGES, {"model": "gpt-image-1", "prompt": "A cat", "n": 1, "user": "ann"}),
        ("/image", {"model": "gpt-image-1", "prompt": "A cat"}),
        ("/image", {"model": "gpt-image-1", "inputs": "A cat"}),
    ],
)
def test_pictures_are_the_same_by_whatever_route_and_in_whatever_form(
    path: str, body: dict[str, Any]
) -> None:
    plain = by_gateway(
        f"http://recording.invalid{IMAGES}", b'{"prompt":"A cat","model":"gpt-image-1"}'
    )
    assert asked(body, path).key == plain.key
    assert plain.sort is Sort.PICTURES


@pytest.mark.parametrize("model", ["", "all", None])
def test_any_model_is_no_model(model: str | None) -> None:
    found = asked({"model": model, "prompt": "A cat"}, "/image")
    assert found.key == asked({"prompt": "A cat"}, IMAGES).key
    assert found.model == ""


def test_a_picture_is_never_a_chat() -> None:
    body = b'{"model": "m", "prompt": "p", "messages": [{"role": "user"}]}'
    chats, pictures = by_client(CHAT, body), by_client(IMAGES, body)
    assert chats is not None
    assert pictures is not None
    assert chats.key != pictures.key


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"model": "m"}', b'{"model": "", "messages": []}'])
def test_what_the_gateway_refuses_is_no_question(body: bytes) -> None:
    with pytest.raises(RequestError):
        by_client(CHAT, body)


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"null"])
def test_what_a_person_broke_is_refused(body: bytes) -> None:
    with pytest.raises(RequestError, match="no JSON object"):
        by_gateway("http://recording.invalid/v1/chat/completions", body)


def test_an_unknown_path_is_refused() -> None:
    with pytest.raises(RequestError):
        by_client("/v1/embeddings", b"{}")
