"""What is particular to single dialects, and that a dialect knows whether it changes requests."""

import re
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.adapters.fields import PASSED, dropped, translated
from llm_gateway.adapters.openai import dialects
from llm_gateway.adapters.openai.dialects import FIELDS, MISTRAL, OPENAI, Dialect

ALL = [value for value in vars(dialects).values() if isinstance(value, Dialect)]


def test_the_plain_dialect_passes_requests() -> None:
    assert OPENAI.passes
    assert Dialect({**FIELDS, "made_up": PASSED}, usage=lambda chunk: None).passes


@pytest.mark.parametrize(
    "dialect",
    [
        Dialect({**FIELDS, "user": dropped()}),
        Dialect({**FIELDS, "made_up": dropped()}),
        Dialect(values={"user": {}}),
        Dialect(roles={"developer": "system"}),
        Dialect(call_id=str.upper),
    ],
)
def test_a_dialect_that_changes_anything_does_not(dialect: Dialect) -> None:
    assert not dialect.passes


@pytest.mark.parametrize("dialect", ALL)
def test_usage_that_comes_anyway_is_not_asked_for(dialect: Dialect) -> None:
    rule = dialect.fields["stream_options"]
    assert (rule.fate == translated("").fate) == dialect.counts_anyway


@pytest.mark.parametrize("dialect", ALL)
def test_fields_whose_values_are_mapped_are_told_to_be(dialect: Dialect) -> None:
    for name in dialect.values:
        assert dialect.fields[name].fate == translated("").fate


def test_every_dialect_differs_from_the_others() -> None:
    seen = [tuple(getattr(each, field.name) for field in fields(Dialect)) for each in ALL]
    assert all(each not in seen[:number] for number, each in enumerate(seen))


def call_id(id: str) -> str:
    assert MISTRAL.call_id is not None
    return MISTRAL.call_id(id)


@given(st.text())
def test_any_id_becomes_one_that_mistral_takes_and_always_the_same(id: str) -> None:
    mapped = call_id(id)
    assert re.fullmatch(r"[a-zA-Z0-9]{9}", mapped)
    assert call_id(id) == mapped
    assert call_id(mapped) == mapped


def test_mistral_s_own_ids_stay_and_others_stay_apart() -> None:
    assert call_id("D681PevKs") == "D681PevKs"
    ids = [f"call_{number}" for number in range(1000)]
    assert len({call_id(id) for id in ids}) == len(ids)
    assert call_id("D681PevK\u0661") != "D681PevK\u0661"


@pytest.mark.parametrize(
    "chunk",
    [
        {},
        {"x_groq": None},
        {"x_groq": "x"},
        {"x_groq": {}},
        {"choices": None},
        {"choices": []},
        {"choices": [5]},
    ],
)
def test_a_strange_chunk_counts_nothing_and_fails_nothing(chunk: dict[str, object]) -> None:
    for dialect in ALL:
        for find in (dialect.usage, dialect.error):
            assert find is None or not find(chunk)
