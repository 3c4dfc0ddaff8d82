"""Files of ai-proxy, loaded as any other file."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from llm_gateway.adapters import KINDS
from llm_gateway.config import (
    BREAKER_MINUTE,
    Capability,
    Config,
    ConfigError,
    Limits,
    Size,
    Windows,
    load,
)
from llm_gateway.routing import Catalogue
from llm_gateway.secret import Secret

ROOT = Path(__file__).parents[2]
SAMPLE = Path(__file__).parent / "legacy" / "provider-config.yaml"
DEFAULTS = {name: kind.defaults for name, kind in KINDS.items()}
FILE = Path("provider-config.yaml")


@pytest.fixture(autouse=True)
def _directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str, environ: Mapping[str, str] | None = None) -> Config:
    FILE.write_text(text)
    FILE.chmod(0o600)
    return load(FILE, environ or {}, DEFAULTS)


@pytest.fixture(name="sample")
def _sample() -> Config:
    return read(SAMPLE.read_text(), {"AUTH_TOKEN": "0123456789abcdef"})


def test_the_sample_loads_and_says_line_by_line_what_is_different(sample: Config) -> None:
    assert [re.sub(r"(:\d+: [^:]+: .{20}).*", r"\1", each) for each in sample.warnings] == [
        "provider-config.yaml:2: auth_token: ai-proxy does not re",
        "provider-config.yaml:68: models[5].url: Cohere's own format ",
        "provider-config.yaml:110: models[9].url: ai-proxy did not che",
        "provider-config.yaml:132: models[11].url: expected a URL that ",
        "provider-config.yaml:162: models[14].url: expected a URL that ",
    ]
    assert [each.secret for each in sample.gateway.tokens] == [Secret("0123456789abcdef")]


def test_every_provider_of_the_sample_is_on_where_it_was(sample: Config) -> None:
    assert {name: (each.kind, each.base_url) for name, each in sample.providers.items()} == {
        "openrouter": ("openrouter", "https://openrouter.ai/api/v1"),
        "openrouter-2": ("openrouter", "https://openrouter.ai/api/v1"),
        "groq": ("groq", "https://api.groq.com/openai/v1"),
        "arliai": ("arliai", "https://api.arliai.com/v1"),
        "github": ("github", "https://models.inference.ai.azure.com"),
        "cohere": ("cohere", "https://api.cohere.ai/compatibility/v1"),
        "google": ("gemini", "https://generativelanguage.googleapis.com/v1beta"),
        "cloudflare": (
            "cloudflare-openai",
            "https://api.cloudflare.com/client/v4/accounts/0123456789abcdef/ai/v1",
        ),
        "cloudflare-2": (
            "cloudflare",
            "https://api.cloudflare.com/client/v4/accounts/0123456789abcdef/ai",
        ),
        "gigachat": ("gigachat", "https://gigachat.devices.sberbank.ru/api/v1"),
        "huggingface": (
            "huggingface",
            "https://api-inference.huggingface.co/models/mistralai/Mistral-Nemo-Instruct-2407/v1",
        ),
        "together": ("together", "https://api.together.xyz/v1"),
        "aimlapi": ("openai", "https://api.aimlapi.com"),
        "glama": ("openai", "https://glama.ai/api/gateway/openai/v1"),
    }
    assert not any(each.off for each in sample.providers.values())


def test_keys_and_spacing_of_the_sample(sample: Config) -> None:
    found = {
        name: ([each.secret for each in provider.credentials], provider.throttle.min_interval)
        for name, provider in sample.providers.items()
    }
    assert {
        name: found[name] for name in ("openrouter-2", "groq", "google", "cloudflare", "gigachat")
    } == {
        "openrouter-2": ([Secret("or-made-up-2")], 0.0),
        "groq": ([Secret("groq-made-up")], 3.0),
        "google": ([Secret("google-made-up")], 10.0),
        "cloudflare": ([Secret("cloudflare-made-up")], 1.0),
        "gigachat": ([Secret("client-made-up:secret-made-up")], 1.0),
    }
    gigachat = sample.providers["gigachat"]
    assert gigachat.oauth is not None
    assert gigachat.oauth.scope == "GIGACHAT_API_CORP"
    assert gigachat.throttle.max_concurrent == 1


def test_models_of_the_sample(sample: Config) -> None:
    models = {model.name: model for model in sample.models}
    assert all(model.breaker == BREAKER_MINUTE for model in sample.models)
    first = models["deepseek/deepseek-r1:free"]
    assert (first.provider, first.model) == ("openrouter", "deepseek/deepseek-r1:free")
    assert (first.size, first.priority, first.max_request_bytes) == (Size.BIG, 1, 167731)
    assert first.limits == Limits(Windows(minute=20, hour=1000, day=1000))
    assert (first.http.first_event, first.http.answer, first.http.keepalive) == (30.0, 30.0, 90.0)
    assert {name: model.model for name, model in models.items()} == {
        "deepseek/deepseek-r1:free": "deepseek/deepseek-r1:free",
        "openrouter/deepseek/deepseek-chat:free": "deepseek/deepseek-chat:free",
        "groq/llama-3.3-70b-versatile": "llama-3.3-70b-versatile",
        "arliai/Mistral-Nemo-12B-Instruct-2407": "Mistral-Nemo-12B-Instruct-2407",
        "github/gpt-4o-mini": "gpt-4o-mini",
        "cohere/command-r-plus": "command-r-plus",
        "google/gemini-2.0-flash": "gemini-2.0-flash",
        "cf/meta/llama-3.1-8b-instruct": "@cf/meta/llama-3.1-8b-instruct",
        "cloudflare/black-forest-labs/flux-1-schnell": "@cf/black-forest-labs/flux-1-schnell",
        "gigachat/GigaChat": "GigaChat",
        "huggingface/Mistral-Nemo-Instruct-2407": "Mistral-Nemo-Instruct-2407",
        "together/black-forest-labs/FLUX.1-schnell-Free": "black-forest-labs/FLUX.1-schnell-Free",
        "aimlapi/flux/schnell": "flux/schnell",
        "glama/gemini-2.0-flash-thinking-exp-01-21": "gemini-2.0-flash-thinking-exp-01-21",
    }
    drawing = [name for name, model in models.items() if model.capabilities == {Capability.IMAGE}]
    assert drawing == [
        "cloudflare/black-forest-labs/flux-1-schnell",
        "together/black-forest-labs/FLUX.1-schnell-Free",
        "aimlapi/flux/schnell",
    ]


def test_the_list_of_models_is_the_old_one(sample: Config) -> None:
    listed = [each["id"] for each in Catalogue(sample, 0).listing()["data"]]
    assert {*listed} == {*(model.name for model in sample.models), "SMALL", "BIG"}


def test_what_is_wrong_in_both_formats_is_refused_at_its_line() -> None:
    text = SAMPLE.read_text().replace("priority: 4", "priority: last")
    with pytest.raises(ConfigError) as caught:
        read(text.replace("requests_per_day: 3500", "requests_per_day: 3_500"))
    assert [(each.line, each.message) for each in caught.value.problems] == [
        (34, "expected an integer of at least 0, got '3_500'"),
        (64, "expected an integer, got 'last'"),
    ]


def test_variables_stand_for_what_they_hold() -> None:
    text = """
