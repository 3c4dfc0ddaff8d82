"""JSON that nobody expected: any value, and a good one with something strange in it."""

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

STRANGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "x", "é", "0", "{}", "[1]", "data:image/png;base64,AAAA"]),
    st.text(max_size=5),
    st.sampled_from([[], {}, [[]], [None], [1], ["x"], [{}], {"": None}, {"a": 1}]),
)


def anything(words: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Any JSON, with these words among its keys and strings."""
    return st.recursive(
        STRANGE | words,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(words | st.text(max_size=5), inner, max_size=4)
        ),
        max_leaves=12,
    )


@st.composite
def disturbed(draw: st.DrawFn, value: Any, strange: st.SearchStrategy[Any] = STRANGE) -> Any:
    """A copy of an object or array with one or two things in it replaced, or gone."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 2))):
        places = [*_places(value)]
        if not places:
            break
        container, key = draw(st.sampled_from(places))
        if draw(st.integers(0, 3)):
            # A copy: what is drawn next may be put into it.
            container[key] = copy.deepcopy(draw(strange))
        else:
            del container[key]
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a value, with each of its keys or indexes."""
    if isinstance(value, dict | list):
        for key in [*value] if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])
