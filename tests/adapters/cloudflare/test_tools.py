"""Tool calls in all the forms that Cloudflare's models give them."""

import json
from typing import Any

import pytest

from llm_gateway.adapters.answers import Chunks
from llm_gateway.adapters.cloudflare.tools import CallIds, StreamedCalls, as_text, calls_made
from support.calls import make_call

CALL = make_call({"model": "m", "messages": []})
OWN = "call_0123456789abcdef0123456789_1_"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        ("", ""),
        (None, ""),
        (5, "5"),
        (1.5, "1.5"),
        (True, "true"),
        ({"a": "é"}, '{"a":"é"}'),
        ([], "[]"),
    ],
)
def test_what_was_parsed_on_the_way_becomes_text_again(value: object, text: str) -> None:
    assert as_text(value) == text


def test_ids_are_the_providers_where_they_are_good() -> None:
    ids = CallIds(CALL)
    given = ["a", "", "a", "b", ""]
    assert [ids.take(each) for each in given] == ["a", f"{OWN}1", f"{OWN}2", "b", f"{OWN}4"]


@pytest.mark.parametrize(
    ("entry", "arguments"),
    [
        ({"name": "f", "arguments": {"a": 1}}, '{"a":1}'),
        ({"name": "f", "arguments": '{"a": 1}'}, '{"a": 1}'),
        ({"name": "f"}, "{}"),
        ({"name": "f", "arguments": None}, "{}"),
        ({"name": "f", "arguments": ""}, "{}"),
        ({"function": {"name": "f", "arguments": {"a": 1}}}, '{"a":1}'),
        ({"type": "function", "function": {"name": "f", "arguments": ""}}, "{}"),
    ],
)
def test_a_call_is_read_in_either_form(entry: dict[str, Any], arguments: str) -> None:
    (made,) = calls_made(CallIds(CALL), [entry])
    assert (made.name, made.arguments) == ("f", arguments)


@pytest.mark.parametrize(
    "entries",
    [
        None,
        "x",
        {},
        [],
        [None, 1, "f", []],
        [{"id": None, "function": {"name": None}}],
        [{"name": 5, "arguments": {}}],
        [{"function": "f"}],
    ],
)
def test_what_names_no_function_is_no_call(entries: object) -> None:
    assert calls_made(CallIds(CALL), entries) == ()


def streamed(*events: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """The calls that a stream's events add up to: id, name, arguments."""
    chunks = Chunks(CALL)
    calls = StreamedCalls(CALL, chunks)
    for entries in events:
        calls.add(0, entries)
    calls.close(0)
    made: list[tuple[str, str, str]] = []
    for data in chunks.take():
        for choice in json.loads(data)["choices"]:
            for piece in choice["delta"]["tool_calls"]:
                arguments = piece["function"]["arguments"]
                if piece["index"] == len(made):
                    made.append((piece["id"], piece["function"]["name"], arguments))
                else:
                    id, name, before = made[piece["index"]]
                    made[piece["index"]] = (id, name, before + arguments)
    return made


def head(index: int | None, id: str, name: str, arguments: str | None = None) -> dict[str, Any]:
    """The beginning of a call."""
    numbered = {} if index is None else {"index": index}
    return {**numbered, "id": id, "function": {"name": name, "arguments": arguments}}


def piece(index: int | None, arguments: str | None) -> dict[str, Any]:
    """A further piece of a call."""
    return {"index": index, "id": None, "function": {"name": None, "arguments": arguments}}


@pytest.mark.parametrize(
    ("events", "calls"),
    [
        ([[head(0, "a", "f", "{}")]], [("a", "f", "{}")]),
        ([[head(0, "a", "f")], [piece(0, "{"), piece(0, "}")]], [("a", "f", "{}")]),
        ([[head(0, "a", "f")], [piece(0, None)]], [("a", "f", "{}")]),
        ([[head(None, "a", "f")], [piece(None, "{}")]], [("a", "f", "{}")]),
        (
            [[head(0, "a", "f"), head(1, "b", "g")], [piece(1, "[1]"), piece(0, "[0]")]],
            [("a", "f", "[0]"), ("b", "g", "[1]")],
        ),
        # The name again with each piece.
        ([[head(0, "a", "f", "{")], [head(0, "a", "f", "}")]], [("a", "f", "{}")]),
        ([[head(0, "a", "f", "{")], [head(0, "", "f", "}")]], [("a", "f", "{}")]),
        # One number for two calls.
        (
            [[head(0, "a", "f", "{}")], [head(0, "b", "f", "{}")]],
            [("a", "f", "{}"), ("b", "f", "{}")],
        ),
        # One id for two calls.
        (
            [[head(0, "a", "f", "{}"), head(1, "a", "f", "{}")]],
            [("a", "f", "{}"), (f"{OWN}1", "f", "{}")],
        ),
        # Flat and without ids, as old models give them.
        (
            [[{"name": "f", "arguments": {"x": 1}}, {"name": "f", "arguments": {}}]],
            [(f"{OWN}0", "f", '{"x":1}'), (f"{OWN}1", "f", "{}")],
        ),
        ([[piece(0, "{}")]], []),
        ([[piece(0, None)]], []),
        ([[head(0, "a", "f", "{}")], [piece(7, None)]], [("a", "f", "{}")]),
    ],
)
def test_pieces_are_put_to_their_calls(
    events: list[list[dict[str, Any]]], calls: list[tuple[str, str, str]]
) -> None:
    assert streamed(*events) == calls
