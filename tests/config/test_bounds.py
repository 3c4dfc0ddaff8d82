import pytest

from llm_gateway.config import Bounds
from llm_gateway.config.bounds import bounds
from llm_gateway.config.cursor import Cursor, Invalid, Report
from llm_gateway.config.nodes import parse

EVERY_KEY = """
headers: 50
header_bytes: 8KiB
path_bytes: 2000
head_time: 5s
body_time: 10s
body_rate: 1KiB
idle: 1m
connections: 100
per_address: 10
streams: 20
concurrent: 30
all_bodies: 1MiB
depth: 40
values: 5000
messages: 60
tools: 7
"""


def cursor(text: str) -> Cursor:
    node, _ = parse(text, "f")
    assert node is not None
    return Cursor(node, "gateway.bounds", 1, Report("f", {}))


def test_nothing_written_leaves_the_defaults() -> None:
    assert bounds(cursor("{}")) == Bounds()


def test_every_key() -> None:
    assert bounds(cursor(EVERY_KEY)) == Bounds(
        50, 8192, 2000, 5.0, 10.0, 1024, 60.0, 100, 10, 20, 30, 1048576, 40, 5000, 60, 7
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("headers: 0", "headers: expected an integer of at least 1, got '0'"),
        ("header_bytes: 1KiB", "header_bytes: expected a size of at least 4096 bytes, got '1KiB'"),
        ("depth: 129", "depth: expected an integer of at most 128, got '129'"),
        ("idle: never", "idle: expected a duration"),
        ("stream: 1", "unknown key 'stream', expected one of: headers"),
    ],
)
def test_what_is_wrong_is_said(text: str, problem: str) -> None:
    place = cursor(text)
    bounds(place)
    (found,) = place.report.problems
    assert problem in str(found)


def test_a_single_value_is_no_section() -> None:
    with pytest.raises(Invalid, match="expected a mapping"):
        bounds(cursor("5"))
