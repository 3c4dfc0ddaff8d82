from types import MappingProxyType

import pytest

from llm_gateway.config import Capability, Http, Model, Provider, Size
from llm_gateway.config.cursor import Cursor, Report
from llm_gateway.config.models import ModelsReader, usability_warning
from llm_gateway.config.nodes import parse

KEYS = "name, provider, model, size, priority, capabilities, omit"


def read(
    text: str, declared: tuple[str, ...] = ("acme", "free")
) -> tuple[tuple[Model, ...], list[str]]:
    """The section and its problems."""
    node, _ = parse(text, "f")
    assert node is not None
    report = Report("f", {"MODEL": "m"})
    value = Cursor(node, "models", 1, report).attempt(ModelsReader(declared, ("free",)))
    return value or (), [str(problem) for problem in report.problems]


def test_every_key() -> None:
    text = """
- name: a
  provider: acme
  model: x/${MODEL}
  size: BIG
  priority: -3
  capabilities: [image, chat]
  omit: [temperature, top_p]
"""
    model = Model(
        "a",
        "acme",
        "x/m",
        Size.BIG,
        -3,
        frozenset({Capability.CHAT, Capability.IMAGE}),
        frozenset({"temperature", "top_p"}),
    )
    assert read(text) == ((model,), [])


def test_the_defaults() -> None:
    assert read("- {name: a, provider: acme}") == ((Model("a", "acme", "a", None, 1),), [])


def test_names_that_yaml_would_take_for_something_else_are_texts() -> None:
    text = "".join(f"- {{name: {name}, provider: acme}}\n" for name in ("no", "1.10", "0777", "5"))
    models, problems = read(text)
    assert [model.name for model in models] == ["no", "1.10", "0777", "5"]
    assert problems == []


def test_one_name_may_have_several_targets_in_the_order_of_the_file() -> None:
    text = """
- {name: a, provider: free, priority: 2}
- {name: a, provider: acme}
- {name: a, provider: acme, model: b}
"""
    models, problems = read(text)
    assert [(model.provider, model.model) for model in models] == [
        ("free", "a"),
        ("acme", "a"),
        ("acme", "b"),
    ]
    assert problems == []


def test_an_exact_repetition_is_a_problem() -> None:
    text = "- {name: a, provider: acme}\n- {name: a, provider: acme, model: a, priority: 2}\n"
    assert read(text)[1] == ["f:2: models[1]: the same name, provider and model as models[0]"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", ": expected a list of models, got nothing"),
        ("[]", ": expected a list of at least one model, got an empty list"),
        ("a: b", ": expected a list of models, got a mapping"),
        ("- a", "[0]: expected a mapping, got 'a'"),
        ("- {provider: acme}", "[0]: required key 'name' is missing"),
        ("- {name: a}", "[0]: required key 'provider' is missing"),
        ("- {name: , provider: acme}", "[0].name: expected a text, got nothing"),
        (
            "- {name: a b, provider: acme}",
            "[0].name: expected a model name of 1 to 200 letters, digits and ._:/@+- that starts "
            "with a letter, a digit or @, got 'a b'",
        ),
        (
            "- {name: BIG, provider: acme}",
            "[0].name: expected a model name other than SMALL and BIG, which name the size "
            "classes, got 'BIG'",
        ),
        (
            "- {name: a, provider: acme, model: x/../y}",
            "[0].model: expected a model name without '..' between slashes, got 'x/../y'",
        ),
        (
            "- {name: a, provider: acne}",
            "[0].provider: expected a key of providers (acme, free), got 'acne'; did you mean "
            "'acme'?",
        ),
        (
            "- {name: a, provider: acme, size: LARGE}",
            "[0].size: expected SMALL or BIG, got 'LARGE'",
        ),
        (
            "- {name: a, provider: acme, priority: true}",
            "[0].priority: expected an integer, got 'true'",
        ),
        (
            "- {name: a, provider: acme, priority: 1.5}",
            "[0].priority: expected an integer, got '1.5'",
        ),
        (
            "- {name: a, provider: acme, capabilities: []}",
            "[0].capabilities: expected a list of chat and image, got an empty list",
        ),
        (
            "- {name: a, provider: acme, capabilities: [paint]}",
            "[0].capabilities[0]: expected chat or image, got 'paint'",
        ),
        (
            "- {name: a, provider: free, capabilities: [image]}",
            "[0].capabilities: provider free makes no pictures",
        ),
        (
            "- {name: a, provider: acme, omit: temperature}",
            "[0].omit: expected a list of fields of requests, got a single value",
        ),
        (
            "- {name: a, provider: acme, omit: [messages]}",
            "[0].omit[0]: expected a field of requests such as temperature, but not a required "
            "one, got 'messages'",
        ),
        (
            "- {name: a, provider: acme, prioritty: 1}",
            f"[0]: unknown key 'prioritty', expected one of: {KEYS}; did you mean 'priority'?",
        ),
        (
            "- {name: a, provider: acme, zzz: {}}",
            f"[0]: unknown key 'zzz', expected one of: {KEYS}",
        ),
    ],
)
def test_problems(text: str, problem: str) -> None:
    assert read(text)[1] == [f"f:1: models{problem}"]


def test_without_declared_providers_any_provider_will_do() -> None:
    assert read("- {name: a, provider: x}", declared=())[1] == []


def provider(name: str, off: str | None) -> Provider:
    return Provider(name, "openai", "https://a.example", Http(), off)


def test_a_warning_when_every_models_provider_is_off() -> None:
    models = [Model(name, name, name, None, 1) for name in ("a", "b")]
    providers = MappingProxyType(
        {
            "a": provider("a", "A is not set"),
            "b": provider("b", "B is empty"),
            "unused": provider("unused", None),
        }
    )
    assert usability_warning(models, providers) == (
        "no model is usable: a is switched off (A is not set); b is switched off (B is empty)"
    )


def test_no_warning_when_one_of_them_is_on() -> None:
    models = [Model(name, name, name, None, 1) for name in ("a", "b")]
    providers = {"a": provider("a", "A is not set"), "b": provider("b", None)}
    assert usability_warning(models, providers) is None
