"""The page that describes the keys names all of them, with the defaults that they have."""

import re
from dataclasses import fields
from functools import partial
from pathlib import Path

import pytest

from llm_gateway.config import (
    Bounds,
    BreakerPolicy,
    Gateway,
    Http,
    Model,
    RetryPolicy,
    Routing,
    ThrottlePolicy,
    Windows,
)
from llm_gateway.config.bounds import bounds
from llm_gateway.config.cursor import Cursor, Reader, Report
from llm_gateway.config.gateway import gateway
from llm_gateway.config.http import http
from llm_gateway.config.nodes import parse
from llm_gateway.config.policies import DEFAULTS, breaker, retry, throttle

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def table(heading: str) -> dict[str, str | None]:
    """The keys of the first table from a heading on, with their defaults; None: told in words."""
    text = heading + PAGE.read_text().partition(heading)[2]
    match = re.search(r"^\|.*?(?=\n\n)", text, re.MULTILINE | re.DOTALL)
    assert match is not None
    found: dict[str, str | None] = {}
    for row in match[0].splitlines()[2:]:
        first, _, default = row.split(" | ")[:3]
        keys = re.findall(r"`(\w+)`", first)
        values = re.findall(r"`([^`]+)`", default)
        found |= zip(keys, values if len(values) == len(keys) else [None] * len(keys), strict=True)
    return found


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("### `gateway`", {field.name for field in fields(Gateway)}),
        ("| `bounds` key", {field.name for field in fields(Bounds)}),
        ("| key of a token", {"name", "token", "sha256", "models", "limits", "concurrent"}),
        ("### `routing`", {field.name for field in fields(Routing)}),
        ("| `http` key", {field.name for field in fields(Http)}),
        ("### `models`", {field.name for field in fields(Model)}),
        ("**`retry`**", {field.name for field in fields(RetryPolicy)}),
        ("**`breaker`**", {field.name for field in fields(BreakerPolicy)} - {"rate_limits"}),
        ("**`throttle`**", {field.name for field in fields(ThrottlePolicy)}),
        ("### `limits`", {field.name for field in fields(Windows)} | {"tokens", "zone"}),
    ],
)
def test_every_key_is_described(heading: str, keys: set[str]) -> None:
    assert table(heading).keys() == keys


@pytest.mark.parametrize(
    ("heading", "read", "default"),
    [
        ("### `gateway`", gateway, Gateway()),
        ("| `bounds` key", bounds, Bounds()),
        ("| `http` key", http, Http()),
        ("**`retry`**", partial(retry, DEFAULTS.retry), DEFAULTS.retry),
        ("**`breaker`**", partial(breaker, DEFAULTS.breaker), DEFAULTS.breaker),
        ("**`throttle`**", partial(throttle, DEFAULTS.throttle), DEFAULTS.throttle),
    ],
)
def test_the_defaults_are_those_that_are_described(
    heading: str, read: Reader[object], default: object
) -> None:
    described = {key: value for key, value in table(heading).items() if value}
    assert described
    node, _ = parse("".join(f"{key}: {value}\n" for key, value in described.items()), "f")
    assert node is not None
    report = Report("f", {})
    assert Cursor(node, "", 1, report).attempt(read) == default
    assert report.problems == []
