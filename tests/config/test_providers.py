from collections.abc import Mapping
from types import MappingProxyType

import pytest

from llm_gateway.config import Http, Provider, ProviderDefaults
from llm_gateway.config.cursor import Cursor, Report
from llm_gateway.config.nodes import parse
from llm_gateway.config.providers import ProvidersReader
from llm_gateway.secret import Secret

KNOWN = {
    "acme": ProviderDefaults("openai", "https://acme.example/v1", needs_key=True),
    "acme-eu": ProviderDefaults("openai", None, needs_key=True),
    "free": ProviderDefaults("openai", "https://free.example/v1", needs_key=False),
}
KINDS = ("openai", "other", "echo")
KEY = "expected a key of printable ASCII characters without spaces around it"


def read(
    text: str, environment: Mapping[str, str] | None = None
) -> tuple[dict[str, Provider], list[str], list[str]]:
    """The section, its problems and its warnings."""
    node, _ = parse(text, "f")
    assert node is not None
    report = Report("f", environment or {})
    value = Cursor(node, "providers", 1, report).attempt(ProvidersReader(KNOWN, KINDS))
    return dict(value or {}), [str(problem) for problem in report.problems], report.warnings


def provider(
    name: str, base_url: str, key: str | None = None, off: str | None = None, kind: str = "openai"
) -> Provider:
    return Provider(name, kind, base_url, None if key is None else Secret(key), Http(), off)


def test_the_defaults_of_http() -> None:
    assert Http() == Http(
        connect=5.0,
        first_event=60.0,
        idle=60.0,
        max_connections=100,
        max_idle=50,
        keepalive=90.0,
    )


def test_every_key() -> None:
    text = """
own:
  kind: other
  base_url: https://own.example/v1/
  api_key: ${A}
  http: {connect: 1s, first_event: 2m, idle: 3s, max_connections: 4, max_idle: 0, keepalive: 5.5}
"""
    http = Http(1.0, 120.0, 3.0, 4, 0, 5.5)
    expected = Provider("own", "other", "https://own.example/v1", Secret("k 1"), http, None)
    assert read(text, {"A": "k 1"}) == ({"own": expected}, [], [])


@pytest.mark.parametrize(
    ("text", "environment", "expected"),
    [
        ("acme:", {"ACME_API_KEY": "k"}, provider("acme", "https://acme.example/v1", "k")),
        ("acme: {}", {"ACME_API_KEY": "k"}, provider("acme", "https://acme.example/v1", "k")),
        ("acme: {api_key: k}", {}, provider("acme", "https://acme.example/v1", "k")),
        (
            "acme: {api_key: k, base_url: https://b.example}",
            {},
            provider("acme", "https://b.example", "k"),
        ),
        ("free:", {"FREE_API_KEY": "k"}, provider("free", "https://free.example/v1")),
        ("free: {api_key: k}", {}, provider("free", "https://free.example/v1", "k")),
        (
            "local: {kind: openai, base_url: 'http://127.0.0.1:11434/v1'}",
            {},
            provider("local", "http://127.0.0.1:11434/v1"),
        ),
        (
            "lan: {kind: openai, base_url: 'http://ollama:11434/v1'}",
            {},
            provider("lan", "http://ollama:11434/v1"),
        ),
        ("demo: {kind: echo}", {}, provider("demo", "http://echo.invalid/v1", kind="echo")),
        ("acme: {kind: echo}", {}, provider("acme", "http://echo.invalid/v1", kind="echo")),
        (
            "acme: {kind: other, base_url: https://b.example}",
            {"ACME_API_KEY": "k"},
            provider("acme", "https://b.example", kind="other"),
        ),
    ],
)
def test_what_a_name_brings_and_what_overrides_it(
    text: str, environment: dict[str, str], expected: Provider
) -> None:
    assert read(text, environment) == ({expected.name: expected}, [], [])


@pytest.mark.parametrize(
    ("text", "environment", "off"),
    [
        ("acme:", {}, "ACME_API_KEY is not set"),
        ("acme:", {"ACME_API_KEY": ""}, "ACME_API_KEY is empty"),
        ("acme: {api_key: '${OTHER}'}", {"ACME_API_KEY": "k"}, "OTHER is not set"),
        ("acme: {api_key: '${A}${B}'}", {"B": ""}, "A is not set, B is empty"),
        (
            "acme: {base_url: https://acme.example/v1}",
            {"ACME_API_KEY": "k"},
            "it has a base_url of its own and no api_key",
        ),
    ],
)
def test_a_provider_without_its_key_is_switched_off_with_one_warning(
    text: str, environment: dict[str, str], off: str
) -> None:
    expected = provider("acme", "https://acme.example/v1", off=off)
    warning = f"provider acme is switched off: {off}"
    assert read(text, environment) == ({"acme": expected}, [], [warning])


def test_an_unknown_provider_is_switched_off_too() -> None:
    _, problems, warnings = read("x: {kind: openai, base_url: https://x, api_key: '${X-Y}'}")
    assert warnings == []
    assert len(problems) == 1
    _, problems, warnings = read("x: {kind: openai, base_url: https://x, api_key: '${X}'}")
    assert warnings == ["provider x is switched off: X is not set"]
    assert problems == []


