"""What is a message wherever it goes, and what is none anywhere."""

from typing import Any

import pytest

from llm_gateway.api.messages import ROLES, check_messages
from llm_gateway.errors import RequestError

FAULTS: list[tuple[Any, str, str]] = [
    ({"role": "foo", "content": "a"}, ".role", "invalid_value"),
    ({"role": "", "content": "a"}, ".role", "invalid_value"),
    ({"role": "User", "content": "a"}, ".role", "invalid_value"),
    ({"role": ["user"], "content": "a"}, ".role", "invalid_type"),
    ({"content": "a"}, ".role", "missing_required_parameter"),
    ({"role": "user", "content": 5}, ".content", "invalid_type"),
    ({"role": "user", "content": True}, ".content", "invalid_type"),
    ({"role": "user", "content": {"type": "text"}}, ".content", "invalid_type"),
    ({"role": "user", "content": [1]}, ".content[0]", "invalid_type"),
    ({"role": "user", "content": ["a", None]}, ".content[1]", "invalid_type"),
    ({"role": "user", "content": [[{}]]}, ".content[0]", "invalid_type"),
    ({"role": "user", "content": [{"type": 5}]}, ".content[0].type", "invalid_type"),
    ({"role": "user", "content": [{"type": None}]}, ".content[0].type", "invalid_type"),
    ({"role": "user", "content": [{"type": ["text"]}]}, ".content[0].type", "invalid_type"),
    ({"role": "assistant", "tool_calls": {}}, ".tool_calls", "invalid_type"),
    ({"role": "assistant", "tool_calls": "x"}, ".tool_calls", "invalid_type"),
    ({"role": "assistant", "content": "a", "tool_calls": [1]}, ".tool_calls[0]", "invalid_type"),
]

TAKEN: list[dict[str, Any]] = [
    *({"role": role, "content": "a"} for role in ROLES),
    {"role": "user"},
    {"role": "assistant", "content": None, "tool_calls": None},
    {"role": "assistant", "tool_calls": [{"id": "a", "function": {"arguments": "no JSON"}}]},
    {"role": "user", "content": []},
    {"role": "user", "content": ""},
    {"role": "user", "content": "\u0000"},
    {"role": "user", "content": ["vLLM", {"image_url": "https://a.invalid/"}]},
    {"role": "user", "content": [{"type": "video_url", "video_url": {}}]},
    {"role": "user", "content": "a", "made_up": [1]},
]


@pytest.mark.parametrize(("message", "place", "code"), FAULTS)
def test_a_fault_is_named_by_its_place(message: object, place: str, code: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_messages([{"role": "user", "content": "a"}, message], 10)
    assert (caught.value.param, caught.value.code) == (f"messages[1]{place}", code)


@pytest.mark.parametrize("message", TAKEN)
def test_what_some_provider_takes_passes(message: object) -> None:
    check_messages([message], 10)
