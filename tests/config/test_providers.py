from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import certifi
import pytest

from llm_gateway.config import (
    BREAKER_MINUTE,
    BreakerPolicy,
    Credential,
    CredentialDefaults,
    Http,
    Limits,
    OAuth,
    Provider,
    ProviderDefaults,
    RetryPolicy,
    ThrottlePolicy,
    Windows,
)
from llm_gateway.config.cursor import Cursor, Report
from llm_gateway.config.nodes import parse
from llm_gateway.config.policies import DEFAULTS, Policies
from llm_gateway.config.providers import ProvidersReader
from llm_gateway.secret import Secret

API_KEY = CredentialDefaults("api_key")
OPTIONAL = CredentialDefaults("api_key", required=False)
KINDS = {
    "openai": ProviderDefaults("https://openai.example/v1", (API_KEY,)),
    "other": ProviderDefaults(None, (OPTIONAL,)),
    "acme": ProviderDefaults("https://acme.example/v1", (API_KEY,), headers=(("x-title", "us"),)),
    "acme-eu": ProviderDefaults(None, (API_KEY,), lists_models=False),
    "free": ProviderDefaults("https://free.example/v1", (OPTIONAL,)),
    "echo": ProviderDefaults(None),
    "account": ProviderDefaults(
        "https://c.example/{account_id}/{gateway_id}",
        (OPTIONAL, CredentialDefaults("gateway_key", "x-gateway", "", required=False)),
        settings=("account_id", "gateway_id"),
        variables="CLOUD",
    ),
    "oauth": ProviderDefaults(
        "https://o.example", (API_KEY,), oauth=OAuth("https://auth.example/token", "PERSONAL")
    ),
}
NAMES = ", ".join(KINDS)
KEY = "expected a key of printable ASCII characters without spaces around it"


def read(
    text: str,
    environment: Mapping[str, str] | None = None,
    file: str = "f",
    policies: Policies = DEFAULTS,
) -> tuple[dict[str, Provider], list[str], list[str]]:
    """The section, its problems and its warnings."""
    node, _ = parse(text, file)
    assert node is not None
    report = Report(file, environment or {})
    value = Cursor(node, "providers", 1, report).attempt(ProvidersReader(KINDS, policies))
    return dict(value or {}), [str(problem) for problem in report.problems], report.warnings


def provider(
    name: str,
    base_url: str,
    key: str | None = None,
    off: str | None = None,
    kind: str | None = None,
    http: Http | None = None,
) -> Provider:
    kind = kind or name
    credentials = (Credential("authorization", "Bearer ", Secret(key)),) if key else ()
    headers = KINDS[kind].headers
    return Provider(name, kind, base_url, http or Http(), off, credentials, headers)


def test_every_key() -> None:
    text = """
own:
  kind: other
  base_url: https://own.example/v1/
  api_key: ${A}
  http: {connect: 1s}
  limits: {minute: 20, zone: Asia/Tokyo}
  retry: {attempts: 1}
  breaker: minute
  throttle: {min_interval: 3s}
"""
    expected = replace(
        provider("own", "https://own.example/v1", "k 1", kind="other", http=Http(connect=1.0)),
        limits=Limits(Windows(minute=20), zone="Asia/Tokyo"),
        retry=RetryPolicy(attempts=1),
        breaker=BREAKER_MINUTE,
        throttle=ThrottlePolicy(min_interval=3.0),
    )
    assert read(text, {"A": "k 1"}) == ({"own": expected}, [], [])


def test_what_a_provider_leaves_out_comes_from_the_top_level() -> None:
    top = Policies(
        RetryPolicy(attempts=7, base=2.0), BreakerPolicy(failures=9), ThrottlePolicy(queue=4)
    )
    text = "free: {retry: {attempts: 1}, throttle: {max_concurrent: 2}}"
    found = read(text, policies=top)[0]["free"]
    assert found.retry == RetryPolicy(attempts=1, base=2.0)
    assert found.breaker == BreakerPolicy(failures=9)
    assert found.throttle == ThrottlePolicy(max_concurrent=2, queue=4)
    assert found.limits == Limits()


