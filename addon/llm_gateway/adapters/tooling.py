"""The functions that a model may call, and what a request says of which it should: checked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from llm_gateway import faults
from llm_gateway.adapters.allowance import Allowance
from llm_gateway.adapters.fields import Fields, unsupported

_PLACE = "tools[]"
_KNOWN = {"name", "description", "parameters", "strict"}


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call; ``parameters`` is a JSON Schema, None if not given."""

    name: str
    description: str
    parameters: dict[str, Any] | None
    where: str
    strict: bool | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    allowance: Allowance = field(default_factory=Allowance, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """``none``, ``auto``, ``required``; with ``names``, only these functions."""

    mode: Literal["none", "auto", "required"]
    names: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def read_tools(tools: object, fields: Fields) -> tuple[Tool, ...]:
    """The functions of a request, none where ``tools`` is None.

    Raises RequestError for what is malformed, UpstreamUnsupported for what the table refuses.
    """
    if tools is None:
        return ()
    return tuple(_tools(faults.array(tools, "tools"), fields))


def _tools(tools: list[Any], fields: Fields) -> Iterator[Tool]:
    for index, value in enumerate(tools):
        where = f"tools[{index}]"
        tool = faults.mapping(value, where)
        kind = faults.required(tool, "type", f"{where}.type")
        if faults.string(kind, f"{where}.type") != "function":
            if fields.takes("tools[].custom", where):
                raise unsupported(where, "only functions are")
            continue
        extra = fields.further(tool, {"type", "function"}, where, _PLACE)
        place = f"{where}.function"
        function = faults.mapping(faults.required(tool, "function", place), place)
        yield _function(function, place, extra, fields)


def _function(
    function: dict[str, Any], where: str, extra: Mapping[str, Any], fields: Fields
) -> Tool:
    pattern = f"{_PLACE}.function"
    parameters = function.get("parameters")
    return Tool(
        faults.filled(faults.required(function, "name", f"{where}.name"), f"{where}.name"),
        faults.optional_string(function, "description", f"{where}.description"),
        None if parameters is None else faults.mapping(parameters, f"{where}.parameters"),
        where,
        read_strict(function, where, pattern, fields),
        {**extra, **fields.further(function, _KNOWN, where, pattern)},
        fields.allowance,
    )


def read_strict(spec: dict[str, Any], where: str, pattern: str, fields: Fields) -> bool | None:
    """Whether a schema is to be kept to the letter, None if that is not said or not to be sent."""
    strict = spec.get("strict")
    if strict is None:
        return None
    faults.boolean(strict, f"{where}.strict")
    return strict if fields.takes(f"{pattern}.strict", f"{where}.strict", strict) else None


def read_tool_choice(choice: object, tools: tuple[Tool, ...], fields: Fields) -> ToolChoice | None:
    """What a request says of which functions to call; every name is one of ``tools``.

    Raises RequestError for what is malformed, UpstreamUnsupported for what the table refuses.
    """
    chosen = _tool_choice(choice, fields)
    if chosen is None:
        return None
    if not {tool.name for tool in tools}.issuperset(chosen.names):
        raise faults.invalid_value("tool_choice", "functions that are in 'tools'")
    if tools:
        return chosen
    if chosen.mode == "required":
        raise faults.invalid_value("tool_choice", "'tools' to choose from")
    return None


def _tool_choice(choice: Any, fields: Fields) -> ToolChoice | None:
    match choice:
        case None:
            return None
        case "none" | "auto" | "required":
            return ToolChoice(choice)
        case {"type": "function", "function": {"name": str(name)}}:
            return ToolChoice("required", (name,), _further(choice, "function", "name", fields))
        case {"type": "allowed_tools", "allowed_tools": {"mode": str(mode), "tools": list(tools)}}:
            if not fields.takes("tool_choice.allowed_tools", "tool_choice"):
                return None
            extra = _further(choice, "allowed_tools", "mode tools", fields)
            return _allowed(mode, tools, extra)
        case {"type": "custom"}:
            raise unsupported("tool_choice", "only functions are")
        case _:
            raise faults.invalid_value(
                "tool_choice", "'none', 'auto', 'required' or the name of a function"
            )


def _further(choice: dict[str, Any], kind: str, known: str, fields: Fields) -> dict[str, Any]:
    """What a choice says besides its type and the known keys of what it chooses."""
    inner = f"tool_choice.{kind}"
    return {
        **fields.further(choice, {"type", kind}, "tool_choice", "tool_choice"),
        **fields.further(choice[kind], known.split(), inner, inner),
    }


def _allowed(mode: str, tools: list[Any], extra: Mapping[str, Any]) -> ToolChoice:
    names: list[str] = []
    for tool in tools:
        match tool:
            case {"type": "function", "function": {"name": str(name)}}:
                names.append(name)
            case _:
                raise faults.invalid_value("tool_choice.allowed_tools.tools", "functions by name")
    if mode not in {"auto", "required"} or not names:
        raise faults.invalid_value("tool_choice.allowed_tools", "a mode and at least one function")
    return ToolChoice("required" if mode == "required" else "auto", tuple(names), extra)
