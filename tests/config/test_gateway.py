import re
from collections.abc import Mapping

import pytest

from llm_gateway.config import ClientToken, Gateway
from llm_gateway.config.cursor import Cursor, Report
from llm_gateway.config.gateway import gateway
from llm_gateway.config.nodes import parse
from llm_gateway.secret import Secret

LONG = "0123456789abcdef"
CHARACTERS = "of letters, digits and ._~+/- that may end in = (RFC 6750)"


def token(name: str, text: str) -> ClientToken:
    return ClientToken.of(name, Secret(text))


def read(
    text: str, environment: Mapping[str, str] | None = None
) -> tuple[Gateway | None, list[str], list[str]]:
    """The section, its problems and its warnings."""
    node, _ = parse(text, "f")
    assert node is not None
    report = Report("f", environment or {})
    value = Cursor(node, "gateway", 1, report).attempt(gateway)
    return value, [str(problem) for problem in report.problems], report.warnings


def test_the_defaults() -> None:
    expected = Gateway(
        virtual_hosts=("ai.localhost", "localhost", "127.0.0.1", "[::1]"),
        tokens=(),
        passthrough=False,
        deadline=600.0,
        max_attempts=6,
        keepalive=10.0,
        drain=30.0,
        max_request_bytes=33554432,
        mask=(),
    )
    assert read("") == (expected, [], [])


def test_every_key() -> None:
    text = f"""
virtual_hosts: [AI.example., "::1", ai.example]
tokens: ["{LONG}", "${{A}}"]
passthrough: true
deadline: 1h30m
max_attempts: 1
keepalive: 15s
drain: 5m
max_request_bytes: 512KiB
mask: ['\\d{{4}}', "(?i)${{B}}"]
"""
    expected = Gateway(
        ("ai.example", "[::1]"),
        (token("token 1", LONG), token("A", LONG + "=")),
        passthrough=True,
        deadline=5400.0,
        max_attempts=1,
        keepalive=15.0,
        drain=300.0,
        max_request_bytes=524288,
        mask=(re.compile(r"\d{4}"), re.compile("(?i)secret")),
    )
    assert read(text, {"A": LONG + "=", "B": "secret"}) == (expected, [], [])


def test_auth_token_is_the_token_when_none_is_written() -> None:
    value, problems, warnings = read("", {"AUTH_TOKEN": LONG})
    assert value == Gateway(tokens=(token("AUTH_TOKEN", LONG),))
    assert (problems, warnings) == ([], [])


def test_auth_token_does_not_join_written_tokens() -> None:
    value, _, _ = read("tokens: []", {"AUTH_TOKEN": LONG})
    assert value == Gateway(tokens=())


def test_an_auth_token_that_is_no_token_is_a_problem_without_it() -> None:
    assert read("", {"AUTH_TOKEN": "canary canary"})[1] == [
        f"f:1: gateway.tokens: expected a token in AUTH_TOKEN {CHARACTERS}"
    ]


def test_a_written_token_without_its_variable_is_skipped_with_a_warning() -> None:
    value, problems, warnings = read(f"tokens: ['${{A}}', '{LONG}', '${{B}}']", {"B": ""})
    assert value == Gateway(tokens=(token("token 2", LONG),))
    assert problems == []
    assert warnings == [
        "gateway.tokens[0] is skipped: A is not set",
        "gateway.tokens[2] is skipped: B is empty",
    ]


def test_a_short_token_is_taken_with_a_warning() -> None:
    value, problems, warnings = read("tokens: [canary]")
    assert value == Gateway(tokens=(token("token 1", "canary"),))
    assert problems == []
    assert warnings == ["gateway.tokens[0] is shorter than 16 characters and may be guessed"]


@pytest.mark.parametrize("time", ["first", "second"])
def test_a_pattern_whose_meaning_may_change_is_taken_with_a_warning_each_time(time: str) -> None:
    value, problems, warnings = read("mask: ['[[a]', 'b']", {"AUTH_TOKEN": LONG})
    assert value is not None
    assert [each.pattern for each in value.mask] == ["[[a]", "b"]
    assert problems == []
    assert warnings == [
        "gateway.mask[0] may mean something else to a later Python: "
        "Possible nested set at position 1"
    ]


def test_bad_tokens_are_told_all_at_once_and_never_shown() -> None:
    text = f"tokens: ['{LONG}', 'canary x', '', ~, [canary], '{LONG}', 'canary\\n', '${{canary-}}']"
    _, problems, _ = read(text)
    assert problems == [
        f"f:1: gateway.tokens[1]: expected a token {CHARACTERS}",
        f"f:1: gateway.tokens[2]: expected a token {CHARACTERS}",
        "f:1: gateway.tokens[3]: expected a text, got nothing",
        "f:1: gateway.tokens[4]: expected a text, got a list",
        "f:1: gateway.tokens[5]: the same token as gateway.tokens[0]",
        f"f:1: gateway.tokens[6]: expected a token {CHARACTERS}",
        "f:1: gateway.tokens[7]: expected ${NAME} or ${NAME:-default} (write $${ for a literal ${)",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tokens: canary", "gateway.tokens: expected a list of tokens, got a single value"),
        ("virtual_hosts: a", "gateway.virtual_hosts: expected a list of hosts, got a single value"),
        (
            "virtual_hosts: []",
            "gateway.virtual_hosts: expected a list of at least one host, got an empty list",
        ),
        (
            "virtual_hosts: [a, b:80]",
            "gateway.virtual_hosts[1]: expected a host name or an IP address, without scheme and "
            "port, got 'b:80'",
        ),
        ("passthrough: yes", "gateway.passthrough: expected true or false, got 'yes'"),
        (
            "passthrough: 'true'",
            "gateway.passthrough: expected a value without quotes, got the quoted text 'true'",
        ),
        (
            "deadline: 1:30",
            "gateway.deadline: expected a duration such as 500ms, 30s, 10m or 1h30m, got '1:30'",
        ),
        (
            "deadline: 0",
            "gateway.deadline: expected a duration of more than 0 and at most 168h, got '0'",
        ),
        ("deadline:", "gateway.deadline: expected a text, got nothing"),
        (
            "max_attempts: 0",
            "gateway.max_attempts: expected an integer of at least 1, got '0'",
        ),
        (
            "drain: 0s",
            "gateway.drain: expected a duration of more than 0 and at most 168h, got '0s'",
        ),
        (
            "max_request_bytes: 0777",
            "gateway.max_request_bytes: expected a positive number of bytes such as 33554432, "
            "32MiB, 512KiB or 1MB, got '0777'",
        ),
        ("mask: a", "gateway.mask: expected a list of regular expressions, got a single value"),
        (
            "mask: ['a', 'b(']",
            "gateway.mask[1]: expected a regular expression (missing ), unterminated subpattern at "
            "position 1), got the quoted text 'b('",
        ),
        (
            "mask: ['x*']",
            "gateway.mask[0]: expected a regular expression that does not match the empty text, "
            "got the quoted text 'x*'",
        ),
        ("mask: [[a]]", "gateway.mask[0]: expected a text, got a list"),
        ("[]", "gateway: expected a mapping, got an empty list"),
        (
            "token: x",
            "gateway: unknown key 'token', expected one of: virtual_hosts, tokens, tokens_file, "
            "passthrough, deadline, max_attempts, keepalive, drain, max_request_bytes, mask, "
            "bounds; did you mean 'tokens'?",
        ),
    ],
)
def test_problems(text: str, problem: str) -> None:
    assert read(text)[1] == [f"f:1: {problem}"]
