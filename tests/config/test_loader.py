from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llm_gateway.config import (
    BREAKER_MINUTE,
    BreakerPolicy,
    ClientToken,
    Config,
    ConfigError,
    Credential,
    CredentialDefaults,
    Gateway,
    Http,
    Model,
    Provider,
    ProviderDefaults,
    RetryPolicy,
    Routing,
    Size,
    Strategy,
    ThrottlePolicy,
    demo,
    load,
)
from llm_gateway.secret import Secret

KEY = (CredentialDefaults("api_key"),)
KINDS = {
    "openai": ProviderDefaults("https://api.openai.com/v1", KEY),
    "openrouter": ProviderDefaults("https://openrouter.ai/api/v1", KEY, draws=True),
    "groq": ProviderDefaults("https://api.groq.com/openai/v1", KEY),
    "echo": ProviderDefaults(None),
}
TOKEN = "0123456789abcdef"
FILE = Path("provider_config.yaml")
SMALLEST = "providers: {echo: }\nmodels: [{name: a, provider: echo}]\n"


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str, environ: Mapping[str, str] | None = None, path: Path = FILE) -> Config:
    path.write_text(text)
    return load(path, environ or {}, KINDS)


def complaint(text: str | bytes, environ: Mapping[str, str] | None = None) -> str:
    FILE.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load(FILE, environ or {}, KINDS)
    return str(caught.value)


def key_of(config: Config) -> Secret:
    """The key of the provider groq."""
    [credential] = config.providers["groq"].credentials
    return credential.secret


def test_a_whole_file() -> None:
    text = """
gateway:
  deadline: 30s
providers:
  openrouter:
    api_key: ${OPENROUTER_API_KEY}
    http: {connect: 1s}
  local:
    kind: openai
    base_url: http://127.0.0.1:11434/v1
models:
  - name: qwen3-coder
    provider: openrouter
    model: qwen/qwen3-coder:free
    size: BIG
  - name: tiny
    provider: local
    priority: 2
"""
    config = read(text, {"OPENROUTER_API_KEY": "sk-1", "AUTH_TOKEN": TOKEN})
    openrouter = Provider(
        "openrouter",
        "openrouter",
        "https://openrouter.ai/api/v1",
        Http(connect=1.0),
        None,
        (Credential("authorization", "Bearer ", Secret("sk-1")),),
    )
    local = Provider("local", "openai", "http://127.0.0.1:11434/v1", Http(), None)
    assert config == Config(
        gateway=Gateway(tokens=(ClientToken.of("AUTH_TOKEN", Secret(TOKEN)),), deadline=30.0),
        providers={"openrouter": openrouter, "local": local},
        models=(
            Model(
                "qwen3-coder",
                "openrouter",
                "qwen/qwen3-coder:free",
                Size.BIG,
                1,
                http=Http(connect=1.0),
            ),
            Model("tiny", "local", "tiny", None, 2),
        ),
        source="provider_config.yaml",
        watched=(FILE.absolute(), Path(".env").absolute()),
        warnings=(),
    )


def test_the_nearest_rule_wins_key_by_key() -> None:
    text = """
retry: {base: 1s, budget: 0.5}
breaker: minute
throttle: {queue: 7}
providers:
  echo:
    retry: {attempts: 5, base: 2s}
    throttle: {min_interval: 1s}
models:
  - {name: a, provider: echo, retry: {attempts: 1}}
  - {name: b, provider: echo, breaker: {failures: 2}}
"""
    config = read(text)
    echo = config.providers["echo"]
    assert echo.retry == RetryPolicy(attempts=5, base=2.0, budget=0.5)
    assert echo.breaker == BREAKER_MINUTE
    assert echo.throttle == ThrottlePolicy(min_interval=1.0, queue=7)
    first, second = config.models
    assert (first.retry, first.breaker) == (replace(echo.retry, attempts=1), BREAKER_MINUTE)
    assert (second.retry, second.breaker) == (echo.retry, BreakerPolicy(failures=2))


@pytest.mark.parametrize("text", [SMALLEST, f"{SMALLEST}retry: {{budget: 0.2}}\n"])
def test_a_variable_speaks_for_retry_where_the_file_does_not(text: str) -> None:
    Path(".env").write_text("RETRY_MAX_RETRIES=5\n")
    config = read(text)
    assert config.providers["echo"].retry == RetryPolicy(attempts=6)
    assert [model.retry for model in config.models] == [RetryPolicy(attempts=6)]