models:
  - name: local/llama
    provider: local
    url: http://${LOCAL}:11434/v1/chat/completions
    token: ${LOCAL_TOKEN}
    max_request_length: 9000
"""
    config = read(text, {"LOCAL": "127.0.0.1", "LOCAL_TOKEN": "t"})
    provider = config.providers["local"]
    assert provider.base_url == "http://127.0.0.1:11434/v1"
    assert [each.secret for each in provider.credentials] == [Secret("t")]
    assert read(text, {"LOCAL": "127.0.0.1"}).providers["local"].kind == "openai"
    with pytest.raises(ConfigError, match="environment variable LOCAL is not set"):
        read(text)


def test_what_an_old_file_cannot_say_stands_beside_its_models() -> None:
    text = SAMPLE.read_text() + "routing: {aliases: {gpt-4o: BIG}}\ngateway: {deadline: 1m}\n"
    config = read(text)
    assert config.gateway.deadline == 60.0
    assert config.routing.aliases == {"gpt-4o": "BIG"}


def test_the_page_converts_as_the_program_does() -> None:
    page = (ROOT / "docs" / "migration.md").read_text()
    old, new = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    converted = read(old)
    assert converted == replace(read(new), source=converted.source)
    assert converted.warnings == ()


SECRET = "xyzzy-1"
_NUMBERS = st.sampled_from(["0", "1", "100", "", "-1", "many", "9" * 30, "[1]", "1.5"])
_URLS = st.sampled_from(
    [
        f"https://x.example/v1/models/m:generateContent?key={SECRET}",
        f"https://u:{SECRET}@x.example/v1/chat/completions",
        f"https://x.example/v1/chat/completions?key={SECRET}",
        f"https://x.example/v1/chat/completions#{SECRET}",
        f"http://x.example/v1/images/generations?k={SECRET}",
        f"https://api.cloudflare.com/client/v4/accounts/a/ai/run/@cf/m?k={SECRET}",
        "https://openrouter.ai/api/v1/chat/completions",
        "http://127.0.0.1:1/v1/images/generations",
        "${NO_SUCH}/chat/completions",
        "",
    ]
)
_MODELS = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "groq/b", "SMALL", "a b", "", "[]"])},
    optional={
        "provider": st.sampled_from(["groq", "google", "gigachat", "cloudflare", "Odd One", ""]),
        "url": _URLS,
        "token": st.sampled_from([SECRET, f"a:{SECRET}", f"{SECRET} é", "${NO_SUCH}", ""]),
        "model_size": st.sampled_from(["BIG", "SMALL", "big", ""]),
        "priority": _NUMBERS,
        "requests_per_minute": _NUMBERS,
        "requests_per_hour": _NUMBERS,
        "requests_per_day": _NUMBERS,
        "max_request_length": _NUMBERS,
        "http_client_config": st.sampled_from(["{timeout_seconds: 0}", "{odd: 1}", "3", ""]),
        "size": st.just("BIG"),
    },
)


def told(text: str) -> tuple[str, list[int]]:
    """What is said of a file, and the lines of its problems."""
    try:
        return "\n".join(read(text).warnings), []
    except ConfigError as error:
        return str(error), [problem.line for problem in error.problems]


@given(st.lists(_MODELS, min_size=1, max_size=4))
@example([{"name": "a", "token": SECRET}])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_old_file_loads_or_says_why_and_no_secret_is_told(models: list[dict[str, Any]]) -> None:
    lines = []
    for model in models:
        quoted = {
            key: f"'{value}'" if value and key in {"url", "token"} else value
            for key, value in model.items()
        }
        lines += ["  -", *(f"    {key}: {value}" for key, value in quoted.items())]
    text = "models:\n" + "\n".join(lines) + "\n"
    said, lines_told = told(text)
    assert SECRET not in said
    assert all(line <= len(lines) + 1 for line in lines_told)
