import pytest

from llm_gateway.config import Limits, Windows
from llm_gateway.config.cursor import Cursor, Report
from llm_gateway.config.limits import limits
from llm_gateway.config.nodes import parse

AT_LEAST_ONE = "expected at least one of: minute, hour, day, tokens"


def read(text: str) -> tuple[Limits | None, list[str]]:
    """The section and its problems."""
    node, _ = parse(text, "f")
    assert node is not None
    report = Report("f", {"N": "4"})
    value = Cursor(node, "limits", 1, report).attempt(limits)
    return value, [str(problem) for problem in report.problems]


def test_every_key() -> None:
    text = """
minute: 20
hour: ${N}
day: 1
tokens: {minute: 5, hour: 6, day: 7}
zone: America/Los_Angeles
"""
    expected = Limits(Windows(20, 4, 1), Windows(5, 6, 7), "America/Los_Angeles")
    assert read(text) == (expected, [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("minute: 20", Limits(Windows(minute=20), Windows(), "UTC")),
        ("tokens: {day: 7}", Limits(Windows(), Windows(day=7), "UTC")),
    ],
)
def test_one_number_is_enough(text: str, expected: Limits) -> None:
    assert read(text) == (expected, [])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", f": {AT_LEAST_ONE}"),
        ("{}", f": {AT_LEAST_ONE}"),
        ("zone: UTC", f": {AT_LEAST_ONE}"),
        ("{minute: 1, tokens: }", ".tokens: expected at least one of: minute, hour, day"),
        ("20", ": expected a mapping, got '20'"),
        ("minute: 0", ".minute: expected an integer of at least 1, got '0'"),
        ("tokens: 5", ".tokens: expected a mapping, got '5'"),
        ("tokens: {day: 1.5}", ".tokens.day: expected an integer of at least 1, got '1.5'"),
        (
            "{day: 1, zone: Mars/Base}",
            ".zone: expected an IANA time zone such as UTC or America/Los_Angeles, got 'Mars/Base'",
        ),
        (
            "mintue: 5",
            ": unknown key 'mintue', expected one of: minute, hour, day, tokens, zone; did you "
            "mean 'minute'?",
        ),
    ],
)
def test_problems(text: str, problem: str) -> None:
    assert read(text)[1] == [f"f:1: limits{problem}"]
