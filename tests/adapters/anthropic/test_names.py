"""Names and ids are in the letters that Anthropic takes, each in one way only."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.adapters.anthropic.names import call_id, names_to_restore, tool_name

ANY = st.text(min_size=1, max_size=200)


@pytest.mark.parametrize("name", ["f", "get_weather", "a-b", "x" * 128, "Z9"])
def test_a_name_that_fits_stays(name: str) -> None:
    assert tool_name(name) == name


@pytest.mark.parametrize("id", ["toolu_01A09q90qw90lq917835lq9", "call_1", "a" * 64])
def test_an_id_that_fits_stays(id: str) -> None:
    assert call_id(id) == id


@pytest.mark.parametrize("name", ["a b", "é", "x" * 129, "f.g", "a\n", "\ud800"])
def test_a_name_that_does_not_fit_is_made_to_fit(name: str) -> None:
    made = tool_name(name)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,128}", made)
    assert made != name


@given(ANY, ANY)
def test_different_ids_stay_different(one: str, other: str) -> None:
    assert (call_id(one) == call_id(other)) == (one == other)
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", call_id(one))


@given(st.lists(ANY, max_size=3))
def test_every_tools_name_can_be_restored(names: list[str]) -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in names]
    restored = names_to_restore({"tools": tools})
    assert [restored.get(tool_name(name), tool_name(name)) for name in names] == names


@pytest.mark.parametrize(
    "tools", [None, 1, [1], [{}], [{"function": 1}], [{"function": {"name": 1}}], {}]
)
def test_what_are_no_tools_have_no_names(tools: object) -> None:
    assert names_to_restore({"tools": tools}) == {}
    assert names_to_restore({}) == {}
