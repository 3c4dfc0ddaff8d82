"""JSON Schemas put more plainly, for providers that know only a part of what clients write.

:func:`inlined` takes the references out. A rule changes one schema and knows nothing of those
inside it; :func:`rewritten` applies rules everywhere, and tells the schema ``const`` from the
property that is called so. Nothing here changes its argument. Where something can only be said less
exactly, the result is looser than the original and never stricter.

The words are those of JSON Schema 2020-12, and of its drafts since 4 where clients still use them.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

import orjson

from llm_gateway import faults
from llm_gateway.adapters.allowance import Allowance
from llm_gateway.errors import RequestError

type Schema = dict[str, Any]
type Rule = Callable[[Schema], Schema]

MAX_NODES = 5000
"""Schemas inside one another, after the references are taken out: a few may stand for millions."""

MAX_REFERENCE = 4096
"""Characters: each of them may be a step."""

MAX_DEPTH = 100
"""Levels of JSON, after the references are taken out."""

_DEFINITIONS = ("$defs", "definitions")
_BY_NAME = {"properties", "patternProperties", "dependentSchemas", *_DEFINITIONS}
_LISTED = {"allOf", "anyOf", "oneOf", "prefixItems"}
_SINGLE = {
    "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items",
    "not", "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
}  # fmt: skip
_INDEX = re.compile(r"[0-9]{1,9}")
_ANNOTATIONS = ("title", "description", "default")
_TYPES: Mapping[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}
_LOWER_BOUNDS = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
_UPPER_BOUNDS = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}


def rewritten(schema: Schema, *rules: Rule) -> Schema:
    """The schema with these rules applied in order to each schema in it, innermost first."""
    result = _map_inner(schema, lambda inner, _levels: rewritten(inner, *rules))
    for rule in rules:
        result = rule(result)
    return result


def inlined(schema: Schema, where: str, allowance: Allowance) -> Schema:
    """The schema with what its references point to in their place, and without definitions.

    Where a definition refers to itself, its type and description stand alone the second time.
    Raises RequestError (400) that names ``where`` for a reference that points to nothing in the
    schema, and for references that stand for more than ``MAX_NODES``, ``MAX_DEPTH`` or what is left
    of the ``allowance``.
    """
    return _Inliner(schema, where, allowance).inline(schema, ("#",), 0)


class _Inliner:
    """Takes the references out of one schema."""

    def __init__(self, root: Schema, where: str, allowance: Allowance) -> None:
        self._root = root
        self._where = where
        self._nodes = 0
        self._allowance = allowance

    def inline(self, schema: Schema, open_references: tuple[str, ...], depth: int) -> Schema:
        """This part of the schema, which ``open_references`` led to."""
        self._nodes += 1
        self._allowance.schemas -= 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH or self._allowance.schemas < 0:
            raise self._too_large()
        reference = schema.get("$ref")
        rest = {key: value for key, value in schema.items() if key not in {"$ref", *_DEFINITIONS}}
        result = _map_inner(
            rest, lambda inner, levels: self.inline(inner, open_references, depth + levels)
        )
        if not isinstance(reference, str):
            return result
        target = self._target(reference)
        if reference in open_references:
            again = {k: target[k] for k in ("type", *_ANNOTATIONS) if k in target}
            self._count(again)
            return again | result
        self._count(target)
        return both(result, self.inline(target, (*open_references, reference), depth + 1))

    def _count(self, referred: Schema) -> None:
        own = {key: value for key, value in referred.items() if key not in _DEFINITIONS}
        self._allowance.referred_bytes -= len(orjson.dumps(own))
        if self._allowance.referred_bytes < 0:
            raise self._too_large()

    def _too_large(self) -> RequestError:
        return faults.invalid_value(self._where, "a schema that is not so large")

    def _target(self, reference: str) -> Schema:
        """What a JSON pointer in a URI fragment (RFC 6901 §6) points to."""
        found: object = self._root
        fragment = unquote(reference[: MAX_REFERENCE + 1].removeprefix("#"))
        for step in fragment.split("/")[1:]:
            found = _child(found, step.replace("~1", "/").replace("~0", "~"))
        known = reference.startswith("#") and len(reference) <= MAX_REFERENCE
        if not known or fragment[:1] not in {"", "/"} or found is None:
            raise faults.invalid_value(self._where, "'$ref's that point to something inside it")
        return found if isinstance(found, dict) else {}


def both(one: Schema, other: Schema) -> Schema:
    """A schema for what both allow; where that cannot be said, what ``one`` says counts."""
    result = dict(one)
    for key, value in other.items():
        result[key] = _both_values(key, one[key], value) if key in one else value
    return result


def merged_all_of(schema: Schema) -> Schema:
    """A rule: ``allOf`` becomes one schema."""
    parts = [{key: value for key, value in schema.items() if key != "allOf"}]
    parts += [part for part in _list(schema.get("allOf")) if isinstance(part, dict)]
    # Neighbours first: with the growing result each time, long lists would take quadratic time.
    while len(parts) > 1:
        last = parts[-1:] if len(parts) % 2 else []
        parts = [both(*pair) for pair in zip(parts[::2], parts[1::2], strict=False)] + last
    return parts[0]


def const_as_enum(schema: Schema) -> Schema:
    """A rule: ``const`` becomes an ``enum`` of one value, with its type."""
    if "const" not in schema:
        return schema
    value = schema["const"]
    result = {key: each for key, each in schema.items() if key != "const"}
    return {"type": _TYPES[type(value)]} | result | {"enum": [value]}


def one_of_as_any_of(schema: Schema) -> Schema:
    """A rule: ``oneOf`` becomes ``anyOf``; how to tell the alternatives apart goes."""
    if "oneOf" not in schema:
        return schema
    result = {k: v for k, v in schema.items() if k not in {"oneOf", "discriminator"}}
    return {"anyOf": schema["oneOf"]} | result


def null_as_nullable(schema: Schema) -> Schema:
    """A rule: ``null`` among the types or alternatives becomes ``nullable`` (OpenAPI 3.0)."""
    types = _list(schema.get("type"))
    if "null" in types:
        left = [each for each in types if each != "null"]
        return {**schema, "type": left[0] if len(left) == 1 else left, "nullable": True}
    alternatives = _list(schema.get("anyOf"))
    left = [each for each in alternatives if each != {"type": "null"}]
    if len(left) == len(alternatives):
        return schema
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    if len(left) == 1 and isinstance(left[0], dict):
        return both(rest, left[0]) | {"nullable": True}
    return {**rest, "anyOf": left, "nullable": True}


def required_are_properties(schema: Schema) -> Schema:
    """A rule: ``required`` names only properties that are there."""
    if "required" not in schema:
        return schema
    properties = schema.get("properties")
    known = properties if isinstance(properties, dict) else {}
    names = [each for each in _list(schema["required"]) if isinstance(each, str) and each in known]
    result = {key: value for key, value in schema.items() if key != "required"}
    return {**result, "required": names} if names else result


def without(*keywords: str) -> Rule:
    """A rule: these keywords go."""
    return lambda schema: {key: value for key, value in schema.items() if key not in keywords}


def _map_inner(schema: Schema, change: Callable[[Schema, int], Schema]) -> Schema:
    """``change`` applied to each schema directly inside, with how many levels deeper it is."""
    return {
        key: _map_value(key, value, lambda s, n: change(s, n) if isinstance(s, dict) else s)
        for key, value in schema.items()
    }


def _map_value(key: str, value: object, change: Callable[[object, int], object]) -> object:
    if key in _BY_NAME and isinstance(value, dict):
        return {name: change(inner, 2) for name, inner in value.items()}
    # Until 2019, `items` could be a list.
    if key in {"items", *_LISTED} and isinstance(value, list):
        return [change(inner, 2) for inner in value]
    return change(value, 1) if key in _SINGLE else value


def _child(value: object, step: str) -> object:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and _INDEX.fullmatch(step) and int(step) < len(value):
        return value[int(step)]
    return None


def _both_values(key: str, one: Any, other: Any) -> Any:
    merge = _MERGES.get(key)
    try:
        return one if merge is None else merge(one, other)
    except (TypeError, ValueError, AttributeError):
        # Not what this keyword takes: the provider will say so.
        return one


def _both_types(one: Any, other: Any) -> Any:
    ours, theirs = _as_list(one), _as_list(other)
    if "number" in theirs:
        theirs = [*theirs, "integer"]
    if "number" in ours and "integer" in theirs and "number" not in theirs:
        ours = [*ours, "integer"]
    left = _shared(ours, theirs) or ours
    return left[0] if len(left) == 1 else left


def _both_enums(one: Any, other: Any) -> Any:
    return _shared(one, other) or one


def _shared(one: list[Any], other: list[Any]) -> list[Any]:
    """What of the one list is in the other: there may be a hundred thousand values in each."""
    known = {*map(_comparable, other)}
    return [each for each in one if _comparable(each) in known]


def _comparable(value: object) -> object:
    is_plain = not isinstance(value, dict | list)
    return value if is_plain else orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _both_properties(one: Any, other: Any) -> Any:
    shared = {k: _both_schemas(one[k], other[k]) for k in one.keys() & other.keys()}
    return {**one, **{k: v for k, v in other.items() if k not in one}} | shared


def _both_schemas(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return both(one, other)
    # Among true, false and a schema, false says most and true least.
    return other if one is True or other is False else one


_MERGES: Mapping[str, Callable[[Any, Any], Any]] = {
    "type": _both_types,
    "enum": _both_enums,
    "properties": _both_properties,
    "items": _both_schemas,
    "additionalProperties": _both_schemas,
    "required": lambda one, other: list(dict.fromkeys([*one, *other])),
    **dict.fromkeys(_LOWER_BOUNDS, max),
    **dict.fromkeys(_UPPER_BOUNDS, min),
}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
