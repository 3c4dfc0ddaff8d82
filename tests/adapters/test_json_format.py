"""What the answer is to look like: text, JSON, or JSON after a schema."""

from typing import Any

import pytest

from llm_gateway.adapters.fields import Table, dropped, refused
from llm_gateway.adapters.json_format import JSONFormat, read_json_format
from llm_gateway.errors import RequestError, UpstreamUnsupported
from support.tables import fields_with

SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
PLACE = "response_format.json_schema"


def after(**spec: object) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "answer", **spec}}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ({"type": "text"}, None),
        ({"type": "json_object"}, JSONFormat()),
        (after(), JSONFormat(name="answer")),
        (after(schema=None, strict=None, description=None), JSONFormat(name="answer")),
        (after(schema=SCHEMA, description="What it is.", strict=True),
         JSONFormat(SCHEMA, "answer", "What it is.", strict=True)),
        ({**after(new=1), "newer": 2}, JSONFormat(name="answer", extra={"newer": 2, "new": 1})),
    ],
)  # fmt: skip
def test_every_format(value: object, expected: JSONFormat | None) -> None:
    assert read_json_format(value, fields_with()) == expected


@pytest.mark.parametrize(
    ("value", "param", "code"),
    [
        ("json", "response_format", "invalid_type"),
        ({}, "response_format.type", "missing_required_parameter"),
        ({"type": None}, "response_format.type", "invalid_type"),
        ({"type": "xml"}, "response_format.type", "invalid_value"),
        ({"type": "json_schema"}, PLACE, "missing_required_parameter"),
        ({"type": "json_schema", "json_schema": []}, PLACE, "invalid_type"),
        ({"type": "json_schema", "json_schema": {}}, f"{PLACE}.name",
         "missing_required_parameter"),
        (after(name=""), f"{PLACE}.name", "invalid_value"),
        (after(schema=True), f"{PLACE}.schema", "invalid_type"),
        (after(description=0), f"{PLACE}.description", "invalid_type"),
        (after(strict=1), f"{PLACE}.strict", "invalid_type"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(value: object, param: str, code: str) -> None:
    with pytest.raises(RequestError) as caught:
        read_json_format(value, fields_with())
    assert (caught.value.status, caught.value.param, caught.value.code) == (400, param, code)


@pytest.mark.parametrize(
    ("value", "pattern", "place", "left"),
    [
        ({"type": "json_object"}, "response_format.json_object", "response_format", None),
        (after(schema=SCHEMA), PLACE, "response_format", None),
        (after(strict=True), f"{PLACE}.strict", f"{PLACE}.strict", JSONFormat(name="answer")),
        ({"type": "text", "new": 1}, "*", "response_format.new", None),
        ({"type": "json_object", "new": 1}, "*", "response_format.new", JSONFormat()),
        (after(new=1), "*", f"{PLACE}.new", JSONFormat(name="answer")),
    ],
)
def test_the_table_decides(
    value: object, pattern: str, place: str, left: JSONFormat | None
) -> None:
    fields = fields_with({pattern: dropped()})
    assert read_json_format(value, fields) == left
    assert fields.dropped == [place]
    with pytest.raises(UpstreamUnsupported) as caught:
        read_json_format(value, fields_with({pattern: refused()}))
    assert caught.value.param == place


def test_not_to_be_strict_is_no_demand() -> None:
    rows: Table = {f"{PLACE}.strict": refused()}
    assert read_json_format(after(strict=False), fields_with(rows)) == JSONFormat(name="answer")
