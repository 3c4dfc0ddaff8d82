"""Events of a stream, in the old shape and in OpenAI's; the rest is in the wire files."""

import json
from typing import Any

import pytest

from llm_gateway.adapters.answers import Chunks
from llm_gateway.adapters.cloudflare.stream import StreamReader
from llm_gateway.errors import UpstreamUnavailable
from support.calls import make_call

CALL = make_call({"model": "m", "messages": [], "stream": True})


class Stream:
    """A stream that was read to its end."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self.chunks = Chunks(CALL)
        reader = StreamReader(CALL, self.chunks, 5)
        for event in events:
            reader.read(event)
        reader.close()
        self.complete = self.chunks.complete
        parsed = [json.loads(data) for data in self.chunks.finish()]
        choices = [choice for chunk in parsed for choice in chunk["choices"]]
        self.models = {chunk["model"] for chunk in parsed}
        self.text = "".join(choice["delta"].get("content") or "" for choice in choices)
        self.reason = choices[-1]["finish_reason"] if choices else None


def delta(content: object = None, reason: object = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": content}, "finish_reason": reason}
    return {"choices": [choice], **more}


@pytest.mark.parametrize(
    ("response", "text"),
    [("a", "a"), ("", ""), (None, ""), (7, "7"), (0.5, "0.5"), (True, "true"), ([], "[]")],
)
def test_a_token_may_have_been_parsed_on_the_way(response: object, text: str) -> None:
    assert Stream({"response": response, "p": "abc"}).text == text


def test_an_event_of_the_responses_api_is_no_text() -> None:
    stream = Stream({"type": "response.created", "response": {"id": "resp_1", "output": []}})
    assert stream.text == ""


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        ({"response": ""}, "stop"),
        ({"response": "", "usage": {"prompt_tokens": 1, "completion_tokens": 4}}, "stop"),
        ({"response": "", "usage": {"prompt_tokens": 1, "completion_tokens": 5}}, "length"),
        (
            {
                "response": "",
                "finish_reason": "stop",
                "usage": {"prompt_tokens": 1, "completion_tokens": 5},
            },
            "stop",
        ),
        ({"response": "", "finish_reason": "length"}, "length"),
        ({"response": "", "tool_calls": [{"name": "f", "arguments": {}}]}, "tool_calls"),
    ],
)
def test_the_old_shape_ends_where_it_is_said_to_be_over(last: Any, reason: str) -> None:
    stream = Stream({"response": "a"}, last)
    assert stream.complete
    assert stream.reason == reason


def test_the_new_shape_ends_by_its_reason() -> None:
    assert Stream(delta("a"), delta(reason="length")).reason == "length"
    assert not Stream(delta("a")).complete


def test_events_without_an_answer_add_nothing() -> None:
    stream = Stream({"p": "abc"}, {"choices": []}, {"choices": None}, {"choices": [1, None]})
    assert not stream.complete
    assert stream.text == ""


def test_every_chunk_names_the_model_of_the_first_event() -> None:
    assert Stream(delta("a", model="x"), delta("b", "stop", model="y")).models == {"x"}
    assert Stream(delta("a"), delta("b", "stop", model="y")).models == {"up-model"}


def test_the_last_account_of_tokens_counts() -> None:
    first, last = ({"prompt_tokens": 1, "completion_tokens": count} for count in (0, 3))
    stream = Stream({"response": "a", "usage": first}, {"response": "", "usage": last})
    assert stream.chunks.tokens is not None
    assert stream.chunks.tokens.completion == 3


@pytest.mark.parametrize(
    "event", [delta(reason="error"), {"response": "", "finish_reason": "error"}]
)
def test_an_answer_that_broke_off_is_a_failure(event: dict[str, Any]) -> None:
    with pytest.raises(UpstreamUnavailable):
        Stream(event)


@pytest.mark.parametrize(
    "event",
    [
        {"choices": [{"index": "x", "delta": "y", "finish_reason": 5}]},
        {"choices": [{"delta": {"content": {"a": 1}, "tool_calls": "z", "refusal": 4}}]},
        {"response": "a", "tool_calls": {"name": "f"}, "usage": 7, "model": 1},
        {"response": "a", "tool_calls": [{"function": [], "index": "x", "id": 4}]},
    ],
)
def test_strange_types_raise_nothing(event: dict[str, Any]) -> None:
    Stream(event)
