"""What strings stand for is bounded by one allowance for the whole request."""

import pytest

from llm_gateway.adapters.allowance import Allowance
from llm_gateway.nesting import MAX_DEPTH


def test_json_is_read_and_counted() -> None:
    allowance = Allowance(values=10)
    assert allowance.read('{"a": [1, 2]}') == {"a": [1, 2]}
    assert allowance.values == 6


@pytest.mark.parametrize("text", ["", "{", "{}x", "NaN", "[" * 200 + "]" * 200])
def test_what_cannot_be_read_costs_nothing(text: str) -> None:
    allowance = Allowance()
    with pytest.raises(ValueError):  # noqa: PT011 - of several makers
        allowance.read(text)
    assert allowance == Allowance()


def test_what_is_left_is_for_all_texts_together() -> None:
    allowance = Allowance(values=10)
    for _ in range(2):
        allowance.read("[1, 2, 3]")
    with pytest.raises(ValueError, match="more values"):
        allowance.read("[1, 2, 3]")
    assert allowance.read("[1]") == [1]


def test_depth_is_bounded_as_elsewhere() -> None:
    assert Allowance().read("[" * MAX_DEPTH + "]" * MAX_DEPTH)
