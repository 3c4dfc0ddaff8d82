"""Rows S: the other fields of a chat request."""

from typing import Any

from support.bad_input.case import Answer, chat, error, refused, served
from support.bad_input.stage import CLAUDE, GEMINI

_TYPE = "invalid_type"
_TOOL: Any = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
_REJECTED = error(400, "upstream_rejected", ...)

_BAD: dict[str, dict[str, tuple[Any, str]]] = {
    "S1": {
        "stream-text": ("true", _TYPE),
        "stream-number": (1, _TYPE),
        "stream-object": ({}, _TYPE),
    },
    "S3": {
        "n-0": (0, "integer_below_min_value"),
        "n-minus": (-1, "integer_below_min_value"),
        "n-fraction": (1.5, _TYPE),
        "n-huge": (10**9, "integer_above_max_value"),
        "n-text": ("2", _TYPE),
        "n-true": (True, _TYPE),
    },
    "S4": {
        "temperature-minus": (-1, "decimal_below_min_value"),
        "temperature-text": ("hot", _TYPE),
        "temperature-true": (True, _TYPE),
        "temperature-list": ([1], _TYPE),
        "top_p-minus": (-0.1, "decimal_below_min_value"),
        "presence_penalty-text": ("1", _TYPE),
        "frequency_penalty-object": ({}, _TYPE),
    },
    "S5": {
        "max_tokens-0": (0, "integer_below_min_value"),
        "max_tokens-minus": (-5, "integer_below_min_value"),
        "max_tokens-fraction": (2.5, _TYPE),
        "max_tokens-exponent": (1e18, _TYPE),
        "max_completion_tokens-text": ("5", _TYPE),
        "seed-fraction": (0.5, _TYPE),
    },
    "S6": {
        "stop-number": (1, _TYPE),
        "stop-object": ({}, _TYPE),
    },
    "S8": {
        "response_format-text": ("json", _TYPE),
        "response_format-list": ([], _TYPE),
        "tools-object": ({}, _TYPE),
        "tools-text": ("f", _TYPE),
        "tool_choice-number": (1, _TYPE),
        "stream_options-text": ("x", _TYPE),
    },
}
_PLACED = {
    "S6-stop-list-of-numbers": ({"stop": [1]}, _TYPE, "stop[0]"),
    "S8-tools-number": ({"tools": [1]}, _TYPE, "tools[0]"),
    "S8-tools-null": ({"tools": [_TOOL, None]}, _TYPE, "tools[1]"),
    "S8-tools-1001": ({"tools": [_TOOL] * 1001}, "array_above_max_length", "tools"),
}
_REJECTED_BY_PROVIDER: dict[str, dict[str, Any]] = {
    "S2-stream_options-without-stream": {"stream_options": {"include_usage": True}},
    "S4-temperature-3": {"temperature": 3},
    "S5-max_tokens-beyond-64-bits-nearly": {"max_tokens": 2**63},
    "S6-stop-5": {"stop": ["a", "b", "c", "d", "e"]},
    "S7-unknown-field": {"no_such_field": {"a": [1]}},
    "S8-response_format-junk": {"response_format": {"type": "junk"}},
    "S8-tools-empty-object": {"tools": [{}]},
    "S8-tools-no-name": {"tools": [{"type": "function", "function": {}}]},
    "S8-tool_choice-junk": {"tools": [_TOOL], "tool_choice": "junk"},
}
_JUNK: dict[str, dict[str, Any]] = {
    "response_format": {"response_format": {"type": "json_schema", "json_schema": {"schema": 1}}},
    "tools": {"tools": [{"type": "function", "function": {"name": 1, "parameters": []}}]},
    "tools-empty": {"tools": [{}]},
    "tool_choice": {"tools": [_TOOL], "tool_choice": {"type": "function", "function": 1}},
    "content": {"messages": [{"role": "user", "content": [{"type": "junk"}]}]},
    "image_url": {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
}


def _named(id: str) -> str:
    return id.partition("-")[0]


ROWS = (
    *(
        refused(f"{number}-{id}", chat(**{_named(id): value}), error(400, code, _named(id)))
        for number, inputs in _BAD.items()
        for id, (value, code) in inputs.items()
    ),
    *(
        refused(id, chat(**content), error(400, code, param))
        for id, (content, code, param) in _PLACED.items()
    ),
    *(
        refused(id, chat(**content), _REJECTED, calls=1)
        for id, content in _REJECTED_BY_PROVIDER.items()
    ),
    *(
        served(f"S{number}-{name}-null", chat(**{name: None}), calls=1)
        for number, name in ((1, "stream"), (4, "temperature"), (5, "max_tokens"), (6, "stop"))
    ),
    *(
        served(f"S8-logit_bias-junk-{model}", chat(model=model, logit_bias=[]), calls=1)
        for model in (CLAUDE, GEMINI)
    ),
    served("S6-stop-empty", chat(stop=""), calls=1),
    *(
        served(f"S7-unknown-field-{model}", chat(model=model, no_such_field=1), calls=1)
        for model in (CLAUDE, GEMINI)
    ),
    *(
        refused(f"S8-{name}-{model}", chat(model=model, **content), Answer(400))
        for model in (CLAUDE, GEMINI)
        for name, content in _JUNK.items()
    ),
    served(
        "S9-100000-keys",
        chat(logit_bias={str(key): 1 for key in range(100_000)}),
        calls=1,
        http2=False,
    ),
)
