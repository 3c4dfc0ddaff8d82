"""One text from several streams: what the client gets of each, and when there is another one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.errors import (
    GatewayError,
    GatewayShutdown,
    InternalError,
    Retry,
    UpstreamAuthError,
    UpstreamConnectionError,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamTimeout,
)
from llm_gateway.pipe import OpenStream
from llm_gateway.resume import MOST_TIMES, Unbroken, may_resume
from support.fakes import chat_body, make_model
from support.openai_shapes import chunk, first_chunk, last_chunk, text_chunk, usage
from support.virtual_time import run

BROKEN = UpstreamConnectionError("It broke.")
RESUMING = make_model(resume=True)
TOOL = {"type": "function", "function": {"name": "f"}}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"n": 1},
        {"n": None},
        {"tools": []},
        {"tools": None},
        {"functions": []},
        {"logprobs": False},
        {"logprobs": None},
        {"response_format": None},
        {"response_format": {"type": "text"}},
        {"temperature": 0.5, "stop": ["x"], "max_tokens": 7},
    ],
    ids=str,
)
def test_plain_text_may_be_continued(fields: dict[str, Any]) -> None:
    assert may_resume(RESUMING, chat_body(**fields))
    assert not may_resume(make_model(), chat_body(**fields)), "unless the model's says so"


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [TOOL]},
        {"tools": [TOOL], "tool_choice": "none"},
        {"functions": [{"name": "f"}]},
        {"logprobs": True},
        {"audio": {"voice": "v", "format": "wav"}},
        {"response_format": {"type": "json_object"}},
        {"response_format": {"type": "json_schema", "json_schema": {}}},
        {"response_format": {}},
        {"response_format": "text"},
        {"n": 2},
        {"n": 0},
        {"n": "1"},
    ],
    ids=str,
)
def test_what_is_more_than_plain_text_may_not(fields: dict[str, Any]) -> None:
    assert not may_resume(RESUMING, chat_body(**fields))


@dataclass
class Client:
    """Whom one unbroken stream is for. `asked` are the texts that a target was to go on from."""

    opens: bool = True
    asked: list[str] = field(default_factory=list)
    got: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.unbroken = Unbroken(self._reopen)
        self._stream = OpenStream.__new__(OpenStream)

    def give(self, *chunks: dict[str, Any]) -> list[dict[str, Any]]:
        """Chunks of the stream that runs; what the client gets of them."""
        taken = self.unbroken.take([orjson.dumps(each) for each in chunks])
        parsed = [orjson.loads(each) for each in taken]
        self.got += parsed
        return parsed

    def breaks(self, failure: GatewayError = BROKEN) -> bool:
        """The stream breaks off; whether another one goes on."""
        further = run(self.unbroken.go_on(failure))
        assert further in (None, self._stream)
        return further is not None

    @property
    def text(self) -> str:
        return "".join(
            choice["delta"].get("content") or "" for each in self.got for choice in each["choices"]
        )

    async def _reopen(self, text: str) -> OpenStream | None:
        self.asked.append(text)
        return self._stream if self.opens else None


def test_the_chunks_of_the_first_stream_pass_as_they_are() -> None:
    unbroken = Client().unbroken
    chunks = [b'{"id":"x", "choices": [ ]}', b'{"choices":[{"delta":{"content":"a"}}]}', b"{}"]
    assert unbroken.take(chunks) == chunks


def other(text: str | None = None, **fields: Any) -> dict[str, Any]:
    """A chunk of another provider's answer."""
    delta = {**({} if text is None else {"content": text}), **fields}
    return {**chunk("other", delta), "id": "chatcmpl-other", "created": 7}


def test_what_goes_on_is_one_answer_with_what_was_said() -> None:
    client = Client()
    client.give(first_chunk("m"), text_chunk("m", "Hello"))
    assert client.breaks()
    assert client.asked == ["Hello"]
    client.give(other("", role="assistant"), other(" there"), other(". "))
    client.give({**last_chunk("other"), "id": "chatcmpl-other"})
    counted = {**chunk("other", None), "usage": usage(9, 2)}
    client.give(counted)
    assert client.text == "Hello there. "
    heads = {(each["id"], each["created"], each["model"]) for each in client.got}
    assert len(heads) == 1
    roles = [c["delta"].get("role") for each in client.got for c in each["choices"]]
    assert roles == ["assistant", *[None] * (len(roles) - 1)]
    assert [each["choices"][0]["finish_reason"] for each in client.got[:-1]][-1] == "stop"
    assert client.got[-1]["usage"] == usage(9, 2)


@pytest.mark.parametrize(
    "said",
    [
        other("", role="assistant"),
        other(role="assistant"),
        other(),
        chunk("other", None),
        {**chunk("other", None), "usage": None},
        {"choices": []},
        {"choices": None, "id": "x"},
    ],
)
def test_what_is_empty_of_a_later_stream_is_left_out(said: dict[str, Any]) -> None:
    client = Client()
    client.give(text_chunk("m", "Hello"))
    client.breaks()
    assert client.give(said) == []


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ("Hello", " there", "Hello there"),
        ("Hello ", "there", "Hello there"),
        ("Hello ", " there", "Hello there"),
        ("Hel", "lo", "Hello"),
        ("Hello\n\n", "\n\nthere", "Hello\n\nthere"),
        ("Hello\n\n", "\nthere", "Hello\n\nthere"),
        ("Hello\n\n", "there", "Hello\n\nthere"),
        ("Hello\n", "\n\nthere", "Hello\n\nthere"),
        ("Hello \n", " there", "Hello \nthere"),
        ("Hello\n", " there", "Hello\n there"),
        ("Hello\u00a0", "\u00a0there", "Hello\u00a0there"),
        ("Hello ", " ", "Hello "),
    ],
)
@pytest.mark.parametrize("piece", [1, 100])
def test_white_space_at_the_seam_is_there_once(
    before: str, after: str, text: str, piece: int
) -> None:
    client = Client()
    client.give(text_chunk("m", before))
    client.breaks()
    assert client.asked == [before.rstrip()]
    for start in range(0, len(after), piece):
        client.give(other(after[start : start + piece]))
    assert client.text == text


