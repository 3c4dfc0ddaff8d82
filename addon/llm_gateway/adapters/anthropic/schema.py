"""JSON Schemas as Anthropic's structured outputs take them: a subset, and closed objects only.

An object's keys have to be listed, with ``additionalProperties: false``; a keyword outside the
subset would be a 400. As Anthropic's own SDK does, such keywords are written into the description,
where the model reads them. What has free keys, may be anything at all, or contains itself cannot
be said and is refused. Source: platform.claude.com/docs/en/build-with-claude/structured-outputs,
and ``anthropic.lib._parse._transform`` of the SDK.
"""

from collections.abc import Mapping

import orjson

from llm_gateway.adapters.allowance import Allowance
from llm_gateway.adapters.fields import unsupported
from llm_gateway.adapters.schemas import (
    Schema,
    inlined,
    merged_all_of,
    one_of_as_any_of,
    required_are_properties,
    rewritten,
)

_KEPT = {
    "type", "title", "description", "enum", "const", "anyOf", "properties", "required", "items",
}  # fmt: skip
_MEANINGLESS = {"$schema", "$id", "$comment", "additionalProperties"}
_SAYING = {"type", "enum", "const", "anyOf", "properties"}
_FORMATS = {
    "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid",
}  # fmt: skip
_MIN_ITEMS = (0, 1)
_FREE = "objects have to list their keys, and values to have a type"


def closed(schema: Schema, where: str, allowance: Allowance) -> Schema:
    """``schema``, which stands at ``where``, in the subset.

    Raises UpstreamUnsupported for what the subset cannot say, RequestError for what is no schema.
    """

    def close(each: Schema) -> Schema:
        if not _can_be_said(each):
            raise unsupported(where, _FREE)
        return _closed(each)

    rules = (one_of_as_any_of, merged_all_of, required_are_properties, close)
    return rewritten(inlined(schema, where, allowance), *rules)


def _can_be_said(schema: Schema) -> bool:
    """Whether it is no more than its own keywords say; those inside it are closed already."""
    inner = [*_values(schema.get("properties")), schema.get("items", {}), *_listed(schema)]
    if not schema.keys() & _SAYING or not all(isinstance(each, dict) for each in inner):
        return False
    free = schema.get("additionalProperties", True)
    if free is False or not _is_object(schema):
        return True
    return free is True and bool(schema.keys() & {"properties", "anyOf"})


def _closed(schema: Schema) -> Schema:
    made = {key: value for key, value in schema.items() if _is_kept(key, value)}
    rest = {k: v for k, v in schema.items() if k not in made and k not in _MEANINGLESS}
    if _is_object(schema):
        made = {"type": "object", **made, "additionalProperties": False}
    return _described(made, rest)


def _is_kept(key: str, value: object) -> bool:
    return (
        key in _KEPT
        or (key == "format" and isinstance(value, str) and value in _FORMATS)
        or (key == "minItems" and value in _MIN_ITEMS)
    )


def _is_object(schema: Schema) -> bool:
    types = schema.get("type")
    return "object" in (types if isinstance(types, list) else [types]) or "properties" in schema


def _values(value: object) -> list[object]:
    return list(value.values()) if isinstance(value, dict) else []


def _listed(schema: Schema) -> list[object]:
    alternatives = schema.get("anyOf")
    return alternatives if isinstance(alternatives, list) else []


def _described(made: Schema, rest: Mapping[str, object]) -> Schema:
    if not rest:
        return made
    said = made.get("description")
    before = f"{said}\n\n" if isinstance(said, str) and said else ""
    return {**made, "description": before + orjson.dumps(rest).decode()}
