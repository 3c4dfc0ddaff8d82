from collections.abc import Mapping

import pytest

from llm_gateway.config import scalars
from llm_gateway.config.cursor import (
    Cursor,
    Invalid,
    Reader,
    Report,
    did_you_mean,
    itself,
    plain,
    scalar,
)
from llm_gateway.config.nodes import MappingNode, SequenceNode, parse


def cursor(text: str, environment: Mapping[str, str] | None = None) -> Cursor:
    node, problems = parse(text, "f.yaml")
    assert node is not None
    assert problems == []
    return Cursor(node, "", node.line, Report("f.yaml", environment or {}))


def problems(place: Cursor) -> list[str]:
    return [str(problem) for problem in place.report.problems]


def complaint(place: Cursor, read: Reader[object]) -> str:
    """The problem that reading this place gives."""
    assert place.attempt(read) is None
    (problem,) = problems(place)
    return problem


def test_fields_gives_what_is_present_and_valid() -> None:
    place = cursor("a: 1\nb: x\n")
    readers = {"a": plain(scalars.integer), "b": plain(scalars.integer), "c": itself}
    assert place.fields(readers) == {"a": 1}
    assert problems(place) == ["f.yaml:2: b: expected an integer, got 'x'"]


def test_fields_names_unknown_and_missing_keys_in_one_run() -> None:
    place = cursor("nmae: 1\nsize: 2\nquite other: 3\n")
    readers = {"name": itself, "size": itself, "model": itself}
    assert set(place.fields(readers, required=("name", "model"))) == {"size"}
    assert problems(place) == [
        "f.yaml:1: unknown key 'nmae', expected one of: name, size, model; did you mean 'name'?",
        "f.yaml:3: unknown key 'quite other', expected one of: name, size, model",
        "f.yaml:1: required key 'name' is missing",
        "f.yaml:1: required key 'model' is missing",
    ]


def test_fields_says_where_a_key_belongs_that_has_no_place_here() -> None:
    place = cursor("a: 1\nb: 2\n")
    elsewhere = {"b": "belongs to c"}
    assert place.fields({"a": plain(scalars.integer)}, elsewhere=elsewhere) == {"a": 1}
    assert problems(place) == ["f.yaml:2: key 'b' belongs to c"]


@pytest.mark.parametrize("text", ["", "~", "{}"])
def test_nothing_is_an_empty_mapping(text: str) -> None:
    assert cursor(text).entries() == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [("x", "'x'"), ("'x'", "the quoted text 'x'"), ("[]", "an empty list"), ("[1]", "a list")],
)
def test_anything_else_is_no_mapping(text: str, found: str) -> None:
    assert complaint(cursor(text), Cursor.entries) == f"f.yaml:1: expected a mapping, got {found}"


@pytest.mark.parametrize(
    ("text", "found"), [("canary", "a single value"), ("", "nothing"), ("{canary: 1}", "a mapping")]
)
def test_a_list_that_is_none_is_not_shown(text: str, found: str) -> None:
    place = cursor(text)
    message = complaint(place, lambda here: here.items("a list of tokens"))
    assert message == f"f.yaml:1: expected a list of tokens, got {found}"


def test_items_have_index_and_line() -> None:
    items = cursor("- a\n-\n  b\n").items("a list")
    assert [(item.path, item.line, item.text()) for item in items] == [
        ("[0]", 1, "a"),
        ("[1]", 3, "b"),
    ]


def test_a_value_is_found_on_the_line_of_its_key() -> None:
    place = cursor("a:\n\n  b: 1\n").entries()["a"]
    assert (place.line, place.path, place.entries()["b"].path) == (1, "a", "a.b")


def test_a_text_has_its_variables_replaced() -> None:
    assert cursor("http://${HOST}/v1", {"HOST": "a"}).text() == "http://a/v1"


def test_a_variable_without_a_value_is_named() -> None:
    place = cursor("${A}${B}", {"B": ""})
    assert complaint(place, Cursor.text) == (
        "f.yaml:1: environment variable A is not set, B is empty"
    )


def test_a_malformed_reference_is_not_shown() -> None:
    assert complaint(cursor("${canary-}"), Cursor.text) == (
        "f.yaml:1: expected ${NAME} or ${NAME:-default} (write $${ for a literal ${)"
    )


@pytest.mark.parametrize(
    ("text", "found"), [("", "nothing"), ("null", "nothing"), ("[a]", "a list")]
)
def test_what_is_no_text(text: str, found: str) -> None:
    assert complaint(cursor(text), Cursor.text) == f"f.yaml:1: expected a text, got {found}"


def test_what_a_variable_holds_is_not_shown() -> None:
    place = cursor("x${A}", {"A": "canary"})
    assert complaint(place, scalar(scalars.duration)) == (
        "f.yaml:1: expected a duration such as 500ms, 30s, 10m or 1h30m, "
        "got the expansion of 'x${A}'"
    )


def test_a_long_value_is_shown_shortened() -> None:
    place = cursor("x" * 100)
    assert complaint(place, scalar(scalars.boolean)) == (
        f"f.yaml:1: expected true or false, got '{'x' * 59}…'"
    )


@pytest.mark.parametrize(("text", "value"), [("5", 5), ("${A}", 7), ('"${A}"', 7)])
def test_a_number_is_written_plain_or_comes_from_a_variable(text: str, value: int) -> None:
    assert cursor(text, {"A": "7"}).attempt(plain(scalars.integer)) == value


def test_a_number_in_quotes_is_a_text() -> None:
    assert complaint(cursor("'5'"), plain(scalars.integer)) == (
        "f.yaml:1: expected a value without quotes, got the quoted text '5'"
    )


def test_a_boolean_is_no_number() -> None:
    assert complaint(cursor("true"), plain(scalars.integer)) == (
        "f.yaml:1: expected an integer, got 'true'"
    )


def test_a_default_stands_below_its_place() -> None:
    place = cursor("a: {}\n").entries()["a"]
    node, _ = parse("b", "")
    assert node is not None
    default = place.default("k", node)
    assert (default.path, default.line, default.text()) == ("a.k", 1, "b")


def test_itself_leaves_the_reading_to_others() -> None:
    assert isinstance(cursor("{a: [1]}").fields({"a": itself})["a"].node, SequenceNode)
    assert isinstance(itself(cursor("{}")).node, MappingNode)


def test_did_you_mean() -> None:
    assert did_you_mean("openruter", ["groq", "openrouter"]) == "; did you mean 'openrouter'?"
    assert did_you_mean("x", ["groq", "openrouter"]) == ""


def test_invalid_becomes_a_problem_with_its_own_text() -> None:
    def refuse(_: Cursor) -> None:
        raise Invalid("no")

    assert complaint(cursor("a"), refuse) == "f.yaml:1: no"
