"""Schemas put more plainly allow all that they allowed before."""

import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.adapters.allowance import Allowance
from llm_gateway.adapters.schemas import (
    MAX_DEPTH,
    MAX_NODES,
    MAX_REFERENCE,
    Schema,
    both,
    const_as_enum,
    inlined,
    merged_all_of,
    null_as_nullable,
    one_of_as_any_of,
    required_are_properties,
    rewritten,
    without,
)
from llm_gateway.errors import RequestError
from support.calls import unchanged
from support.json_schemas import schemas

WHERE = "tools[0].function.parameters"
TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "null": lambda value: value is None,
}
VALUES = st.recursive(
    st.sampled_from([None, True, 0, 1, 2, 7, 0.5, "", "a", "celsius", "fixed"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["city", "n", "type", "next"]), inner, max_size=2)
    ),
    max_leaves=5,
)


def allows(schema: Any, value: Any, root: Schema) -> bool:
    """Whether a schema allows a value, as far as these tests need to know."""
    if isinstance(schema, bool):
        return schema
    return all(check(schema, value, root) for check in (_type, _values, _parts, _others))


def _type(schema: Schema, value: Any, _root: Schema) -> bool:
    types = schema.get("type", [*TYPES])
    types = types if isinstance(types, list) else [types]
    return any(TYPES[each](value) for each in types) or (
        value is None and schema.get("nullable", False)
    )


def _values(schema: Schema, value: Any, _root: Schema) -> bool:
    same = (type(value), value)
    if "const" in schema and (type(schema["const"]), schema["const"]) != same:
        return False
    allowed = [(type(each), each) for each in schema.get("enum", [value])]
    low, high = schema.get("minimum", 0), schema.get("maximum", 99)
    return same in allowed and (not TYPES["number"](value) or low <= value <= high)


def _parts(schema: Schema, value: Any, root: Schema) -> bool:
    if isinstance(value, list):
        sized = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", 99)
        return sized and all(allows(schema.get("items", True), each, root) for each in value)
    if not isinstance(value, dict):
        return True
    properties, further = schema.get("properties", {}), schema.get("additionalProperties", True)
    return {*schema.get("required", ())} <= value.keys() and all(
        allows(properties.get(name, further), each, root) for name, each in value.items()
    )


def _others(schema: Schema, value: Any, root: Schema) -> bool:
    found: list[bool] = [allows(each, value, root) for each in schema.get("oneOf", ())]
    alternatives = schema.get("anyOf", [True])
    reference = {"#": root, "#/$defs/thing": root.get("$defs", {}).get("thing")}
    return (
        any(allows(each, value, root) for each in alternatives)
        and all(allows(each, value, root) for each in schema.get("allOf", ()))
        and ("oneOf" not in schema or found.count(True) == 1)
        and allows(reference[schema["$ref"]] if "$ref" in schema else True, value, root)
    )


@given(schemas(), VALUES)
def test_everything_that_was_allowed_still_is(schema: Schema, value: Any) -> None:
    before = unchanged(schema)
    plain = rewritten(
        inlined(schema, WHERE, Allowance()),
        merged_all_of,
        const_as_enum,
        one_of_as_any_of,
        null_as_nullable,
        required_are_properties,
    )
    assert schema == before
    if allows(schema, value, schema):
        assert allows(plain, value, plain)


@given(schemas())
def test_no_reference_is_left_and_nothing_is_said_a_second_time_differently(schema: Schema) -> None:
    plain = inlined(schema, WHERE, Allowance())
    assert inlined(plain, WHERE, Allowance()) == plain
    assert "#/$defs" not in str(plain)


