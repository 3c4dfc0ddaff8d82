"""What ``response_format`` asks for, checked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_gateway import faults
from llm_gateway.adapters.allowance import Allowance
from llm_gateway.adapters.fields import Fields
from llm_gateway.adapters.tooling import read_strict

_PLACE = "response_format"
_SCHEMA = f"{_PLACE}.json_schema"


@dataclass(frozen=True, slots=True)
class JSONFormat:
    """The answer is to be JSON; ``schema`` is None where any object will do."""

    schema: dict[str, Any] | None = None
    name: str = ""
    description: str = ""
    strict: bool | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    allowance: Allowance = field(default_factory=Allowance, compare=False, repr=False)


def read_json_format(value: object, fields: Fields) -> JSONFormat | None:
    """The format a request asks for, None for plain text.

    Raises RequestError for what is malformed, UpstreamUnsupported for what the table refuses.
    """
    if value is None:
        return None
    spec = faults.mapping(value, _PLACE)
    kind = faults.required(spec, "type", f"{_PLACE}.type")
    faults.one_of(kind, ("text", "json_object", "json_schema"), f"{_PLACE}.type")
    if kind == "text":
        fields.further(spec, {"type"}, _PLACE, _PLACE)
        return None
    if kind == "json_object":
        extra = fields.further(spec, {"type"}, _PLACE, _PLACE)
        return JSONFormat(extra=extra) if fields.takes(f"{_PLACE}.{kind}", _PLACE) else None
    extra = fields.further(spec, {"type", "json_schema"}, _PLACE, _PLACE)
    inner = faults.mapping(faults.required(spec, "json_schema", _SCHEMA), _SCHEMA)
    return _json_schema(inner, extra, fields) if fields.takes(_SCHEMA, _PLACE) else None


def _json_schema(spec: dict[str, Any], extra: Mapping[str, Any], fields: Fields) -> JSONFormat:
    schema = spec.get("schema")
    known = {"name", "description", "schema", "strict"}
    return JSONFormat(
        None if schema is None else faults.mapping(schema, f"{_SCHEMA}.schema"),
        faults.filled(faults.required(spec, "name", f"{_SCHEMA}.name"), f"{_SCHEMA}.name"),
        faults.optional_string(spec, "description", f"{_SCHEMA}.description"),
        read_strict(spec, _SCHEMA, _SCHEMA, fields),
        {**extra, **fields.further(spec, known, _SCHEMA, _SCHEMA)},
        fields.allowance,
    )