def test_routing_names_what_the_file_has() -> None:
    text = f"{SMALLEST}routing: {{strategies: {{a: weighted}}, aliases: {{b: echo/a}}}}\n"
    assert read(text).routing == Routing(
        strategies={"a": Strategy.WEIGHTED}, aliases={"b": "echo/a"}
    )
    assert complaint(f"{SMALLEST}routing: {{aliases: {{b: c}}}}\n") == (
        "provider_config.yaml:3: routing.aliases.b: expected the name of a model, provider/model, "
        "or a size class that some model has, got 'c'"
    )


@pytest.mark.parametrize(
    "text",
    [
        "providers: {echo: }\nmodels: [{name: 5 5, provider: echo}]\n",
        "providers: {echo: , echoo: }\nmodels: [{name: a, provider: echo}]\n",
        "providers: {echo: }\nmodles: [{name: a, provider: echo}]\n",
        "providers: {echo: }\nmodels: [{name: c, name: a, provider: echo}]\n",
    ],
)
def test_of_names_that_a_broken_entry_may_have_had_nothing_is_said(text: str) -> None:
    broken = complaint(f"{text}routing: {{strategies: {{a: wheel}}, aliases: {{b: c}}}}\n")
    assert "strategies.a: expected one of" in broken
    assert "aliases" not in broken


def test_models_may_be_left_to_a_provider_that_lists_its_own() -> None:
    assert read("providers: {groq: {api_key: k, discover: true}}\n").models == ()
    assert complaint("providers: {groq: {api_key: k}}\n") == (
        "provider_config.yaml:1: required key 'models' is missing"
    )


def test_pictures_can_only_be_asked_of_who_draws() -> None:
    text = """
providers: {openrouter: {api_key: k}, groq: {api_key: k}}
models:
  - {name: a, provider: openrouter, capabilities: [chat, image]}
  - {name: b, provider: groq, capabilities: [image]}
"""
    assert complaint(text) == (
        "provider_config.yaml:5: models[1].capabilities: provider groq makes no pictures"
    )


@pytest.mark.parametrize(
    "models", ["", "models: [{name: a, provider: openrouter, capabilities: [image]}]\n"]
)
def test_of_a_provider_that_cannot_be_read_nothing_more_is_said(models: str) -> None:
    text = "providers: {openrouter: {base_url: x, api_key: k, discover: true}}\n"
    assert complaint(text + models) == (
        "provider_config.yaml:1: providers.openrouter.base_url: expected an absolute http or "
        "https URL, got 'x'"
    )


def test_reading_twice_gives_equal_configurations_and_a_change_another() -> None:
    first = read(SMALLEST)
    assert read(SMALLEST) == first
    assert read(SMALLEST, {"AUTH_TOKEN": TOKEN}) != first


def test_warnings_name_what_is_off_and_that_nothing_is_usable() -> None:
    text = "providers: {groq: , openai: }\nmodels: [{name: a, provider: groq}]\n"
    assert read(text).warnings == (
        "provider groq is switched off: GROQ_API_KEY is not set",
        "provider openai is switched off: OPENAI_API_KEY is not set",
        "no model is usable: groq is switched off (GROQ_API_KEY is not set)",
    )


def test_dotenv_beside_the_file_comes_before_the_working_directory(tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    conf.mkdir()
    (conf / ".env").write_text("GROQ_API_KEY=conf\n")
    Path(".env").write_text(f"GROQ_API_KEY=cwd\nAUTH_TOKEN={TOKEN}\n")
    text = "providers: {groq: }\nmodels: [{name: a, provider: groq}]\n"
    path = Path("conf/gateway.yaml")
    config = read(text, path=path)
    assert key_of(config) == Secret("conf")
    assert [each.secret for each in config.gateway.tokens] == [Secret(TOKEN)]
    assert config.watched == (path.absolute(), conf / ".env", tmp_path / ".env")
    assert config.source == "conf/gateway.yaml"
    process = read(text, {"GROQ_API_KEY": "process"}, path)
    assert key_of(process) == Secret("process")


def test_the_environment_that_is_given_is_not_changed() -> None:
    Path(".env").write_text("A=1\n")
    environ: dict[str, str] = {}
    read(SMALLEST, environ)
    assert environ == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "",
            "provider_config.yaml:1: required key 'providers' is missing\n"
            "provider_config.yaml:1: required key 'models' is missing",
        ),
        ("- a\n", "provider_config.yaml:1: expected a mapping, got a list"),
        (
            "models: [{name: a, provider: x}]\n",
            "provider_config.yaml:1: required key 'providers' is missing",
        ),
        (
            SMALLEST + "retries: {attempts: 3}\n",
            "provider_config.yaml:3: unknown key 'retries', expected one of: gateway, routing, "
            "retry, breaker, throttle, providers, models; did you mean 'retry'?",
        ),
        (
            SMALLEST + "retry: 3\nbreaker: hour\nthrottle: []\n",
            "provider_config.yaml:3: retry: expected a mapping, got '3'\n"
            "provider_config.yaml:4: breaker: expected a mapping or one of the words minute, none, "
            "got 'hour'\n"
            "provider_config.yaml:5: throttle: expected a mapping, got an empty list",
        ),
        (
            SMALLEST + "routing: a\n",
            "provider_config.yaml:3: routing: expected a mapping, got 'a'",
        ),
        (
            "providers: {echo: , acne: x}\nmodels: [{name: a, provider: acne}]\n",
            "provider_config.yaml:1: providers.acne: expected a mapping, got 'x'",
        ),
        (b"a: \xff", "provider_config.yaml:1: expected UTF-8 text"),
        ("a: [", None),
    ],
)
def test_problems(text: str | bytes, expected: str | None) -> None:
    assert complaint(text) == (
        expected
        or "provider_config.yaml:1: invalid YAML: expected the node content, but found "
        "'<stream end>' (while parsing a flow node on line 1)"
    )