def test_a_dash_in_a_name_is_an_underscore_in_its_variable() -> None:
    providers, problems, warnings = read("acme-eu:", {"ACME_EU_API_KEY": "k"})
    assert (providers, warnings) == ({}, [])
    assert problems == [
        "f:1: providers.acme-eu: required key 'base_url' is missing, 'acme-eu' has no known address"
    ]
    defaults = {"a-b": ProviderDefaults("openai", "https://a.example", needs_key=True)}
    node, _ = parse("a-b:", "f")
    assert node is not None
    place = Cursor(node, "providers", 1, Report("f", {"A_B_API_KEY": "k"}))
    found = ProvidersReader(defaults, KINDS)(place)
    assert found["a-b"] == provider("a-b", "https://a.example", "k")


def test_the_result_is_read_only() -> None:
    node, _ = parse("free:", "f")
    assert node is not None
    value = ProvidersReader(KNOWN, KINDS)(Cursor(node, "providers", 1, Report("f", {})))
    assert isinstance(value, MappingProxyType)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ": expected a mapping with at least one provider, got nothing"),
        ("{}", ": expected a mapping with at least one provider, got a mapping"),
        ("[acme]", ": expected a mapping, got a list"),
        ("acme: x", ".acme: expected a mapping, got 'x'"),
        (
            "Acme: {kind: openai}",
            ".Acme: expected a provider name of lower-case letters, digits, _ and - that starts "
            "with a letter or a digit",
        ),
        (
            "acne:",
            ".acne: 'acne' is not a known provider (acme, acme-eu, free) and has no kind, expected "
            "one of: openai, other, echo; did you mean 'acme'?",
        ),
        ("acme: {kind: x}", ".acme.kind: expected one of: openai, other, echo, got 'x'"),
        (
            "x: {kind: openai}",
            ".x: required key 'base_url' is missing, 'x' has no known address",
        ),
        (
            "acme: {kind: other}",
            ".acme: required key 'base_url' is missing, 'acme' has no known address",
        ),
        (
            "acme: {base_url: http://free.example}",
            ".acme.base_url: expected an https URL (http is accepted for this machine, or without "
            "a key), got 'http://free.example'",
        ),
        (
            "free: {base_url: 'https://u:canary@free.example'}",
            ".free.base_url: expected a URL without user name and password",
        ),
        (
            "free: {base_url: 'u:canary@free.example'}",
            ".free.base_url: expected an absolute http or https URL",
        ),
        (
            "free: {base_url: 'https://free.example?key=canary'}",
            ".free.base_url: expected a URL without query and fragment",
        ),
        (
            "free: {base_url: 'https://${HOST}'}",
            ".free.base_url: environment variable HOST is not set",
        ),
        (
            "lan: {kind: openai, base_url: 'http://ollama:11434/v1', api_key: canary}",
            ".lan.base_url: expected an https URL (http is accepted for this machine, or without "
            "a key), got the quoted text 'http://ollama:11434/v1'",
        ),
        (
            "demo: {kind: echo, base_url: https://x}",
            ".demo.base_url: a provider of kind echo takes no base_url",
        ),
        (
            "demo: {kind: echo, api_key: canary}",
            ".demo.api_key: a provider of kind echo takes no key",
        ),
        ("free: {api_key: }", ".free.api_key: expected a text, got nothing"),
        ("free: {api_key: [canary]}", ".free.api_key: expected a text, got a list"),
        ("free: {api_key: ''}", f".free.api_key: {KEY}"),
        ('free: {api_key: "canary\\r\\nX: y"}', f".free.api_key: {KEY}"),
        ('free: {api_key: " canary"}', f".free.api_key: {KEY}"),
        ('free: {api_key: "canary "}', f".free.api_key: {KEY}"),
        ('free: {api_key: "canary\\t1"}', f".free.api_key: {KEY}"),
        ('free: {api_key: "canarié"}', f".free.api_key: {KEY}"),
        (
            "free: {api_key: '${BAD}'}",
            ".free.api_key: expected a key in BAD of printable ASCII characters without spaces "
            "around it",
        ),
        ("free: {http: 5}", ".free.http: expected a mapping, got '5'"),
        (
            "free: {http: {max_connections: 0}}",
            ".free.http.max_connections: expected an integer of at least 1, got '0'",
        ),
        (
            "free: {http: {max_connections: true}}",
            ".free.http.max_connections: expected an integer of at least 1, got 'true'",
        ),
        (
            "free: {http: {max_idle: -1}}",
            ".free.http.max_idle: expected an integer of at least 0, got '-1'",
        ),
        (
            "free: {http: {conect: 1s}}",
            ".free.http: unknown key 'conect', expected one of: connect, first_event, idle, "
            "max_connections, max_idle, keepalive; did you mean 'connect'?",
        ),
        (
            "free: {throttle: {}}",
            ".free: unknown key 'throttle', expected one of: kind, base_url, api_key, http",
        ),
    ],
)
def test_problems(text: str, problem: str) -> None:
    _, problems, warnings = read(text, {"BAD": "canary\n", "ACME_API_KEY": "k"})
    assert problems == [f"f:1: providers{problem}"]
    assert warnings == []


def test_a_bad_variable_that_is_not_written_is_named_at_its_provider() -> None:
    assert read("free:\nacme:\n", {"ACME_API_KEY": "canary\n"})[1] == [
        "f:2: providers.acme.api_key: expected a key in ACME_API_KEY of printable ASCII characters "
        "without spaces around it"
    ]


def test_the_problems_of_one_provider_are_told_together() -> None:
    text = "x:\n  kind: y\n  base_url: z\n  api_key: ''\n  http: {idle: 0s}\n"
    assert [problem.split(": ")[1] for problem in read(text)[1]] == [
        "providers.x.kind",
        "providers.x.http.idle",
    ]
