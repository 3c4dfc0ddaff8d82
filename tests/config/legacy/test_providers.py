"""Which models share an entry of `providers`, and what it says."""

from llm_gateway.config.cursor import Cursor, Report
from llm_gateway.config.legacy.models import OldModel, read
from llm_gateway.config.legacy.providers import Providers
from llm_gateway.config.legacy.urls import Place
from llm_gateway.config.nodes import parse
from support.trees import as_value

OPENAI = Place("openai", {"base_url": "https://x.example/v1"})


def old_model(provider: str, more: str = "", report: Report | None = None) -> OldModel:
    node, _ = parse(f"name: a\nprovider: {provider}\n{more}", "f")
    assert node is not None
    old = read(Cursor(node, "models[0]", 1, report or Report("f", {})))
    assert old is not None
    return old


def section(providers: Providers) -> object:
    return as_value(providers.entry(1).value)


def test_one_entry_for_one_provider_address_and_token() -> None:
    providers = Providers()
    other = Place("openai", {"base_url": "https://y.example/v1"})
    names = [
        providers.name_for(old_model("acme", f"token: {token}"), place)
        for token, place in (("t", OPENAI), ("t", OPENAI), ("u", OPENAI), ("t", other))
    ]
    assert names == ["acme", "acme", "acme-2", "acme-3"]


def test_a_name_that_is_taken_is_not_given_again() -> None:
    providers = Providers()
    names = [
        providers.name_for(old_model(name, f"token: {token}"), OPENAI)
        for name, token in (("acme-2", "t"), ("acme", "t"), ("acme", "u"))
    ]
    assert names == ["acme-2", "acme", "acme-3"]


def test_names_are_made_fit() -> None:
    names = [
        Providers().name_for(old_model(name), OPENAI)
        for name in ("Api.Air Force", '""', "'__'", "llama_1")
    ]
    assert names == ["api-air-force", "openai-compatible", "openai-compatible", "llama_1"]


def test_an_entry_says_kind_address_and_key() -> None:
    providers = Providers()
    providers.name_for(old_model("acme", "token: t"), OPENAI)
    providers.name_for(old_model("local"), OPENAI)
    providers.name_for(old_model("google"), Place("gemini", {}, "m", "k"))
    assert section(providers) == {
        "acme": {"kind": "openai", "base_url": "https://x.example/v1", "api_key": "t"},
        "local": {"kind": "openai", "base_url": "https://x.example/v1"},
        "google": {"kind": "gemini", "api_key": "k", "throttle": {"min_interval": "10s"}},
    }


def test_the_key_in_a_url_comes_before_the_token_as_it_does_there() -> None:
    providers = Providers()
    providers.name_for(old_model("acme", "token: t"), Place("gemini", {}, "m", "k"))
    assert section(providers) == {"acme": {"kind": "gemini", "api_key": "k"}}


def test_gigachat_has_the_scope_that_it_had_and_one_call_at_a_time() -> None:
    report = Report("f", {})
    providers = Providers()
    for _ in range(2):
        old = old_model("gigachat", "token: i:s\nurl: u", report)
        providers.name_for(old, Place("gigachat", {}, note="careful"))
    assert section(providers) == {
        "gigachat": {
            "kind": "gigachat",
            "api_key": "i:s",
            "scope": "GIGACHAT_API_CORP",
            "throttle": {"min_interval": "1s", "max_concurrent": "1"},
        }
    }
    assert report.warnings == ["f:4: models[0].url: careful"]


def test_connections_are_kept_as_the_first_model_says_that_says_it() -> None:
    report = Report("f", {})
    providers = Providers()
    for seconds in (0, 90, 90, 0, 30):
        more = f"http_client_config: {{idle_conn_timeout_seconds: {seconds}}}"
        providers.name_for(old_model("acme", more, report), Place("openai", {}))
    assert section(providers) == {"acme": {"kind": "openai", "http": {"keepalive": "90"}}}
    assert report.warnings == [
        "f:3: models[0].http_client_config.idle_conn_timeout_seconds: not read: the models of a "
        "provider share their connections, and an earlier one has them kept for 90 seconds"
    ]
