"""The documented header fields are those that the code gives to answers."""

import re
from pathlib import Path

import pytest

import llm_gateway
from llm_gateway.api.openapi.headers import HEADERS, RATE_LIMITS, references
from llm_gateway.errors import waiting
from llm_gateway.limits import ratelimit_headers
from llm_gateway.limits.quota import Level, Standing

ROOT = Path(llm_gateway.__file__).parent
PLACES = [
    *sorted((ROOT / "api").glob("*.py")),
    *(ROOT / name for name in ("errors.py", "verdict.py", "entrance.py")),
]
LEVEL = Level(limit=10, remaining=3, reset=61.5, window="minute")


def test_every_field_that_is_set_is_documented_and_no_other() -> None:
    text = "".join(path.read_text() for path in PLACES)
    # A field and its value, as a pair.
    found = {*re.findall(r'\(\s*"([a-z]+(?:-[a-z]+)+|allow|etag)",', text)} - {"content-type"}
    assert HEADERS.keys() - {*RATE_LIMITS} - {"etag"} == found - {"etag"}


def test_the_fields_of_rate_limits_are_documented() -> None:
    assert [name for name, _ in ratelimit_headers.headers(Standing(LEVEL, LEVEL))] == [*RATE_LIMITS]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *ratelimit_headers.headers(Standing(LEVEL, LEVEL)),
        *waiting(2.5),
        *waiting(None),
        ("x-ratelimit-reset-requests", "0s"),
        ("x-ratelimit-reset-requests", "120ms"),
        ("x-ratelimit-reset-requests", "1.5s"),
        ("x-ratelimit-reset-requests", "13h1m0s"),
        ("x-request-id", f"req_{'0' * 32}"),
        ("www-authenticate", 'Bearer realm="llm-gateway", error="invalid_token"'),
        ("x-ai-proxy-model", "groq/llama/3:free"),
    ],
)
def test_a_value_fits_its_schema(name: str, value: str) -> None:
    schema = HEADERS[name]["schema"]
    assert re.search(schema.get("pattern", ""), value)
    assert schema.get("const", value) == value


def test_a_reference_leads_to_its_field() -> None:
    assert references("etag") == {"etag": {"$ref": "#/components/headers/etag"}}