@pytest.mark.parametrize(
    "text",
    [
        "providers: {%s: {}}\nmodels: [{name: a, provider: x}]\n",
        "providers: {%s: {kind: no}, a: {}}\nmodels: [{name: a, provider: x}]\n",
        "providers: {a: {kind: %s}}\nmodels: [{name: a, provider: a}]\n",
        "providers: {groq: %s}\nmodels: [{name: a, provider: groq}]\n",
        "providers: {groq: {%s: x}}\nmodels: [{name: a, provider: groq}]\n",
        "providers: {echo: {base_url: %s}}\nmodels: [{name: a, provider: echo}]\n",
        "providers: {echo: , %s: {kind: echo}}\nmodels: [{name: a, provider: b}]\n",
        SMALLEST + "%s: x\n",
        SMALLEST + "%s:\n",
        SMALLEST + "gateway: {mask: ['(%s']}\n",
        SMALLEST + "gateway: {virtual_hosts: ['%s:x']}\n",
        SMALLEST + "routing: {aliases: {a: %s}}\n",
        SMALLEST + "x: {%s: 1, %s: 2}\n",
        SMALLEST + "%s\n",
        "models: [{name: a, provider: %s}]\nproviders: {echo: }\n",
    ],
)
def test_a_key_in_the_wrong_place_is_in_no_message(text: str) -> None:
    assert "canary" not in complaint(text.replace("%s", "sk-canary-0123456789"))


def test_all_problems_are_told_at_once_by_line_and_dotenv_last() -> None:
    Path(".env").write_text("canary\n")
    text = """models:
  - {name: a, provider: x, size: LARGE}
  - {name: a, name: b, provider: echo}
providers:
  echo: {api_key: canary}
gateway:
  passthrough: 1
  deadline: ${D}
"""
    assert complaint(text, {"AUTH_TOKEN": "canary canary"}).splitlines() == [
        "provider_config.yaml:2: models[0].provider: expected a key of providers (echo), got 'x'",
        "provider_config.yaml:2: models[0].size: expected SMALL or BIG, got 'LARGE'",
        "provider_config.yaml:3: models[1]: key 'name' is given twice, first on line 3",
        "provider_config.yaml:5: providers.echo: unknown key 'api_key', expected one of: kind, "
        "http, limits, retry, breaker, throttle",
        "provider_config.yaml:6: gateway.tokens: expected a token in AUTH_TOKEN of letters, digits "
        "and ._~+/- that may end in = (RFC 6750)",
        "provider_config.yaml:7: gateway.passthrough: expected true or false, got '1'",
        "provider_config.yaml:8: gateway.deadline: environment variable D is not set",
        ".env:1: expected NAME=value",
    ]


def test_a_problem_of_dotenv_alone_is_enough() -> None:
    Path(".env").write_text("A='canary\n")
    assert complaint(SMALLEST) == (
        ".env:1: expected a closing quote, and nothing but a comment after it"
    )


def test_a_missing_file_and_a_bad_dotenv_are_told_together() -> None:
    Path(".env").write_text("canary\n")
    with pytest.raises(ConfigError) as caught:
        load(FILE, {}, KINDS)
    assert str(caught.value).splitlines() == [
        "provider_config.yaml: cannot be read: No such file or directory",
        ".env:1: expected NAME=value",
    ]