@pytest.mark.parametrize(
    ("schema", "plain"),
    [
        ({}, {}),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"type": "string"}}}, {"type": "string"}),
        (
            {"items": {"$ref": "#/definitions/A%20b"}, "definitions": {"A b": {"minimum": 1}}},
            {"items": {"minimum": 1}},
        ),
        (
            {"properties": {"a/b": {"type": "null"}, "c": {"$ref": "#/properties/a~1b"}}},
            {"properties": {"a/b": {"type": "null"}, "c": {"type": "null"}}},
        ),
        (
            {"prefixItems": [{"type": "null"}, {"$ref": "#/prefixItems/0"}]},
            {"prefixItems": [{"type": "null"}, {"type": "null"}]},
        ),
        (
            {
                "properties": {"a": {"$ref": "#/$defs/A", "description": "Mine", "minimum": 5}},
                "$defs": {"A": {"description": "Its", "type": "integer", "minimum": 1}},
            },
            {"properties": {"a": {"description": "Mine", "minimum": 5, "type": "integer"}}},
        ),
        (
            {
                "properties": {"a": {"$ref": "#/$defs/A"}},
                "$defs": {"A": {"$ref": "#/$defs/B"}, "B": {"enum": ["x"]}},
            },
            {"properties": {"a": {"enum": ["x"]}}},
        ),
        (
            {"type": "object", "title": "T", "properties": {"next": {"$ref": "#"}}},
            {
                "type": "object",
                "title": "T",
                "properties": {"next": {"type": "object", "title": "T"}},
            },
        ),
        (
            {
                "$ref": "#/$defs/A",
                "$defs": {
                    "A": {"anyOf": [{"$ref": "#/$defs/B"}]},
                    "B": {"not": {"$ref": "#/$defs/A"}},
                },
            },
            {"anyOf": [{"not": {}}]},
        ),
        ({"$ref": "#/$defs/A", "$defs": {"A": True}}, {}),
        (
            {"properties": {"$ref": {"type": "string"}}},
            {"properties": {"$ref": {"type": "string"}}},
        ),
        ({"$ref": 5, "additionalProperties": False}, {"additionalProperties": False}),
        ({"enum": [{"$ref": "#/x"}]}, {"enum": [{"$ref": "#/x"}]}),
    ],
)
def test_references_are_replaced_by_what_they_point_to(schema: Schema, plain: Schema) -> None:
    assert inlined(schema, WHERE, Allowance()) == plain


@pytest.mark.parametrize(
    "reference",
    [
        "#/$defs/B",
        "#A",
        "https://example.invalid/a.json",
        "a.json#/b",
        "",
        "#/$defs/A/type/0",
        "#/$defs/A/enum/1",
        f"#/$defs/A/enum/{'9' * 3000}",
        "#" + "/$defs" * MAX_REFERENCE,
        "#/" + "%41" * MAX_REFERENCE,
    ],
    ids=lambda reference: reference[:30],
)
def test_a_reference_that_leads_nowhere_is_named_by_its_place(reference: str) -> None:
    with pytest.raises(RequestError) as caught:
        inlined(
            {"$defs": {"A": {"type": "null", "enum": [None]}}, "items": {"$ref": reference}},
            WHERE,
            Allowance(),
        )
    assert (caught.value.status, caught.value.param) == (400, WHERE)


def doubling(times: int) -> Schema:
    """A schema of two, each of which stands for two, each of which …"""
    definitions: Schema = {"A0": {"type": "string"}}
    for number in range(times):
        twice = {"$ref": f"#/$defs/A{number}"}
        definitions[f"A{number + 1}"] = {"anyOf": [twice, twice]}
    return {"$defs": definitions, "$ref": f"#/$defs/A{times}"}


def nested(times: int) -> Schema:
    schema: Schema = {}
    for _ in range(times):
        schema = {"not": schema}
    return schema


def repeated(reference: str, times: int) -> Schema:
    """Many references to one long text."""
    properties: Schema = {str(number): {"$ref": reference} for number in range(times)}
    definitions = {"A": {"description": "x" * 100_000}}
    return {"description": "x" * 100_000, "$defs": definitions, "properties": properties}