def test_a_provider_without_key_or_network_may_have_rules_too() -> None:
    text = "echo: {limits: {minute: 5}, throttle: {max_concurrent: 1}}"
    found = read(text)[0]["echo"]
    assert found.limits == Limits(Windows(minute=5))
    assert found.throttle == ThrottlePolicy(max_concurrent=1)


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
        ("free:", {}, provider("free", "https://free.example/v1")),
        ("free:", {"FREE_API_KEY": "k"}, provider("free", "https://free.example/v1", "k")),
        (
            "mine: {kind: acme, api_key: k}",
            {},
            provider("mine", "https://acme.example/v1", "k", kind="acme"),
        ),
        ("free: {api_key: k}", {}, provider("free", "https://free.example/v1", "k")),
        (
            "local: {kind: openai, base_url: 'http://127.0.0.1:11434/v1'}",
            {},
            provider("local", "http://127.0.0.1:11434/v1", kind="openai"),
        ),
        (
            "lan: {kind: openai, base_url: 'http://ollama:11434/v1'}",
            {},
            provider("lan", "http://ollama:11434/v1", kind="openai"),
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
            "it has base_url of its own and no api_key",
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
    text = "acme-eu: {base_url: https://eu.example, api_key: '${ACME_EU_API_KEY}'}"
    assert read(text, {"ACME_EU_API_KEY": "k"})[0] == {
        "acme-eu": provider("acme-eu", "https://eu.example", "k")
    }
    assert read("acme-eu:", {"ACME_EU_API_KEY": "k"})[1] == [
        "f:1: providers.acme-eu: required key 'base_url' is missing, 'acme-eu' has no known address"
    ]


def test_settings_are_part_of_the_known_address() -> None:
    environment = {"CLOUD_ACCOUNT_ID": "a1", "CLOUD_GATEWAY_ID": "g-1", "CLOUD_GATEWAY_KEY": "gk"}
    providers, problems, warnings = read("account:", environment)
    assert (problems, warnings) == ([], [])
    found = providers["account"]
    assert found.base_url == "https://c.example/a1/g-1"
    assert found.credentials == (Credential("x-gateway", "", Secret("gk")),)
    providers, problems, _ = read("c: {kind: account, account_id: b2, gateway_id: g2}", environment)
    assert problems == []
    assert providers["c"].base_url == "https://c.example/b2/g2"
    assert providers["c"].credentials == ()


def test_a_provider_without_its_settings_is_switched_off() -> None:
    providers, problems, warnings = read("account: {gateway_id: g}")
    assert problems == []
    assert warnings == ["provider account is switched off: CLOUD_ACCOUNT_ID is not set"]
    assert providers["account"].off == "CLOUD_ACCOUNT_ID is not set"


def test_a_base_url_of_ones_own_takes_no_settings() -> None:
    text = "account: {base_url: https://c.example, account_id: x}"
    assert read(text)[1] == [
        "f:1: providers.account.account_id: is part of the known address, and not of a base_url"
    ]


def test_headers_join_those_of_the_kind_and_replace_them() -> None:
    text = "acme: {api_key: k, headers: {X-Title: mine, x-team: '${TEAM}'}}"
    providers, problems, _ = read(text, {"TEAM": "blue"})
    assert problems == []
    assert providers["acme"].headers == (("x-title", "mine"), ("x-team", "blue"))


def test_where_a_token_comes_from_may_be_changed() -> None:
    assert read("oauth: {api_key: k}")[0]["oauth"].oauth == KINDS["oauth"].oauth
    text = "oauth: {api_key: k, scope: CORP, auth_url: 'http://127.0.0.1:9/token'}"
    assert read(text)[0]["oauth"].oauth == OAuth("http://127.0.0.1:9/token", "CORP")


def test_a_key_goes_in_the_clear_only_where_that_is_said() -> None:
    text = "oauth: {api_key: k, base_url: 'http://a.example', auth_url: 'http://b.example'%s}"
    for safe in ("", ", insecure: false"):
        [problem] = read(text % safe)[1]
        assert ".oauth.base_url: expected an https URL" in problem
    provider = read(text % ", insecure: true")[0]["oauth"]
    assert provider.base_url == "http://a.example"
    assert provider.oauth is not None
    assert provider.oauth.url == "http://b.example"


def test_certificates_are_looked_for_beside_the_file(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(Path(certifi.where()).read_bytes())
    (tmp_path / "no.pem").write_text("nothing")
    file = str(tmp_path / "gateway.yaml")
    providers, problems, _ = read("free: {ca_file: ca.pem}", file=file)
    assert problems == []
    assert providers["free"].ca_file == tmp_path / "ca.pem"
    for name in ("no.pem", "none.pem"):
        [problem] = read(f"free: {{ca_file: {name}}}", file=file)[1]
        assert problem.endswith(
            f"providers.free.ca_file: expected a file with certificates in PEM, got '{name}'"
        )


def test_a_provider_may_list_its_models_if_its_kind_can() -> None:
    assert read("free: {discover: true}")[0]["free"].discover
    assert read("acme-eu: {base_url: https://x, api_key: k, discover: true}")[1] == [
        "f:1: providers.acme-eu.discover: a provider of kind acme-eu does not list its models"
    ]


def test_the_result_is_read_only() -> None:
    node, _ = parse("free:", "f")
    assert node is not None
    value = ProvidersReader(KINDS)(Cursor(node, "providers", 1, Report("f", {})))
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
            f".acne: 'acne' is not a known provider and has no kind, expected one of: {NAMES}; did "
            "you mean 'acme'?",
        ),
        (
            "acme: {kind: x}",
            f".acme.kind: expected one of: {NAMES}, got 'x'",
        ),
        (
            "x: {kind: openai}",
            ".x: required key 'api_key' is missing (or a base_url, for a server without)",
        ),
        (
            "acme: {kind: other}",
            ".acme: required key 'base_url' is missing, 'other' has no known address",
        ),
        (
            "x: {kind: account, account_id: 1/2, gateway_id: g}",
            ".x.account_id: expected 1 to 64 letters, digits, _ and - that start with a letter or "
            "a digit, got '1/2'",
        ),
        (
            "x: {kind: account, account_id: a}",
            ".x: required key 'gateway_id' is missing",
        ),
        (
            "oauth: {api_key: k, scope: 'a b'}",
            ".oauth.scope: expected a scope of 1 to 64 printable ASCII characters without spaces, "
            "got the quoted text 'a b'",
        ),
        (
            "oauth: {api_key: k, auth_url: 'http://auth.example'}",
            ".oauth.auth_url: expected an https URL (http: for this machine, without a key, or "
            "with insecure: true), got the quoted text 'http://auth.example'",
        ),
        (
            "free: {discover: 'true'}",
            ".free.discover: expected a value without quotes, got the quoted text 'true'",
        ),
        (
            "acme: {base_url: http://free.example}",
            ".acme.base_url: expected an https URL (http: for this machine, without a key, or "
            "with insecure: true), got 'http://free.example'",
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
            ".lan.base_url: expected an https URL (http: for this machine, without a key, or "
            "with insecure: true), got the quoted text 'http://ollama:11434/v1'",
        ),
        (
            "demo: {kind: echo, base_url: https://x}",
            ".demo: unknown key 'base_url', expected one of: kind, http, limits, retry, breaker, "
            "throttle",
        ),
        (
            "demo: {kind: echo, api_key: canary}",
            ".demo: unknown key 'api_key', expected one of: kind, http, limits, retry, breaker, "
            "throttle",
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
            ".free.http: unknown key 'conect', expected one of: connect, first_event, answer, "
            "idle, max_connections, max_idle, keepalive; did you mean 'connect'?",
        ),
        (
            "free: {trottle: {}}",
            ".free: unknown key 'trottle', expected one of: kind, base_url, api_key, headers, "
            "ca_file, discover, insecure, http, limits, retry, breaker, throttle; did you mean "
            "'throttle'?",
        ),
        (
            "free: {limits: {}}",
            ".free.limits: expected at least one of: minute, hour, day, tokens",
        ),
        (
            "free: {retry: {max: 100ms}}",
            ".free.retry: max (0.1s) is below base (0.5s)",
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
    text = "x:\n  kind: y\n  base_url: z\n  api_key: ''\n  http: {idle: 0s}\n  breaker: hour\n"
    assert [problem.split(": ")[1] for problem in read(text)[1]] == [
        "providers.x.kind",
        "providers.x.http.idle",
        "providers.x.breaker",
    ]
