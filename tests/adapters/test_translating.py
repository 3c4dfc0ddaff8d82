"""From any format's replies to OpenAI's answers: the way they have in common."""

import json
from collections.abc import Mapping
from typing import Any, override

import pytest

from llm_gateway.adapters.answers import Answer, Choice, Tokens
from llm_gateway.adapters.contract import Usage
from llm_gateway.adapters.translating import (
    MAX_ESCAPES,
    MAX_VALUES,
    TranslatingAdapter,
    count_in,
    mended,
    object_in,
    objects,
    parse_object,
    text_in,
)
from llm_gateway.errors import UpstreamError, UpstreamInvalidResponse, UpstreamUnavailable
from llm_gateway.nesting import MAX_DEPTH
from llm_gateway.sse import Event
from llm_gateway.wire import UpstreamRequest
from support.calls import feed_all, make_call
from support.openai_promises import check_chunks, check_completion, put_together

HI: dict[str, Any] = {
    "model": "m",
    "messages": [{"role": "user", "content": "Hi"}],
    "stream": True,
    "stream_options": {"include_usage": True},
}


class Parrot(TranslatingAdapter):
    """A made-up format of objects with the keys say, end, tokens, bye and broken."""

    @override
    def encode(self) -> UpstreamRequest:
        return self.call.post("/say", {})

    @override
    def read_reply(self, reply: dict[str, Any]) -> Answer:
        choices = [Choice("stop", text_in(reply, "say"))] if "say" in reply else []
        return Answer((*choices,), self._tokens(reply))

    @override
    def read_event(self, data: dict[str, Any]) -> None:
        if "broken" in data:
            raise UpstreamUnavailable("It broke.")
        self.chunks.text(0, text_in(data, "say"))
        if "end" in data:
            self.chunks.end(0, "stop")
        self.chunks.tokens = self._tokens(data) or self.chunks.tokens
        self.over = "bye" in data

    @override
    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        return UpstreamUnavailable("It broke.")

    @staticmethod
    def _tokens(data: dict[str, Any]) -> Tokens | None:
        return Tokens(count_in(data, "tokens"), 1) if "tokens" in data else None


def parrot() -> Parrot:
    return Parrot(make_call(HI))


def stream(*events: object) -> bytes:
    texts = (each if isinstance(each, str) else json.dumps(each) for each in events)
    return "".join(f"data: {text}\n\n" for text in texts).encode()


def text_of(chunks: list[bytes]) -> str:
    return str(put_together(chunks)["choices"][0]["message"]["content"])


def test_a_whole_reply() -> None:
    adapter = parrot()
    whole = check_completion(adapter.decode(b'{"say": "Hi", "tokens": 3}'))
    assert whole["choices"][0]["message"]["content"] == "Hi"
    assert adapter.usage == Usage(3, 1)


def test_a_whole_reply_for_a_client_that_wanted_a_stream() -> None:
    adapter = parrot()
    chunks = adapter.decode_as_stream(b'{"say": "Hi", "tokens": 3}')
    check_chunks(chunks, wants_usage=True)
    assert text_of(chunks) == "Hi"
    assert adapter.done
    assert adapter.usage == Usage(3, 1)
    assert adapter.end() == []


def test_a_reply_without_a_choice_is_no_answer() -> None:
    for decode in (parrot().decode, parrot().decode_as_stream):
        with pytest.raises(UpstreamInvalidResponse, match="holds no choices"):
            decode(b'{"tokens": 3}')


@pytest.mark.parametrize(
    "ending",
    [
        [{"end": 1}, "[DONE]"],
        [{"end": 1}],
        [{"end": 1, "bye": 1}],
        [{"end": 1}, " [DONE] ", {"broken": 1}, "<html>"],
        [{"end": 1, "bye": 1}, {"broken": 1}, "[DONE]"],
    ],
)
def test_a_stream_ends_by_done_by_an_event_or_with_the_connection(ending: list[object]) -> None:
    adapter = parrot()
    data = stream({"say": "Hi"}, {"say": " you", "tokens": 3}, *ending)
    chunks = feed_all(adapter, [data])
    check_chunks(chunks, wants_usage=True)
    assert text_of(chunks) == "Hi you"
    assert adapter.usage == Usage(3, 1)
    again = feed_all(parrot(), [data[i : i + 1] for i in range(len(data))])
    assert again == chunks


def test_what_is_said_is_passed_on_at_once() -> None:
    assert len(parrot().feed(Event("", b'{"say": "Hi"}'))) == 1


