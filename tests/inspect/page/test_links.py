"""Links to mitmweb's list: the filter finds the row's flows, whatever it is called."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy import flowfilter
from mitmproxy.test import tflow

from llm_gateway.inspect.page.links import flows_of, flows_with

NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1)


def matches(link: str, metadata: dict[str, str]) -> bool:
    """Whether mitmweb's list would show the flow."""
    start, _, pattern = link.partition("#/flows?s=")
    assert start == "../"
    flow = tflow.tflow()
    flow.metadata |= metadata
    return bool(flowfilter.match(unquote(pattern), flow))


@given(NAMES)
def test_every_name_is_found(name: str) -> None:
    assert matches(flows_with("ai.model", name), {"ai.model": name, "ai.exchange": "req_1"})


@pytest.mark.parametrize("other", ["gpt-5", "my-gpt-5.1", "gpt-5.1-mini"])
def test_names_that_are_longer_or_shorter_are_not(other: str) -> None:
    assert not matches(flows_with("ai.model", "gpt-5.1"), {"ai.model": other})


def test_the_same_value_under_another_name_is_not() -> None:
    assert not matches(flows_with("ai.model", "gpt"), {"ai.provider": "gpt"})


def test_the_filter_can_be_read() -> None:
    link = flows_with("ai.target", "a/gpt-5.1")
    assert unquote(link) == '../#/flows?s=~meta "^ai.target: a/gpt-5.1$"'


def test_the_flows_of_an_exchange_are_found() -> None:
    assert matches(flows_of("req_1a2b"), {"ai.exchange": "req_1a2b"})
    assert not matches(flows_of("req_1a2b"), {"ai.exchange": "req_3c4d"})


def test_nothing_in_a_link_ends_the_attribute_that_it_stands_in() -> None:
    link = flows_with("ai.model", "\"><script>alert('x')</script>&")
    assert not {*"\"'<>&"} & {*link}
