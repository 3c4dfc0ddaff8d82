"""Which recorded request is the nearest to one that was not recorded."""

from typing import Any

import orjson
import pytest

from llm_gateway.recordings.asked import by_client
from llm_gateway.recordings.nearest import Sketch, sketch
from support.tapes import CHAT, chat


def sketched(body: Any, path: str = CHAT) -> Sketch:
    asked = by_client(path, orjson.dumps(body))
    assert asked is not None
    return sketch(asked)


def talk(*said: str, **fields: Any) -> Any:
    return {**chat(**fields), "messages": [{"role": "user", "content": each} for each in said]}


def test_a_request_is_nowhere_nearer_than_at_itself() -> None:
    one = sketched(talk("a", "b", temperature=0.2))
    assert one.distance(one) == 0


@pytest.mark.parametrize(
    ("asked", "nearest", "farther"),
    [
        (chat("Who is it?"), chat("What is it?"), chat("Draw a cat")),
        (chat(temperature=0.7), chat(temperature=0.2), chat("Draw a cat", temperature=0.7)),
        (chat(temperature=0.7), chat(), chat(seed=1)),
        (talk("a", "b", "d"), talk("a", "b", "c"), talk("x", "y", "d")),
        # One more message shifts all others, and is still one.
        (talk("s", "a", "b", "c"), talk("a", "b", "c"), talk("a", "x", "y", "c")),
        (talk("a", "a"), talk("a"), talk("a", "a", "a", "a")),
        (chat("What is a wolf?"), chat("What is a fox?", temperature=0.2), chat("Go!")),
        (chat(model="b"), chat(model="a"), chat("else", model="b", seed=2)),
    ],
)
def test_the_nearest_is_what_a_person_would_take(asked: Any, nearest: Any, farther: Any) -> None:
    wanted = sketched(asked)
    assert wanted.distance(sketched(nearest)) < wanted.distance(sketched(farther))


def test_other_words_in_another_order_are_no_nearer_than_the_same() -> None:
    one, other = sketched(talk("a b", "b a")), sketched(talk("b a", "a b"))
    assert one.distance(other) >= one.distance(one) == 0


def test_the_distance_is_the_same_both_ways() -> None:
    one, other = sketched(talk("a b c", "d", seed=1)), sketched(talk("b c", "x", "y", "z"))
    assert one.distance(other) == other.distance(one)


def test_prompts_of_pictures_are_compared_by_their_words() -> None:
    path = "/v1/images/generations"
    wanted = sketched({"prompt": "a black cat"}, path)
    cat, dog = sketched({"prompt": "a white cat"}, path), sketched({"prompt": "two dogs"}, path)
    assert wanted.distance(cat) < wanted.distance(dog)


def test_a_sketch_is_small_however_long_the_message() -> None:
    words = " ".join(f"word{number}" for number in range(100_000))
    assert len(sketched(chat(words)).words) < 1000
