"""Tool calls of a stream come out as OpenAI streams them, however a provider numbers them."""

import time
from itertools import count
from typing import Any

import pytest

from llm_gateway.adapters.openai.calls import Calls


def piece(index: object = None, id: object = None, name: object = None, args: object = None) -> Any:
    """A piece of a call with what is given."""
    function = {k: v for k, v in (("name", name), ("arguments", args)) if v is not None}
    given = {"index": index, "id": id, "type": "function" if id else None}
    return {**{k: v for k, v in given.items() if v is not None}, "function": function}


def numbered() -> Calls:
    """Gives the ids new-0, new-1, …"""
    return Calls(f"new-{number}" for number in count())


def taken(*pieces: Any) -> list[bool]:
    calls = numbered()
    return [calls.take(each) for each in pieces]


def test_openai_s_own_pieces_stay_as_they_are() -> None:
    pieces = [
        piece(0, "a", "f", ""),
        piece(0, args="{}"),
        piece(1, "b", "f", ""),
        piece(1, args="{}"),
        piece(0, args=" "),
    ]
    assert taken(*pieces) == [False] * 5


NUMBERED: dict[str, tuple[list[Any], list[int]]] = {
    "no numbers, whole": ([piece(None, "a", "f", "{}"), piece(None, "b", "f", "{}")], [0, 1]),
    "no numbers, in pieces": (
        [piece(None, "a", "f", ""), piece(args="{"), piece(None, "b", "g", ""), piece(args="{")],
        [0, 0, 1, 1],
    ),
    "all of them 0": ([piece(0, "a", "f", "{}"), piece(0, "b", "f", "{}")], [0, 1]),
    "all of them 0, in pieces": (
        [piece(0, "a", "f", ""), piece(0, args="{"), piece(0, "b", "f", ""), piece(0, args="{")],
        [0, 0, 1, 1],
    ),
    "an id in each piece": (
        [piece(0, "a", "f", ""), piece(0, "a", args="{"), piece(1, "b", "f", "{}")],
        [0, 0, 1],
    ),
    "a new id in each piece": ([piece(0, "a", "f", ""), piece(0, "a2", args="{")], [0, 0]),
    "from 1 on": ([piece(1, "a", "f", "{}"), piece(2, "b", "f", "{}")], [0, 1]),
    "text for numbers": ([piece("0", "a", "f", ""), piece("0", args="{}")], [0, 0]),
    "no ids": (
        [piece(0, None, "f", ""), piece(0, args="{}"), piece(1, None, "g", "{}")],
        [0, 0, 1],
    ),
    "no ids, all of them 0": ([piece(0, None, "f", "{}"), piece(0, None, "f", "{}")], [0, 1]),
    "no ids and no numbers": ([piece(None, None, "f", ""), piece(None, None, "g", "")], [0, 1]),
    "no ids, the name in each piece": (
        [piece(0, None, "f", ""), piece(0, None, "f", "{"), piece(0, None, "f", "}")],
        [0, 0, 0],
    ),
    "ids that are empty": ([piece(0, "", "f", "{}"), piece(0, "", "g", "{}")], [0, 1]),
    "a number in the first piece only": (
        [piece(0, "a", "f", ""), piece(args="{}"), piece(1, "b", "g", ""), piece(args="{}")],
        [0, 0, 1, 1],
    ),
    "ids of a wrong type": ([piece(0, 5, "f", "{}"), piece(1, [], "g", "{}")], [0, 1]),
    "woven": (
        [piece(0, "a", "f", ""), piece(1, "b", "g", ""), piece(0, args="{}"), piece(1, args="{}")],
        [0, 1, 0, 1],
    ),
}


@pytest.mark.parametrize("name", NUMBERED)
def test_calls_are_numbered_in_the_order_they_begin(name: str) -> None:
    pieces, expected = NUMBERED[name]
    taken(*pieces)
    assert [each["index"] for each in pieces] == expected


def test_id_and_name_come_once() -> None:
    pieces = [piece(0, "a", "f", ""), piece(0, "a", "f", "{}")]
    assert taken(*pieces) == [False, True]
    assert pieces[1] == {"index": 0, "function": {"arguments": "{}"}}


def test_what_is_null_in_later_pieces_may_stay() -> None:
    later: dict[str, Any] = {"index": 0, "id": None, "function": {"name": None, "arguments": "{}"}}
    assert taken(piece(0, "a", "f", ""), later) == [False, False]


def test_calls_without_arguments_get_an_empty_object_in_the_end() -> None:
    calls = numbered()
    for each in (piece(0, "a", "f", ""), piece(1, "b", "g", "{}"), piece(2, "c", "h")):
        calls.take(each)
    assert calls.missing() == [
        {"index": 0, "function": {"arguments": "{}"}},
        {"index": 2, "function": {"arguments": "{}"}},
    ]


@pytest.mark.parametrize("function", [None, [], "f", 5, {"name": 5, "arguments": 6}])
def test_strange_pieces_are_numbered_like_others(function: object) -> None:
    strange: dict[str, Any] = {"id": "a", "function": function}
    assert taken(strange) == [True]
    assert strange["index"] == 0


def test_a_call_without_an_id_gets_one() -> None:
    pieces = [
        piece(0, None, "f", ""),
        piece(0, args="{}"),
        piece(1, "b", "g", "{}"),
        piece(2, "", "h", "{}"),
        {"index": 3, "type": "custom", "custom": {"name": "i", "input": "x"}},
    ]
    assert taken(*pieces) == [True, False, False, True, True]
    given = [(each.get("id"), each.get("type")) for each in pieces]
    assert given == [
        ("new-0", "function"),
        (None, None),
        ("b", "function"),
        ("new-1", "function"),
        ("new-2", "custom"),
    ]


def test_arguments_that_are_an_object_become_text() -> None:
    whole = piece(0, "a", "f", {"x": 1})
    assert taken(whole) == [True]
    assert whole["function"]["arguments"] == '{"x":1}'


def test_thousands_of_calls_are_numbered_in_no_time() -> None:
    """Looking at all of them for each took a minute for what a stream of 4 MB may hold."""
    calls = numbered()
    began = time.process_time()
    for number in range(20_000):
        calls.take(piece(number, f"id-{number}", "f", "{}"))
    calls.take(late := piece(None, "id-7", None, " "))
    assert late["index"] == 7
    assert time.process_time() - began < 2


def test_numbers_that_are_none_are_no_trouble() -> None:
    pieces = [piece([1], "a", "f", "{}"), piece({"x": 1}, "b", "g", "{}"), piece([1], args=" ")]
    assert taken(*pieces) == [True] * 3
    assert [each["index"] for each in pieces] == [0, 1, 0]
