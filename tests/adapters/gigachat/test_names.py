"""Names of functions are made to fit, and made good again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.adapters.gigachat.names import (
    MAX_NAME,
    RESERVED,
    function_name,
    names_to_restore,
)
from support.gigachat_rules import NAME
from support.gigachat_rules import RESERVED as TAKEN


@pytest.mark.parametrize("name", ["f", "_f", "get_weather", "a.b-c_9", "A" * 64])
def test_a_name_that_fits_stays(name: str) -> None:
    assert function_name(name) == name


@pytest.mark.parametrize(
    ("name", "likeness"),
    [
        ("9lives", "_9lives_"),
        ("-f", "_-f_"),
        ("a b", "_a_b_"),
        ("погода", "________"),
        ("f\n", "_f__"),
        ("text2image", "_text2image_"),
        ("A" * 65, "_" + "A" * 54 + "_"),
    ],
)
def test_a_name_that_does_not_fit_becomes_a_likeness_with_a_mark(name: str, likeness: str) -> None:
    fitted = function_name(name)
    assert fitted.startswith(likeness)
    assert len(fitted) == len(likeness) + 8
    assert function_name(name) == fitted


def test_the_names_that_are_taken_are_known() -> None:
    assert RESERVED == TAKEN


@given(st.text(min_size=1))
def test_any_name_is_made_to_fit(name: str) -> None:
    fitted = function_name(name)
    assert NAME.fullmatch(fitted)
    assert fitted not in TAKEN
    assert len(fitted) <= MAX_NAME


@given(st.sets(st.text(min_size=1), min_size=2, max_size=2))
def test_different_names_stay_different(names: set[str]) -> None:
    assert len({function_name(name) for name in names}) == 2


def test_the_names_of_a_request_can_be_restored() -> None:
    names = ["now", "2nd", "text2image"]
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    restored = names_to_restore({"tools": tools})
    assert [restored[function_name(name)] for name in names] == names


@pytest.mark.parametrize(
    "tools", [None, {}, [None, 7, {}, {"function": 1}, {"function": {"name": None}}]]
)
def test_tools_that_are_none_have_no_names(tools: object) -> None:
    assert names_to_restore({"tools": tools}) == {}
