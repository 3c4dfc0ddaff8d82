"""Headers that the configuration adds: which are taken, and which would leak or break."""

from functools import partial

import pytest

from llm_gateway.config.cursor import Cursor, Report
from llm_gateway.config.headers import headers
from llm_gateway.config.nodes import parse


def read(text: str) -> tuple[tuple[tuple[str, str], ...], list[str]]:
    node, _ = parse(text, "f")
    assert node is not None
    report = Report("f", {"TEAM": "blue", "TOKEN": "Bearer abc"})
    found = Cursor(node, "headers", 1, report).attempt(partial(headers, {"x-own"}))
    return found or (), [str(problem) for problem in report.problems]


def test_names_are_in_lower_case_and_values_may_come_from_the_environment() -> None:
    text = "HTTP-Referer: https://app.example\nX-Team: '${TEAM}'\n"
    expected = (("http-referer", "https://app.example"), ("x-team", "blue"))
    assert read(text) == (expected, [])


@pytest.mark.parametrize(
    "header",
    [
        *("x-own: x", "Authorization: x", "api-key: x", "X-Auth: x", "Cookie: x", "key: x"),
        *("X-Api_Key: x", "X_KEY: x", "apikey: x", "X-Credentials: x", "x-jwt: x", "x-passwd: x"),
        *("X-Team: Bearer abc", "X-Team: basic YTpi", "X-Team: '${TOKEN}'"),
    ],
)
def test_nothing_that_may_be_a_credential_is_taken(header: str) -> None:
    found, [problem] = read(header)
    assert found == ()
    assert problem == (
        f"f:1: headers.{header.partition(':')[0]}: "
        "headers are shown in flows; a credential belongs into a key of its own"
    )


@pytest.mark.parametrize("name", ["X-Author", "X-Authored-By", "X-Monkey", "X-Session-ID"])
def test_a_name_that_only_sounds_like_a_credential_is_taken(name: str) -> None:
    assert read(f"{name}: The bearer of news") == (
        ((name.lower(), "The bearer of news"),),
        [],
    )


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding", "connection"])
def test_what_the_gateway_sets_itself_is_refused(name: str) -> None:
    assert read(f"{name}: x")[1] == [f"f:1: headers.{name}: is set by the gateway itself"]


def test_names_and_values_that_are_none_are_refused() -> None:
    text = "'x y': a\nx-a: \"b\\r\\nc: d\"\nx-b: canarié\nX-C: 1\nx-c: 2\nx-d:\n"
    value = "expected printable ASCII characters without spaces around them"
    found, problems = read(text)
    assert found == (("x-c", "1"),)
    assert [problem.partition(": ")[2] for problem in problems] == [
        "headers['x y']: expected the name of a header field (RFC 9110 §5.1)",
        f"headers.x-a: {value}",
        f"headers.x-b: {value}",
        "headers.x-c: the same header twice",
        "headers.x-d: expected a text, got nothing",
    ]
