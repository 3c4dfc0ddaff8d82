"""What Gemini refuses in a JSON Schema, and a value that a schema allows."""

from collections.abc import Callable
from typing import Any

from support.openai_shapes import JSONObject

INSIDE = ("items", "additionalProperties", "not")
LISTED = ("anyOf", "oneOf", "allOf", "prefixItems")


def check_schema(schema: object, refused: Callable[[str], Exception]) -> None:
    """Raises `refused` with a sentence.

    Stricter than Google, which knows references: none is left to be resolved, and what its list of
    keywords lacks and other keywords can say is said by these.
    """
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise refused("Schema must be an object.")
    for keyword in ("$ref", "$defs", "definitions", "$schema", "const", "allOf"):
        if keyword in schema:
            raise refused(f"Schema keyword {keyword} is not supported.")
    if not isinstance(schema.get("properties", {}), dict) or schema.get("properties") == {}:
        raise refused("parameters.properties: should be non-empty for OBJECT type")
    inner = [schema[keyword] for keyword in INSIDE if keyword in schema]
    inner += [each for keyword in LISTED for each in schema.get(keyword, ())]
    inner += schema.get("properties", {}).values()
    for each in inner:
        check_schema(each, refused)


def example(schema: object) -> Any:
    """A value of this schema, as a model would make one up."""
    if not isinstance(schema, dict):
        return None
    if schema.get("enum"):
        return schema["enum"][0]
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if alternatives:
        return example(alternatives[0])
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return _EXAMPLES[kind[0] if isinstance(kind, list) else kind](schema)


def _object(schema: JSONObject) -> JSONObject:
    return {name: example(inner) for name, inner in schema.get("properties", {}).items()}


def _number(schema: JSONObject) -> float:
    least: float = schema.get("minimum", 1)
    return max(1, least)


_EXAMPLES: dict[str, Callable[[JSONObject], Any]] = {
    "object": _object,
    "array": lambda schema: [example(schema.get("items", {}))] * max(1, schema.get("minItems", 1)),
    "integer": _number,
    "number": _number,
    "boolean": lambda _: True,
    "null": lambda _: None,
    "string": lambda _: "text",
}