@pytest.mark.parametrize(
    "schema",
    [
        doubling(40),
        nested(MAX_DEPTH + 1),
        repeated("#/$defs/A", Allowance().referred_bytes // 100_000 + 1),
        repeated("#", Allowance().referred_bytes // 100_000 + 1),
    ],
    ids=["doubling", "nested", "long", "long and endless"],
)
def test_a_schema_that_stands_for_too_much_is_refused(schema: Schema) -> None:
    with pytest.raises(RequestError) as caught:
        inlined(schema, WHERE, Allowance())
    assert caught.value.param == WHERE


def test_several_schemas_have_one_allowance() -> None:
    allowance = Allowance(schemas=5, referred_bytes=100)
    inlined({"items": {"type": "string"}}, WHERE, allowance)
    assert allowance == Allowance(schemas=3, referred_bytes=100)
    inlined({"$defs": {"A": {"type": "null"}}, "$ref": "#/$defs/A"}, WHERE, allowance)
    assert allowance == Allowance(schemas=1, referred_bytes=85)
    with pytest.raises(RequestError):
        inlined({"items": {"type": "string"}}, WHERE, allowance)


@pytest.mark.parametrize("word", ["enum", "type"])
@pytest.mark.parametrize("kind", ["texts", "objects"])
def test_long_lists_are_compared_in_linear_time(word: str, kind: str) -> None:
    numbers = range(20_000)
    one, other = (
        [f"{start + n}" if kind == "texts" else {"n": start + n} for n in numbers]
        for start in (0, 19_999)
    )
    merged = merged_all_of({"allOf": [{word: one}, {word: other}]})
    assert merged[word] == (one[-1] if word == "type" else one[-1:])


def test_large_schemas_are_taken() -> None:
    assert rewritten(inlined(nested(MAX_DEPTH), WHERE, Allowance()), merged_all_of) == nested(
        MAX_DEPTH
    )
    wide: Schema = {"properties": {str(number): {} for number in range(MAX_NODES - 1)}}
    assert inlined(wide, WHERE, Allowance()) == wide


@pytest.mark.parametrize(
    ("one", "other", "result"),
    [
        ({"type": "string"}, {"type": ["string", "null"]}, {"type": "string"}),
        (
            {"type": ["integer", "null", "string"]},
            {"type": ["null", "string"]},
            {"type": ["null", "string"]},
        ),
        ({"type": "number"}, {"type": "integer"}, {"type": "integer"}),
        ({"type": "integer"}, {"type": "number"}, {"type": "integer"}),
        ({"type": "string"}, {"type": "null"}, {"type": "string"}),
        ({"enum": [1, 2, 3]}, {"enum": [3, 2, 4]}, {"enum": [2, 3]}),
        ({"enum": [1]}, {"enum": [2]}, {"enum": [1]}),
        (
            {"minimum": 1, "maxLength": 5},
            {"minimum": 2, "maxLength": 9},
            {"minimum": 2, "maxLength": 5},
        ),
        ({"required": ["a", "b"]}, {"required": ["b", "c"]}, {"required": ["a", "b", "c"]}),
        (
            {"properties": {"a": {"minimum": 1}, "b": True}},
            {"properties": {"a": {"minimum": 3}, "b": {"type": "null"}, "c": False}},
            {"properties": {"a": {"minimum": 3}, "b": {"type": "null"}, "c": False}},
        ),
        ({"items": False}, {"items": {"type": "null"}}, {"items": False}),
        (
            {"additionalProperties": {}},
            {"additionalProperties": False},
            {"additionalProperties": False},
        ),
        (
            {"description": "a", "pattern": "b"},
            {"description": "c", "format": "d"},
            {"description": "a", "pattern": "b", "format": "d"},
        ),
        (
            {"minimum": 1, "required": 5},
            {"minimum": "x", "required": [["y"]]},
            {"minimum": 1, "required": 5},
        ),
        ({"properties": []}, {"properties": {"a": {}}}, {"properties": []}),
    ],
)
def test_two_schemas_become_one(one: Schema, other: Schema, result: Schema) -> None:
    assert both(one, other) == result


def test_merging_many_takes_no_longer_than_their_number() -> None:
    names = [str(number) for number in range(20_000)]
    parts = [{"properties": {name: {}}, "title": name} for name in names]
    start = time.perf_counter()
    merged = merged_all_of({"allOf": parts})
    assert time.perf_counter() - start < 1
    assert list(merged["properties"]) == names
    assert merged["title"] == "0"


@pytest.mark.parametrize(
    ("rule", "schema", "result"),
    [
        (
            merged_all_of,
            {"allOf": [{"minimum": 1}, True, {"type": "integer"}], "title": "T"},
            {"title": "T", "minimum": 1, "type": "integer"},
        ),
        (merged_all_of, {"allOf": 5}, {}),
        (merged_all_of, {"type": "null"}, {"type": "null"}),
        (const_as_enum, {"const": "a"}, {"type": "string", "enum": ["a"]}),
        (const_as_enum, {"const": None}, {"type": "null", "enum": [None]}),
        (const_as_enum, {"const": True}, {"type": "boolean", "enum": [True]}),
        (
            const_as_enum,
            {"const": 1.5, "type": "integer", "enum": [1]},
            {"type": "integer", "enum": [1.5]},
        ),
        (const_as_enum, {"enum": ["a"]}, {"enum": ["a"]}),
        (
            one_of_as_any_of,
            {"oneOf": [{}], "discriminator": {"propertyName": "a"}},
            {"anyOf": [{}]},
        ),
        (one_of_as_any_of, {"oneOf": [{}], "anyOf": [True]}, {"anyOf": [True]}),
        (
            one_of_as_any_of,
            {"anyOf": [{}], "discriminator": 1},
            {"anyOf": [{}], "discriminator": 1},
        ),
        (null_as_nullable, {"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        (null_as_nullable, {"type": ["a", "b", "null"]}, {"type": ["a", "b"], "nullable": True}),
        (null_as_nullable, {"type": ["a", "b"]}, {"type": ["a", "b"]}),
        (
            null_as_nullable,
            {"anyOf": [{"type": "null"}, {"minimum": 1}], "title": "T"},
            {"title": "T", "minimum": 1, "nullable": True},
        ),
        (
            null_as_nullable,
            {"anyOf": [{}, {"type": "null"}, True]},
            {"anyOf": [{}, True], "nullable": True},
        ),
        (null_as_nullable, {"anyOf": [{"minimum": 1}]}, {"anyOf": [{"minimum": 1}]}),
        (
            required_are_properties,
            {"properties": {"a": {}}, "required": ["a", "b", 5]},
            {"properties": {"a": {}}, "required": ["a"]},
        ),
        (required_are_properties, {"properties": [], "required": ["b"]}, {"properties": []}),
        (required_are_properties, {"required": 5}, {}),
        (required_are_properties, {"properties": {}}, {"properties": {}}),
        (without("a", "b"), {"a": 1, "c": {"a": 2}}, {"c": {"a": 2}}),
    ],
)
def test_a_rule_says_one_thing_more_plainly(
    rule: Callable[[Schema], Schema], schema: Schema, result: Schema
) -> None:
    before = unchanged(schema)
    assert rule(schema) == result
    assert schema == before


def test_rules_are_applied_everywhere_but_not_to_what_is_no_schema() -> None:
    const = {"const": 1}
    one = {"type": "integer", "enum": [1]}
    schema = {
        "properties": {"const": const, "b": True},
        "items": [const],
        "anyOf": [{"not": const}],
        "additionalProperties": const,
        "default": const,
        "enum": [const],
        "examples": [const],
    }
    assert rewritten(schema, const_as_enum) == {
        "properties": {"const": one, "b": True},
        "items": [one],
        "anyOf": [{"not": one}],
        "additionalProperties": one,
        "default": const,
        "enum": [const],
        "examples": [const],
    }