def test_a_path_that_no_system_takes() -> None:
    with pytest.raises(ConfigError) as caught:
        load(Path("a\0b"), {}, KINDS)
    assert str(caught.value) == "a\0b: cannot be read: not a valid path"


def test_the_demo_needs_nothing(tmp_path: Path) -> None:
    assert demo(tmp_path, {}) == Config(
        gateway=Gateway(),
        providers={"echo": Provider("echo", "echo", "http://echo.invalid/v1", Http(), None)},
        models=(
            Model("echo-small", "echo", "echo-small", Size.SMALL, 1),
            Model("echo-big", "echo", "echo-big", Size.BIG, 1),
        ),
        source="built-in demo",
        watched=(tmp_path / ".env",),
        warnings=(),
    )


def test_the_demo_takes_its_token_from_dotenv(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"AUTH_TOKEN={TOKEN}\n")
    assert [each.secret for each in demo(tmp_path, {}).gateway.tokens] == [Secret(TOKEN)]


def test_the_demo_obeys_the_variables_of_retry(tmp_path: Path) -> None:
    config = demo(tmp_path, {"RETRY_MAX_RETRIES": "0", "RETRY_JITTER": "0.1"})
    assert {model.retry for model in config.models} == {RetryPolicy(attempts=1)}
    assert config.warnings == (
        "RETRY_JITTER has no meaning here: each wait is a random part of its full length",
    )
    with pytest.raises(ConfigError) as caught:
        demo(tmp_path, {"RETRY_MAX_RETRIES": "canary"})
    assert str(caught.value) == (
        "built-in demo: retry.attempts: expected an integer of at least 0, got the expansion of "
        "'${RETRY_MAX_RETRIES}'"
    )


def test_the_demo_refuses_a_token_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        demo(tmp_path, {"AUTH_TOKEN": "canary canary"})
    assert str(caught.value) == (
        "built-in demo: gateway.tokens: expected a token in AUTH_TOKEN of letters, digits and "
        "._~+/- that may end in = (RFC 6750)"
    )


KEYS = [
    "gateway",
    "providers",
    "models",
    "virtual_hosts",
    "tokens",
    "passthrough",
    "deadline",
    "max_request_bytes",
    "echo",
    "kind",
    "base_url",
    "api_key",
    "http",
    "connect",
    "max_idle",
    "name",
    "provider",
    "model",
    "size",
    "priority",
    "capabilities",
    "omit",
    "headers",
    "ca_file",
    "discover",
    "routing",
    "strategies",
    "aliases",
    "retry",
    "base",
    "max",
    "fallback_on",
    "breaker",
    "throttle",
    "min_interval",
    "limits",
    "minute",
    "tokens",
    "zone",
    "hedge",
    "resume",
]
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=8),
    st.sampled_from(
        ["echo", "openai", "BIG", "${A}", "${", "https://a", "a", "10m", "localhost", "minute"]
    ),
)
DOCUMENTS = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=12,
)


def flow(value: object) -> str:
    """The value in YAML's flow style."""
    match value:
        case dict():
            inner = ", ".join(f"{flow(key)}: {flow(item)}" for key, item in value.items())
            return f"{{{inner}}}"
        case list():
            return f"[{', '.join(map(flow, value))}]"
        case str():
            return "'" + value.replace("'", "''").replace("\n", " ") + "'"
        case None:
            return "~"
        case _:
            return str(value).lower()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary()
    | st.text().map(str.encode)
    | DOCUMENTS.map(lambda value: flow(value).encode("utf-8", "replace"))
    | DOCUMENTS.map(lambda value: f"{SMALLEST}gateway: {flow(value)}".encode("utf-8", "replace"))
    | DOCUMENTS.map(
        lambda value: f"providers: {{echo: {flow(value)}}}\nmodels: [{flow(value)}]".encode(
            "utf-8", "replace"
        )
    ),
    st.dictionaries(
        st.sampled_from(["A", "AUTH_TOKEN", "RETRY_MAX_RETRIES", "RETRY_BASE_DELAY"]),
        st.text(max_size=8),
    ),
)
def test_any_file_is_a_configuration_or_a_config_error(
    data: bytes, environ: dict[str, str]
) -> None:
    FILE.write_bytes(data)
    try:
        config = load(FILE, environ, KINDS)
    except ConfigError as error:
        lines = [problem.line for problem in error.problems]
        outcome = bool(lines) and lines == sorted(lines)
    else:
        outcome = all(model.provider in config.providers for model in config.models)
    assert outcome