def test_only_the_seam_s_white_space_is_left_out() -> None:
    client = Client()
    client.give(text_chunk("m", "a "))
    client.breaks()
    client.give(other(" b"), other(" "), other(" c"))
    assert client.text == "a b  c"


def test_each_seam_is_told_all_that_was_said() -> None:
    client = Client()
    client.give(text_chunk("m", "one "))
    assert client.breaks()
    client.give(other(" two\n"))
    assert client.breaks()
    client.give(other("\nthree"))
    assert client.asked == ["one", "one two"]
    assert client.text == "one two\nthree"


def test_an_answer_is_continued_so_many_times_and_not_once_more() -> None:
    client = Client()
    client.give(text_chunk("m", "a"))
    for _ in range(MOST_TIMES):
        assert client.breaks()
        client.give(other("b"))
    assert not client.breaks()
    assert len(client.asked) == MOST_TIMES


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [first_chunk("m")],
        [text_chunk("m", " \n")],
        [chunk("m", {"reasoning": "Hm"})],
    ],
    ids=["nothing", "role", "white space", "reasoning"],
)
def test_before_there_is_any_text_nothing_goes_on(chunks: list[dict[str, Any]]) -> None:
    client = Client()
    client.give(*chunks)
    assert not client.breaks()
    assert client.asked == []


@pytest.mark.parametrize(
    "last",
    [
        last_chunk("m"),
        last_chunk("m", "length"),
        chunk("m", {"content": "b"}, "stop"),
        chunk("m", {"tool_calls": [{"index": 0}]}),
        chunk("m", {"function_call": {"name": "f"}}),
        chunk("m", {"refusal": "No."}),
        chunk("m", {"audio": {"id": "a"}}),
        chunk("m", {"content": "b"}, index=1),
        {"choices": [{"delta": {"content": "b"}, "logprobs": {"content": []}}]},
    ],
    ids=[
        "end",
        "length",
        "end with text",
        "tool",
        "function",
        "refusal",
        "audio",
        "two",
        "logprobs",
    ],
)
def test_behind_what_is_no_plain_text_nothing_goes_on(last: dict[str, Any]) -> None:
    client = Client()
    client.give(text_chunk("m", "a"), last)
    assert not client.breaks()


def test_reasoning_before_the_text_is_no_hindrance() -> None:
    client = Client()
    details = [{"type": "reasoning.text"}]
    client.give(
        chunk("m", {"role": "assistant", "content": None, "reasoning": "Hm", "refusal": None}),
        chunk("m", {"reasoning_content": "Hm", "reasoning_details": details, "tool_calls": []}),
        text_chunk("m", "a"),
    )
    assert client.breaks()
    assert client.asked == ["a"]


@pytest.mark.parametrize(
    ("failure", "goes_on"),
    [
        (BROKEN, True),
        (UpstreamTimeout("Silent."), True),
        (UpstreamRateLimited("Slow down.", retry=Retry.ELSEWHERE), True),
        (UpstreamAuthError("No."), True),
        (UpstreamRejected("No."), False),
        (UpstreamConnectionError("Killed by hand.", retry=Retry.NEVER), False),
        (UpstreamConnectionError("Stopping.", code="gateway_shutdown"), False),
        (GatewayShutdown(), False),
        (InternalError(), False),
    ],
    ids=lambda value: value.message if isinstance(value, GatewayError) else None,
)
def test_what_another_call_cannot_mend_is_the_end(failure: GatewayError, goes_on: bool) -> None:
    client = Client()
    client.give(text_chunk("m", "a"))
    assert client.breaks(failure) is goes_on


def test_where_no_target_goes_on_the_stream_is_over() -> None:
    client = Client(opens=False)
    client.give(text_chunk("m", "a"))
    assert not client.breaks()
    assert client.asked == ["a"]


TEXT = st.text(st.sampled_from("ab é😀\n\t") | st.characters(codec="utf-8"), max_size=12)


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in pairwise(places)]


def repeats(text: str, said: str) -> str:
    """A model that goes on right behind what it was told, white space and all."""
    return text[len(said.rstrip()) :]


def goes_on(text: str, said: str) -> str:
    """One that takes the white space as given, or leaves it out."""
    return text[len(said) :]


@pytest.mark.parametrize("model", [repeats, goes_on])
@given(
    parts=st.lists(TEXT.filter(str.strip), min_size=2, max_size=MOST_TIMES + 1),
    cuts=st.lists(st.integers(0, 50), max_size=6),
)
def test_wherever_it_breaks_and_however_it_comes_the_client_gets_the_whole_text(
    model: Callable[[str, str], str], parts: list[str], cuts: list[int]
) -> None:
    if model is goes_on:
        # Else nobody can know whether white space is said a second time.
        parts = [part.lstrip() for part in parts]
    whole, client = "".join(parts), Client()
    said = ""
    for number, part in enumerate(parts):
        said += part
        told = client.text
        rest = model(said, told) if number else part
        client.give(first_chunk(f"m{number}"))
        client.give(*(text_chunk(f"m{number}", piece) for piece in pieces_of(rest, cuts)))
        assert client.text == said
        if number < len(parts) - 1:
            assert client.breaks()
    client.give(last_chunk("m9"))
    assert client.text == whole
    assert {each["model"] for each in client.got} == {"m0"}
    assert client.asked == [text.rstrip() for text in client.asked]
