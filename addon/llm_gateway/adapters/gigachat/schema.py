"""Schemas of a function's parameters, in the part of JSON Schema that GigaChat takes.

Source: https://developers.sber.ru/docs/ru/gigachat/guides/functions/generating-arguments. It takes
an object with properties, each of which has a type, a description, an ``enum`` of strings,
``items`` or properties of its own. What more a schema says is not lost: it is written into
descriptions, where the model reads it.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from llm_gateway import faults
from llm_gateway.adapters.allowance import Allowance
from llm_gateway.adapters.schemas import (
    Schema,
    both,
    const_as_enum,
    inlined,
    merged_all_of,
    null_as_nullable,
    one_of_as_any_of,
    required_are_properties,
    rewritten,
)

_TYPES: Mapping[str, type] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list,
    "object": dict,
}
_KEPT = {"type", "description", "properties", "items", "enum"}
_SHAPE = {"type", "properties", "items"}

_MEANINGLESS = {
    "$anchor", "$comment", "$dynamicAnchor", "$id", "$schema", "deprecated", "readOnly", "title",
    "writeOnly",
}  # fmt: skip
"""Keywords that say nothing of a value."""


def parameters_of(
    schema: Schema | None, where: str, allowance: Allowance
) -> tuple[dict[str, Any], str]:
    """The schema of a function's parameters, and what it says that is for the description.

    Raises RequestError (400) that names ``where`` for a schema of something else than an object,
    and for references that lead nowhere.
    """
    if not schema:
        return {"type": "object", "properties": {}}, ""
    plain = inlined(schema, where, allowance)
    root = rewritten(plain, merged_all_of, const_as_enum, one_of_as_any_of, null_as_nullable)
    root = required_are_properties({"type": "object", **root})
    if root["type"] != "object":
        raise faults.invalid_value(f"{where}.type", "'object'")
    required = root.pop("required", None)
    said = _plain(root)
    parameters = {"type": "object", "properties": said["properties"]}
    return parameters | ({"required": required} if required else {}), said.get("description", "")


def _plain(schema: Schema) -> Schema:
    """Only what GigaChat takes, and the rest as a note in the description."""
    schema, notes = _first_alternative(schema)
    kind = _type(schema)
    notes |= {key: each for key, each in schema.items() if _says_more(key, each, kind)}
    enum = _strings(schema.get("enum")) if kind == "string" else None
    if "enum" in schema and enum != schema["enum"]:
        notes["enum"] = schema["enum"]
    description = " ".join(filter(None, (_text(schema.get("description")), _note(notes))))
    return {
        "type": kind,
        **({"description": description} if description else {}),
        **({"enum": enum} if enum else {}),
        **({"properties": _properties(schema.get("properties"))} if kind == "object" else {}),
        **({"items": _inner(schema.get("items"))} if kind == "array" else {}),
    }


def _first_alternative(schema: Schema) -> tuple[Schema, dict[str, Any]]:
    """The schema as if there were only the first of its alternatives; all of them for a note."""
    alternatives = schema.get("anyOf")
    if not isinstance(alternatives, list):
        return schema, {}
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    known = [each for each in alternatives if isinstance(each, dict)]
    if len(alternatives) == len(known) == 1:
        descriptions = filter(None, (_text(each.get("description")) for each in (rest, *known)))
        return both(rest, known[0]) | {"description": " ".join(descriptions)}, {}
    first = {key: value for key, value in known[0].items() if key in _SHAPE} if known else {}
    enums = [each["enum"] for each in known if isinstance(each.get("enum"), list)]
    if enums and len(enums) == len(alternatives):
        first["enum"] = [value for enum in enums for value in enum]
    return both(rest, first), {"anyOf": alternatives} if known else {}


def _type(schema: Mapping[str, Any]) -> str:
    stated = schema.get("type")
    types = stated if isinstance(stated, list) else [stated]
    known = [each for each in types if isinstance(each, str) and each in _TYPES]
    if known:
        return known[0]
    if "properties" in schema:
        return "object"
    if "items" in schema:
        return "array"
    enum = schema.get("enum")
    values = enum if isinstance(enum, list) else []
    fitting = (name for name, kind in _TYPES.items() if all(type(each) is kind for each in values))
    return next(fitting, "string")


def _says_more(keyword: str, value: object, kind: str) -> bool:
    """Whether a keyword says something that cannot be said without it."""
    if keyword == "type":
        return value not in (kind, [kind], [])
    if keyword == "additionalProperties":
        # What else may be in an object a model need not be told, save for what it looks like.
        return bool(value) and value is not True
    return keyword not in _KEPT and keyword not in _MEANINGLESS


def _strings(enum: object) -> list[str] | None:
    """The values of an ``enum`` if they are strings, save for null."""
    values = [each for each in enum if each is not None] if isinstance(enum, list) else []
    strings = [each for each in values if isinstance(each, str)]
    return strings if strings and len(strings) == len(values) else None


def _properties(value: object) -> dict[str, Any]:
    return {name: _inner(each) for name, each in value.items()} if isinstance(value, dict) else {}


def _inner(value: object) -> Schema:
    # Where anything will do, which may be said by true or by nothing, a string does.
    return _plain(value if isinstance(value, dict) else {})


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _note(notes: Mapping[str, Any]) -> str:
    return f"(JSON Schema: {orjson.dumps(notes).decode()})" if notes else ""
