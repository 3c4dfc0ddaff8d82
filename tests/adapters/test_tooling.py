"""Tools are functions; what is to be called is one of them."""

from typing import Any

import pytest

from llm_gateway.adapters.fields import dropped, refused
from llm_gateway.adapters.tooling import Tool, ToolChoice, read_tool_choice, read_tools
from llm_gateway.errors import RequestError, UpstreamUnsupported
from support.tables import fields_with

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
F, G = (Tool(name, "", None, f"tools[{i}].function") for i, name in enumerate("fg"))


def tool(**function: object) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **function}}


def picked(name: object) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


def allowed(mode: object, *tools: object) -> dict[str, Any]:
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [*tools]}}


@pytest.mark.parametrize("tools", [None, []])
def test_no_tools(tools: object) -> None:
    assert read_tools(tools, fields_with()) == ()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (tool(), Tool("f", "", None, "tools[0].function")),
        (tool(description=None, parameters=None, strict=None),
         Tool("f", "", None, "tools[0].function")),
        (tool(description="Finds.", parameters=SCHEMA, strict=True),
         Tool("f", "Finds.", SCHEMA, "tools[0].function", strict=True)),
        (tool(parameters={}, strict=False), Tool("f", "", {}, "tools[0].function", strict=False)),
        ({**tool(new=1), "cache_control": {}},
         Tool("f", "", None, "tools[0].function", extra={"cache_control": {}, "new": 1})),
    ],
)  # fmt: skip
def test_a_function(given: dict[str, Any], expected: Tool) -> None:
    assert read_tools([given], fields_with()) == (expected,)


def test_tools_keep_their_order_and_know_their_places() -> None:
    tools = read_tools([tool(name="f"), tool(name="g")], fields_with())
    assert tools == (F, G)


@pytest.mark.parametrize(
    ("given", "param", "code"),
    [
        ({}, "tools", "invalid_type"),
        ([1], "tools[0]", "invalid_type"),
        ([{}], "tools[0].type", "missing_required_parameter"),
        ([{"type": None}], "tools[0].type", "invalid_type"),
        ([{"type": "function"}], "tools[0].function", "missing_required_parameter"),
        ([{"type": "function", "function": []}], "tools[0].function", "invalid_type"),
        ([tool(), {"type": "function", "function": {}}], "tools[1].function.name",
         "missing_required_parameter"),
        ([tool(name="")], "tools[0].function.name", "invalid_value"),
        ([tool(name=1)], "tools[0].function.name", "invalid_type"),
        ([tool(description=0)], "tools[0].function.description", "invalid_type"),
        ([tool(parameters=[])], "tools[0].function.parameters", "invalid_type"),
        ([tool(parameters=True)], "tools[0].function.parameters", "invalid_type"),
        ([tool(strict="yes")], "tools[0].function.strict", "invalid_type"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_tools_is_named(given: object, param: str, code: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_tools(given, fields_with())
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)


def test_strictness_may_be_left_out() -> None:
    fields = fields_with({"tools[].function.strict": dropped()})
    assert [each.strict for each in read_tools([tool(strict=True)], fields)] == [None]
    assert fields.dropped == ["tools[0].function.strict"]


def test_not_to_be_strict_is_no_demand() -> None:
    fields = fields_with({"tools[].function.strict": refused()})
    assert [each.strict for each in read_tools([tool(strict=False)], fields)] == [None]
    assert fields.dropped == []


@pytest.mark.parametrize("kind", ["custom", "openrouter:web_search"])
def test_other_tools_than_functions(kind: str) -> None:
    other = {"type": kind, kind: {"name": "x"}}
    fields = fields_with({"tools[].custom": dropped()})
    assert read_tools([other, tool()], fields) == (Tool("f", "", None, "tools[1].function"),)
    assert fields.dropped == ["tools[0]"]
    for rows in ({"tools[].custom": refused()}, {}):
        with pytest.raises(UpstreamUnsupported) as caught:
            read_tools([tool(), other], fields_with(rows))
        assert caught.value.param == "tools[1]"


@pytest.mark.parametrize(
    ("given", "place"),
    [({**tool(), "new": 1}, "tools[0].new"), (tool(new=1), "tools[0].function.new")],
)
def test_no_key_of_a_tool_is_left_out_in_silence(given: dict[str, Any], place: str) -> None:
    fields = fields_with({"tools[].*": dropped()})
    assert read_tools([given], fields) == (F,)
    assert fields.dropped == [place]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        ("none", ToolChoice("none")),
        ("auto", ToolChoice("auto")),
        ("required", ToolChoice("required")),
        (picked("g"), ToolChoice("required", ("g",))),
        (allowed("auto", picked("f"), picked("g")), ToolChoice("auto", ("f", "g"))),
        (allowed("required", picked("g")), ToolChoice("required", ("g",))),
    ],
)
def test_every_form_of_a_choice(choice: object, expected: ToolChoice | None) -> None:
    assert read_tool_choice(choice, (F, G), fields_with()) == expected


@pytest.mark.parametrize(
    "choice",
    [
        True,
        1,
        [],
        {},
        "any",
        {"type": "function"},
        {"type": "function", "function": "f"},
        {"type": "function", "function": {"name": None}},
        {"type": "allowed_tools"},
        {"type": ["function"]},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}},
        picked("h"),
        picked(""),
        allowed("auto"),
        allowed("none", picked("f")),
        allowed("auto", "f"),
        allowed("auto", {"type": "custom"}),
        allowed("auto", picked("f"), picked("h")),
    ],
)
def test_any_other_choice_is_refused(choice: object) -> None:
    with pytest.raises(RequestError) as caught:
        read_tool_choice(choice, (F, G), fields_with())
    assert caught.value.status == 400
    assert (caught.value.param or "").startswith("tool_choice")