@pytest.mark.parametrize(
    "events",
    [[], [{"tokens": 1}], [{"say": "Hi"}], [{"say": "Hi"}, "[DONE]"], [{"say": "Hi", "bye": 1}]],
)
def test_a_stream_that_stops_before_its_end_is_no_answer(events: list[object]) -> None:
    with pytest.raises(UpstreamInvalidResponse) as caught:
        feed_all(parrot(), [stream(*events)])
    assert caught.value.code == "upstream_stream_incomplete"


def test_an_error_in_a_stream_is_raised_and_what_was_counted_is_known() -> None:
    adapter = parrot()
    with pytest.raises(UpstreamUnavailable):
        feed_all(adapter, [stream({"say": "Hi", "tokens": 7}, {"broken": 1})])
    assert adapter.usage == Usage(7, 1)
    assert not adapter.done


@pytest.mark.parametrize("data", ["", "   "])
def test_an_empty_event_says_nothing(data: str) -> None:
    chunks = feed_all(parrot(), [stream(data, {"say": "Hi", "end": 1})])
    assert text_of(chunks) == "Hi"


@pytest.mark.parametrize("data", ["<html>", "[]", "null", '"x"', "{"])
def test_an_event_that_is_no_object_is_no_answer(data: str) -> None:
    with pytest.raises(UpstreamInvalidResponse, match="An event of the provider's stream is"):
        feed_all(parrot(), [stream(data)])


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b"", "It is not valid JSON."),
        (b"<html>", "It is not valid JSON."),
        (b'{"a": NaN}', "It is not valid JSON."),
        (b"[{}]", "It is no JSON object."),
        (b"null", "It is no JSON object."),
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, "It is nested too deep."),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "It is not valid JSON."),
    ],
)
def test_what_is_no_object_is_said_of_what(body: bytes, sentence: str) -> None:
    with pytest.raises(UpstreamInvalidResponse) as caught:
        parse_object(body, "It")
    assert caught.value.message == sentence
    assert caught.value.status == 502


def test_objects_up_to_the_limit_are_read() -> None:
    body = b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH
    assert parse_object(body, "It").keys() == {"a"}


def test_an_error_may_be_wrapped_in_a_list() -> None:
    assert parse_object(b'[{"error": {"code": 429}}, 1]', "It") == {"error": {"code": 429}}


def test_broken_utf_8_is_mended() -> None:
    assert parse_object(b'{"a": "x\xff"}', "It") == {"a": "x\N{REPLACEMENT CHARACTER}"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (rb"a\ud83d", "a\ufffd"),
        (rb"\ude00", "\ufffd"),
        (rb"\uD83D\uDE00\ud83d", "\U0001f600\ufffd"),
        (rb"\\ud83d\ud83dx", "\\ud83d\ufffdx"),
        (rb"\n\"\ud83d\"", '\n"\ufffd"'),
        (b"\\ud83d\xff", "\ufffd\ufffd"),
    ],
)
def test_halves_of_characters_are_mended(text: bytes, expected: str) -> None:
    assert parse_object(b'{"a": "%b"}' % text, "It") == {"a": expected}


WRONG = [None, True, 1, 1.5, "x", [1], {"a": 1}]


@pytest.mark.parametrize("value", WRONG)
def test_a_reply_s_values_are_of_the_type_asked_for_or_nothing(value: object) -> None:
    reply = {"a": value}
    assert object_in(reply, "a") == (value if isinstance(value, dict) else {})
    assert text_in(reply, "a") == (value if isinstance(value, str) else "")
    assert count_in(reply, "a") == (1 if value == 1 and value is not True else 0)
    assert objects(value) == []


def test_what_is_not_there_is_nothing() -> None:
    assert (object_in({}, "a"), text_in({}, "a"), count_in({}, "a")) == ({}, "", 0)
    assert count_in({"a": -1}, "a") == 0
    assert count_in({"a": 2**53 - 1}, "a") == 2**53 - 1
    assert count_in({"a": 2**53}, "a") == 0
    assert objects([{"a": 1}, 2, None, {}]) == [{"a": 1}, {}]


def test_an_answer_of_too_many_values_is_refused_unread() -> None:
    with pytest.raises(UpstreamInvalidResponse, match="more than 5000000 values"):
        parse_object(b"[" + b"0," * MAX_VALUES + b"junk", "It")


def test_an_answer_is_mended_up_to_a_bound() -> None:
    half = b'"\\ud83d'
    assert mended(half + b'"') == b'"\\ufffd"'
    long = half + b"\\n" * MAX_ESCAPES + b'"'
    assert mended(long) is long
