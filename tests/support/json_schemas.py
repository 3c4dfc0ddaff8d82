"""JSON Schemas as people write them for tools and answers, made up by Hypothesis."""

from typing import Any

from hypothesis import strategies as st

from support.openai_shapes import JSONObject

# Names that are keywords of JSON Schema trip a translation that does not know where it is.
PROPERTIES = st.sampled_from(
    ["city", "unit", "n", "type", "properties", "items", "$ref", "a-b", "é"]
)
NOTES = st.sampled_from([{}, {}, {"description": "What it is."}, {"title": "T"}, {"default": None}])

_LEAVES: st.SearchStrategy[JSONObject] = st.sampled_from(
    [
        {},
        {"type": "string"},
        {"type": "string", "minLength": 1, "maxLength": 9, "pattern": "^[a-z]+$"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "enum": ["celsius", "fahrenheit", ""]},
        {"type": "integer", "minimum": 0, "maximum": 10},
        {"type": "integer", "enum": [1, 2]},
        {"type": "number", "exclusiveMinimum": 0, "multipleOf": 0.5},
        {"type": "boolean"},
        {"type": "null"},
        {"type": ["string", "null"]},
        {"type": ["integer", "string", "null"]},
        {"type": ["string", "null"], "enum": ["a", None]},
        {"enum": ["a", 1, None, True]},
        {"const": "fixed"},
        {"const": 7},
        {"$ref": "#/$defs/thing"},
        {"$ref": "#"},
    ]
)


def schemas() -> st.SearchStrategy[JSONObject]:
    """A schema of an object. It may refer to its own definitions, and to itself."""
    return st.builds(_with_definitions, _objects(_nested()))


def closed_schemas() -> st.SearchStrategy[JSONObject]:
    """A schema that OpenAI takes with `strict`: closed objects, all of whose keys are required."""
    plain: st.SearchStrategy[JSONObject] = st.sampled_from(
        [
            {"type": "string"},
            {"type": "integer"},
            {"type": ["string", "null"]},
            {"enum": ["a", "b"]},
        ]
    )
    inner: st.SearchStrategy[JSONObject] = st.recursive(
        plain,
        lambda each: st.one_of(
            _closed(each),
            each.map(lambda items: {"type": "array", "items": items}),
            st.lists(each, min_size=1, max_size=2).map(lambda some: {"anyOf": some}),
        ),
        max_leaves=4,
    )
    return _closed(inner)


def _closed(inner: st.SearchStrategy[JSONObject]) -> st.SearchStrategy[JSONObject]:
    return st.dictionaries(PROPERTIES, inner, max_size=3).map(
        lambda properties: {
            "type": "object",
            "properties": properties,
            "required": [*properties],
            "additionalProperties": False,
        }
    )


def _nested() -> st.SearchStrategy[Any]:
    return st.recursive(
        st.builds(lambda schema, notes: {**schema, **notes}, _LEAVES, NOTES),
        lambda inner: st.one_of(_objects(inner), _arrays(inner), _choices(inner)),
        max_leaves=5,
    )


def _objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[JSONObject]:
    further = st.one_of(
        st.sampled_from([{}, {"additionalProperties": False}, {"additionalProperties": True}]),
        inner.map(lambda schema: {"additionalProperties": schema}),
    )
    return st.builds(
        lambda properties, needed, more: {
            "type": "object",
            "properties": properties,
            **({"required": [*properties][:needed]} if needed else {}),
            **more,
        },
        st.dictionaries(PROPERTIES, inner, max_size=3),
        st.integers(0, 3),
        further,
    )


def _arrays(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[JSONObject]:
    sizes = st.sampled_from([{}, {"minItems": 1, "maxItems": 3}, {"uniqueItems": True}])
    return st.one_of(
        st.builds(lambda items, more: {"type": "array", "items": items, **more}, inner, sizes),
        st.just({"type": "array"}),
    )


def _choices(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[JSONObject]:
    return st.builds(
        lambda keyword, some: {keyword: some},
        st.sampled_from(["anyOf", "oneOf", "allOf"]),
        st.lists(inner, min_size=1, max_size=3),
    )


def _with_definitions(schema: JSONObject) -> JSONObject:
    if "#/$defs/thing" not in str(schema):
        return schema
    thing = {"type": "object", "properties": {"next": {"$ref": "#/$defs/thing"}}}
    return {**schema, "$defs": {"thing": thing}}
