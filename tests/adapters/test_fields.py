"""What a table says of a field is what happens to it."""

from typing import Any

import pytest

from llm_gateway.adapters.fields import (
    NEUTRAL,
    PASSED,
    Fate,
    Fields,
    Table,
    asks_nothing,
    dropped,
    refused,
    renamed,
    rules,
    translated,
    unsupported,
)
from llm_gateway.errors import RequestError, Retry, UpstreamUnsupported

TABLE: Table = {
    "model": translated("the provider's name"),
    "temperature": PASSED,
    "max_completion_tokens": renamed("max_tokens"),
    "max_tokens": PASSED,
    "user": dropped(),
    "n": refused("one answer only"),
    "logprobs": refused(),
    "verbosity": dropped(),
    "messages[].name": dropped(),
    "messages[].audio": refused("no sound"),
    "messages[].*": PASSED,
    "*": dropped(),
}


def sift(body: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    fields = Fields(TABLE)
    return fields.sift(body), fields.dropped


@pytest.mark.parametrize(
    ("body", "sent", "left_out"),
    [
        ({"temperature": 0.5}, {"temperature": 0.5}, []),
        ({"model": "m"}, {"model": "m"}, []),
        ({"max_completion_tokens": 5}, {"max_tokens": 5}, []),
        ({"user": "u"}, {}, ["user"]),
        ({"new": 1, "newer": {}}, {}, ["new", "newer"]),
        ({"temperature": None}, {"temperature": None}, []),
        ({"user": None, "n": None, "new": None}, {}, []),
        ({"n": 1, "logprobs": False, "verbosity": "medium"}, {}, []),
        ({"verbosity": "low"}, {}, ["verbosity"]),
    ],
)
def test_each_field_goes_where_the_table_says(
    body: dict[str, Any], sent: dict[str, Any], left_out: list[str]
) -> None:
    assert sift(body) == (sent, left_out)


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"n": 2}, "'n' is not supported by this provider: one answer only."),
        ({"logprobs": True}, "'logprobs' is not supported by this provider."),
    ],
)
def test_what_is_refused_is_named_and_may_be_asked_of_another(
    body: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(UpstreamUnsupported) as caught:
        sift(body)
    assert caught.value.message == sentence
    assert caught.value.param == next(iter(body))
    assert caught.value.retry is Retry.ELSEWHERE


@pytest.mark.parametrize(
    "body",
    [
        {"max_tokens": None, "max_completion_tokens": 5},
        {"max_completion_tokens": 5, "max_tokens": None},
        {"max_tokens": 5, "max_completion_tokens": None},
        {"max_completion_tokens": None, "max_tokens": 5},
        {"max_completion_tokens": 5, "max_tokens": 5},
    ],
)
def test_null_under_one_name_does_not_undo_what_the_other_says(body: dict[str, Any]) -> None:
    assert sift(body) == ({"max_tokens": 5}, [])


def test_two_names_of_one_field_cannot_say_different_things() -> None:
    with pytest.raises(RequestError) as caught:
        sift({"max_tokens": 5, "max_completion_tokens": 6})
    assert caught.value.status == 400
    assert caught.value.param == "max_completion_tokens"


@pytest.mark.parametrize("name", ["messages[].name", "messages[].*", "*", ""])
def test_a_client_s_field_is_not_taken_for_a_pattern(name: str) -> None:
    assert sift({name: 1}) == ({}, [name])


def test_names_that_a_client_made_up_are_made_printable() -> None:
    assert sift({"a\r\nb": 1, "x" * 100: 2})[1] == ["a??b", "x" * 64 + "…"]


def test_further_keys_are_looked_up_below_their_place() -> None:
    fields = Fields(TABLE)
    message = {"role": "user", "name": "Ann", "new": 1, "content[].x": 2, "nothing": None}
    assert fields.further(message, {"role"}, "messages[3]", "messages[]") == {
        "new": 1,
        "content[].x": 2,
    }
    assert fields.dropped == ["messages[3].name"]
    with pytest.raises(UpstreamUnsupported, match=r"messages\[3\]\.audio"):
        fields.further({"audio": {}}, (), "messages[3]", "messages[]")


@pytest.mark.parametrize(
    ("pattern", "taken"),
    [
        ("messages[].name", False),
        ("messages[].other", True),
        ("messages[].content[].other", True),
        ("tools[].other", False),
    ],
)
def test_what_the_table_does_not_list_falls_under_the_nearest_star(
    pattern: str, taken: bool
) -> None:
    assert Fields(TABLE).takes(pattern, "there") is taken


def test_a_place_is_noted_once_and_adapters_may_note_their_own() -> None:
    fields = Fields(TABLE)
    fields.takes("user", "user", "a")
    fields.takes("user", "user", "a")
    fields.drop("stop[1]")
    fields.drop("stop[1]")
    assert fields.dropped == ["user", "stop[1]"]


def test_many_made_up_fields_are_no_work() -> None:
    _, left_out = sift({f"f{number}": 1 for number in range(50_000)})
    assert len(left_out) == 50_000


@pytest.mark.parametrize("pattern", NEUTRAL)
def test_a_neutral_value_asks_nothing(pattern: str) -> None:
    for value in NEUTRAL[pattern]:
        assert asks_nothing(pattern, value)
        assert not asks_nothing("another", value)


@pytest.mark.parametrize(
    ("name", "value"), [("n", True), ("logprobs", 0), ("store", 0), ("stream", 0), ("n", "1")]
)
def test_true_is_not_one_and_false_is_not_zero(name: str, value: object) -> None:
    assert not asks_nothing(name, value)


def test_one_rule_for_several_fields() -> None:
    assert rules(PASSED, ("a", "b")) == {"a": PASSED, "b": PASSED}


def test_rules_say_their_fate() -> None:
    fates = [rule.fate for rule in (PASSED, renamed("x"), translated("x"), dropped(), refused())]
    assert fates == list(Fate)


def test_the_refusal_names_the_place() -> None:
    assert unsupported("tools[0]").message == "'tools[0]' is not supported by this provider."
