"""Another name for what a provider does not take: short, made of the name alone, and its own."""

import re

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.adapters.naming import declared_names, likeness

MISFIT = re.compile(r"[^a-z]")


def test_a_likeness_keeps_what_fits_and_ends_with_a_mark_of_the_whole() -> None:
    assert re.fullmatch(r"a_b_c_[0-9a-f]{8}", likeness("a b.c", MISFIT, 64))
    assert likeness("a b", MISFIT, 64) != likeness("a.b", MISFIT, 64)


@given(st.text(), st.integers(10, 128))
def test_a_likeness_keeps_to_its_limit_and_is_the_same_each_time(text: str, limit: int) -> None:
    found = likeness(text, MISFIT, limit)
    assert len(found) <= limit
    assert re.fullmatch(r"[a-z_]*_[0-9a-f]{8}", found)
    assert likeness(text, MISFIT, limit) == found


def test_the_names_that_a_request_declares() -> None:
    tools = [{"function": {"name": "f"}}, {"function": {}}, {"type": "custom"}, 7]
    assert [*declared_names({"tools": tools})] == ["f", "", ""]
    assert [*declared_names({})] == []