@pytest.mark.parametrize("choice", ["none", "auto", None])
def test_without_tools_there_is_nothing_to_choose(choice: object) -> None:
    assert read_tool_choice(choice, (), fields_with()) is None


@pytest.mark.parametrize("choice", ["required", picked("f"), allowed("auto", picked("f"))])
def test_without_tools_none_can_be_demanded(choice: object) -> None:
    with pytest.raises(RequestError, match="tool_choice"):
        read_tool_choice(choice, (), fields_with())


def test_a_choice_among_some_may_be_left_out() -> None:
    fields = fields_with({"tool_choice.allowed_tools": dropped()})
    assert read_tool_choice(allowed("auto", picked("f")), (F,), fields) is None
    assert fields.dropped == ["tool_choice"]
    fields = fields_with({"tool_choice.allowed_tools": refused()})
    with pytest.raises(UpstreamUnsupported) as caught:
        read_tool_choice(allowed("auto", picked("f")), (F,), fields)
    assert caught.value.param == "tool_choice"


@pytest.mark.parametrize(
    ("choice", "place"),
    [
        ({**picked("f"), "new": 1}, "tool_choice.new"),
        ({"type": "function", "function": {"name": "f", "new": 1}}, "tool_choice.function.new"),
        ({**allowed("auto", picked("f")), "new": 1}, "tool_choice.new"),
    ],
)
def test_no_key_of_a_choice_is_left_out_in_silence(choice: dict[str, Any], place: str) -> None:
    taken = read_tool_choice(choice, (F,), fields_with())
    assert taken is not None
    assert taken.extra == {"new": 1}
    fields = fields_with({"*": dropped()})
    taken = read_tool_choice(choice, (F,), fields)
    assert taken is not None
    assert taken.extra == {}
    assert fields.dropped == [place]


def test_a_custom_tool_may_be_demanded_of_another_provider() -> None:
    with pytest.raises(UpstreamUnsupported) as caught:
        read_tool_choice({"type": "custom", "custom": {"name": "x"}}, (F,), fields_with())
    assert caught.value.param == "tool_choice"
