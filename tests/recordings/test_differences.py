"""In what two requests differ, in words."""

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.recordings.differences import SHOWN, differences
from support.any_json import anything, disturbed
from support.tapes import chat

BODIES = st.dictionaries(st.text(max_size=5), anything(st.text(max_size=3)), max_size=4)


@pytest.mark.parametrize(
    ("recorded", "asked", "said"),
    [
        (
            chat("What is it?", temperature=0.2),
            chat("Who is it?", temperature=0.7),
            'messages[0].content: recorded "What is it?", asked "Who is it?"; '
            "temperature: recorded 0.2, asked 0.7",
        ),
        (chat(), chat(seed=3), "seed: not recorded, asked 3"),
        (chat(stop="."), chat(), 'stop: recorded ".", not asked'),
        (
            {"messages": ["a"]},
            {"messages": ["a", "b", "c"]},
            "messages: recorded 1 item, asked 3",
        ),
        ({"n": True}, {"n": 1}, "n: recorded true, asked 1"),
        ({"n": None}, {"n": {}}, "n: recorded null, asked an empty object"),
        (
            {"n": []},
            {"n": {"a": 1, "b": 2}},
            "n: recorded an empty list, asked an object with a, b",
        ),
        (
            {"n": [1, 2]},
            {"n": dict.fromkeys("abcd")},
            "n: recorded a list of 2, asked an object with a, b, c…",
        ),
        (
            {"tools": [{"function": {"name": "f"}}]},
            {"tools": [{"function": {"name": "g"}}]},
            'tools[0].function.name: recorded "f", asked "g"',
        ),
    ],
)
def test_a_difference_is_told_by_its_place_and_both_values(
    recorded: Any, asked: Any, said: str
) -> None:
    assert differences(recorded, asked) == said


def test_of_long_texts_the_place_is_shown_where_they_begin_to_differ() -> None:
    long = "The quick brown fox jumps over the lazy dog. " * 1000
    said = differences({"m": f"{long}Yes, he does.{long}"}, {"m": f"{long}No."})
    assert said == (
        'm: recorded "…the lazy dog. Yes, he does.The quick brown fox jumps over th…", '
        'asked "…the lazy dog. No."'
    )


def test_texts_are_shown_in_one_line() -> None:
    said = differences({"m": "one\ntwo\x1b[31m"}, {"m": "one\tthree"})
    assert said == 'm: recorded "one two [31m", asked "one three"'


def test_only_the_first_few_are_told() -> None:
    recorded = {str(number): number for number in range(10)}
    said = differences(recorded, {name: -1 for name in recorded})
    assert said.count("recorded") == SHOWN
    assert said.endswith("; and more")
    few = {str(number): number for number in range(SHOWN)}
    assert differences(few, {name: -1 for name in few}).count("; ") == SHOWN - 1


def test_long_names_and_deep_places_stay_short() -> None:
    deep: Any = {"x" * 1000: 1}
    for _ in range(60):
        deep = {"schema": deep}
    other = copy.deepcopy(deep)
    inner = other
    while "schema" in inner:
        inner = inner["schema"]
    inner["x" * 1000] = 2
    assert len(differences(deep, other)) < 200


@given(BODIES.flatmap(lambda body: st.tuples(st.just(body), disturbed(body))))
def test_what_differs_is_told_and_briefly(pair: tuple[Any, Any]) -> None:
    recorded, asked = pair
    sort = orjson.OPT_SORT_KEYS
    differ = orjson.dumps(recorded, option=sort) != orjson.dumps(asked, option=sort)
    said = differences(recorded, asked)
    assert bool(said) is differ
    assert len(said) < 2000
    assert said.isprintable()
