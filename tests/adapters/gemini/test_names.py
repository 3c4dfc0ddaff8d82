"""Every name of a function can be sent, and comes back as it was."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.adapters.gemini.names import by_sent_name, sent_name
from support.gemini_rules import FUNCTION_NAME

OPENAI_S = re.compile(r"[a-zA-Z0-9_-]{1,64}")


@pytest.mark.parametrize("name", ["f", "_", "get-weather", "a.b", "A" * 64])
def test_a_name_that_google_takes_stays(name: str) -> None:
    assert sent_name(name) == name


@pytest.mark.parametrize("name", ["9lives", "-f", "a b", "mcp/tool", "ö", "a:b", "A" * 65, ""])
def test_another_is_changed_into_one_that_it_takes(name: str) -> None:
    sent = sent_name(name)
    assert sent != name
    assert FUNCTION_NAME.fullmatch(sent)
    assert sent_name(sent) == sent


@given(st.lists(st.from_regex(OPENAI_S, fullmatch=True) | st.text(), unique=True))
def test_names_can_be_told_apart_and_turned_back(names: list[str]) -> None:
    assert [by_sent_name(names)[sent_name(name)] for name in names] == names
