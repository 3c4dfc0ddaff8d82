"""A whole old document becomes a tree of our own format."""

import pytest

from llm_gateway.config import ProviderDefaults
from llm_gateway.config.cursor import Report
from llm_gateway.config.legacy import translated
from llm_gateway.config.nodes import Node, parse
from support.trees import as_value

KINDS = {
    "openai": ProviderDefaults("https://api.openai.com/v1", draws=True),
    "groq": ProviderDefaults("https://api.groq.com/openai/v1"),
}
GROQ = "https://api.groq.com/openai/v1/chat/completions"


def turned(text: str) -> tuple[Node | None, Report]:
    node, problems = parse(text, "f")
    assert node is not None
    assert problems == []
    report = Report("f", {})
    return translated(node, report, KINDS), report


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "models: []",
        "models: {url: u}",
        "models: [url, [url]]",
        "models: [{name: a, provider: groq}]",
        "models: [{name: a, provider: groq, priority: 1, model: b, size: BIG}]",
        "providers: {groq: }\nmodels: [{name: a, provider: groq, url: u}]",
    ],
)
def test_what_is_not_an_old_file_stays_what_it_is(text: str) -> None:
    node, _ = parse(text, "f")
    assert node is not None
    report = Report("f", {})
    assert translated(node, report, KINDS) is node
    assert (report.problems, report.warnings) == ([], [])


@pytest.mark.parametrize(
    "key", ["url", "token", "requests_per_minute", "max_request_length", "model_size"]
)
def test_one_old_key_in_one_model_makes_it_an_old_file(key: str) -> None:
    _, report = turned(f"models: [{{name: a}}, {{{key}: 1}}]")
    assert report.problems != []


def test_a_document_in_our_own_words_with_the_old_lines() -> None:
    text = f"""
models:
  - name: groq/llama
    url: {GROQ}
    token: t
    provider: groq
    max_request_length: 9
routing: {{strategy: weighted}}
gateway: {{deadline: 1s}}
"""
    node, report = turned(text)
    assert node is not None
    expected, _ = parse(
        """
gateway: {deadline: 1s}
routing: {strategy: weighted}
providers:
  groq: {kind: groq, api_key: t, throttle: {min_interval: 3s}}
models:
  - name: groq/llama
    provider: groq
    model: llama
    priority: 0
    breaker: minute
    max_request_bytes: 9
""",
        "f",
    )
    assert expected is not None
    assert as_value(node) == as_value(expected)
    assert (report.problems, report.warnings) == ([], [])


def test_other_sections_are_warnings() -> None:
    _, report = turned(
        f"auth_token: secret\nmodels: [{{name: a, url: {GROQ}, max_request_length: 1}}]\nport: 80\n"
    )
    assert report.warnings == [
        "f:1: auth_token: ai-proxy does not read it, nor is it read here: clients' tokens are in "
        "the variable AUTH_TOKEN or in gateway.tokens",
        "f:3: port: ai-proxy has no such section, and it is not read",
    ]


@pytest.mark.parametrize(
    ("url", "token", "expected"),
    [
        ("https://x.example/?key=secret", "t", "a URL that ends in /chat/completions or "),
        ("http://x.example/chat/completions", "t", "an https URL (http: for this machine, "),
        ("https://u:secret@x.example/chat/completions", "", "a URL without user name and password"),
        ("htps://x.example/chat/completions", "", "an absolute http or https URL"),
        ("", "", "a URL that ends in /chat/completions or "),
    ],
)
def test_a_model_with_a_url_that_leads_nowhere_is_left_out(
    url: str, token: str, expected: str
) -> None:
    good = f"  - {{name: b, url: {GROQ}, max_request_length: 1}}\n"
    node, report = turned(f"models:\n  - name: a\n    token: '{token}'\n    url: '{url}'\n{good}")
    tree = as_value(node) if node else None
    assert isinstance(tree, dict)
    assert [model["name"] for model in tree["models"]] == ["b"]
    assert report.problems == []
    [warning] = report.warnings
    place = "f:4: models[0].url" if url else "f:2: models[0]"
    assert warning.startswith(f"{place}: expected {expected}")
    assert warning.endswith("; the model is left out")
    assert "secret" not in warning


def test_http_leads_anywhere_where_no_key_is_sent() -> None:
    node, report = turned(
        "models: [{name: a, url: http://x.example/chat/completions, max_request_length: 1}]"
    )
    assert node is not None
    assert report.warnings == []


def test_when_nothing_is_left_the_reasons_are_problems() -> None:
    node, report = turned("models:\n  - {name: a, url: u}\n  - {name: b, url: v}\n")
    assert node is None
    assert [(each.line, each.path) for each in report.problems] == [
        (2, "models[0].url"),
        (3, "models[1].url"),
    ]
    assert report.warnings == []


def test_a_name_that_is_there_twice() -> None:
    models = "".join(
        f"  - {{name: a, provider: groq, url: {GROQ}, token: {token}, max_request_length: 1}}\n"
        for token in ("t", "u", "t")
    )
    node, report = turned(f"models:\n{models}")
    tree = as_value(node) if node else None
    assert isinstance(tree, dict)
    assert [model["provider"] for model in tree["models"]] == ["groq", "groq-2"]
    assert report.warnings == [
        "f:3: models[1].name: ai-proxy asks the first model of a name only; here it is one of its "
        "targets",
        "f:4: models[2].name: the same model as an earlier one; the model is left out",
    ]
