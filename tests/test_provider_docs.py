"""The docs and the example configuration say what the code does, for every kind of provider."""

import re
from pathlib import Path

import pytest
import yaml

from llm_gateway.adapters import KINDS
from llm_gateway.config import ConfigError, load
from provider_docs import render

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "provider_config.example.yaml"
LISTED = [name for name, kind in KINDS.items() if kind.reference]


def test_the_page_is_what_make_docs_prints() -> None:
    assert (ROOT / "docs" / "providers.md").read_text() == render(KINDS)


@pytest.mark.parametrize(
    ("name", "answers"),
    [
        ("openai", "passed passed passed passed passed passed passed passed passed passed passed"),
        ("anthropic", "yes yes yes refused yes yes yes refused yes dropped refused"),
        ("gemini", "yes yes yes yes yes yes yes yes yes yes yes"),
        ("gigachat", "yes yes refused refused refused yes yes refused refused dropped refused"),
        ("ollama", "passed passed refused" + " passed" * 4 + " refused" + " passed" * 3),
    ],
)  # fmt: skip
def test_one_line_says_what_a_kind_takes(name: str, answers: str) -> None:
    overview = render(KINDS).partition("## Which chat takes what")[2].partition("\n## ")[0]
    [line] = [line for line in overview.splitlines() if f"`{name}`" in line]
    assert line.split("|")[2:-1] == [f" {answer} " for answer in answers.split()]


@pytest.mark.parametrize("name", LISTED)
def test_every_kind_has_a_block_in_the_example_that_says_where_its_key_comes_from(
    name: str,
) -> None:
    block = re.search(rf"^  (?:# )?{name}:.*?(?=^  (?:# )?[a-z][a-z0-9-]*:|^\S)", _example(), FLAGS)
    assert block is not None
    assert KINDS[name].keys in block[0]


FLAGS = re.MULTILINE | re.DOTALL


def _example() -> str:
    return EXAMPLE.read_text()


def test_the_example_is_right_with_no_key_and_with_every_key() -> None:
    kinds = {name: kind.defaults for name, kind in KINDS.items()}
    assert load(EXAMPLE, {}, kinds).models
    variables = dict.fromkeys(re.findall(r"\$\{(\w+)", _example()), "k" * 16)
    config = load(EXAMPLE, variables, kinds)
    assert [provider.name for provider in config.providers.values() if provider.off] == []


def test_what_is_commented_out_in_the_example_is_right_as_well(tmp_path: Path) -> None:
    kinds = {name: kind.defaults for name, kind in KINDS.items()}
    text = re.sub(r"^( +)# (?=[a-z-]+:|- |  )", r"\1", _example(), flags=re.MULTILINE)
    assert yaml.safe_load(text).keys() >= {"gateway", "providers", "models"}
    path = tmp_path / "all.yaml"
    path.write_text(text)
    variables = dict.fromkeys(re.findall(r"\$\{(\w+)", text), "k" * 16)
    config = load(path, variables, kinds)
    assert {provider.kind for provider in config.providers.values()} >= {*LISTED}


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini", "openrouter", "groq"])
def test_the_example_works_with_any_one_key(name: str) -> None:
    kinds = {name: kind.defaults for name, kind in KINDS.items()}
    config = load(EXAMPLE, {f"{name.upper()}_API_KEY": "k"}, kinds)
    assert [p.name for p in config.providers.values() if not p.off] == [name]
    assert any(model.provider == name for model in config.models)


def test_the_reference_shows_what_errors_look_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    *_, example = re.findall(r"^```yaml\n(.*?)^```", text, FLAGS)
    (output,) = re.findall(r"^```text\n(.*?)\n^```", text, FLAGS)
    monkeypatch.chdir(tmp_path)
    file = Path("provider_config.yaml")
    file.write_text(example)
    with pytest.raises(ConfigError) as caught:
        load(file, {}, {name: kind.defaults for name, kind in KINDS.items()})
    assert str(caught.value) == output
