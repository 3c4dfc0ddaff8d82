"""What cannot be asked of Gemini is refused or reported, each at its place."""

from typing import Any

import pytest

from llm_gateway.adapters.fields import Fate
from llm_gateway.adapters.gemini import KIND
from llm_gateway.adapters.gemini.fields import FIELDS, IMAGE_FIELDS
from llm_gateway.errors import Retry, UpstreamUnsupported
from support.calls import make_call

HI = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
TOOL = {"type": "function", "function": {"name": "f", "strict": True, "colour": "red"}}


def left_out(**fields: Any) -> tuple[str, ...]:
    adapter = KIND.chat(make_call({**HI, **fields}))
    adapter.encode()
    return adapter.dropped


def assistant(**fields: Any) -> list[Any]:
    return [*HI["messages"], {"role": "assistant", "content": "Hello", **fields}]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"audio": {"voice": "alloy", "format": "wav"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"function_call": {"name": "f"}}, "function_call"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0]"),
        ({"messages": assistant(audio={"id": "a"})}, "messages[1].audio"),
    ],
)
def test_what_would_change_the_answer_is_refused_by_name(
    fields: dict[str, Any], param: str
) -> None:
    with pytest.raises(UpstreamUnsupported) as caught:
        left_out(**fields)
    assert (caught.value.param, caught.value.retry) == (param, Retry.ELSEWHERE)


@pytest.mark.parametrize(
    ("fields", "places"),
    [
        ({"verbosity": "low", "service_tier": "flex"}, ("verbosity", "service_tier")),
        ({"tools": [TOOL]}, ("tools[0].function.strict", "tools[0].function.colour")),
        ({"tools": [TOOL], "parallel_tool_calls": False}, ("parallel_tool_calls",)),
        ({"messages": assistant(name="Bot")}, ("messages[1].name",)),
        ({"messages": assistant(reasoning_content="Hm")}, ("messages[1].reasoning_content",)),
        ({"messages": assistant(images=[{}])}, ("messages[1].images",)),
        ({"modalities": ["text"], "parallel_tool_calls": True, "store": False}, ()),
    ],
)
def test_what_only_hints_is_reported(fields: dict[str, Any], places: tuple[str, ...]) -> None:
    assert {*places} <= {*left_out(**fields)}
    assert places or not left_out(**fields)


def test_nothing_is_sent_under_its_own_name_since_no_name_is_the_same() -> None:
    fates = {rule.fate for table in (FIELDS, IMAGE_FIELDS) for rule in table.values()}
    assert fates == {Fate.TRANSLATED, Fate.DROPPED, Fate.REFUSED}
