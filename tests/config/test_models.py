from dataclasses import replace
from types import MappingProxyType

import pytest

from llm_gateway.config import (
    BREAKER_MINUTE,
    BreakerPolicy,
    Capability,
    Http,
    Limits,
    Model,
    Provider,
    RetryPolicy,
    Size,
    Windows,
)
from llm_gateway.config.cursor import Cursor, Report
from llm_gateway.config.models import ModelsReader, resume_warnings, usability_warning
from llm_gateway.config.nodes import parse

KEYS = (
    "name, provider, model, size, priority, weight, capabilities, omit, max_request_bytes, limits, "
    "retry, breaker, hedge, resume, http"
)


def provider(name: str, off: str | None = None) -> Provider:
    return Provider(name, "openai", "https://a.example", Http(), off)


def read(
    text: str, declared: tuple[str, ...] = ("acme", "free"), above: Provider | None = None
) -> tuple[tuple[Model, ...], list[str]]:
    """The section and its problems."""
    node, _ = parse(text, "f")
    assert node is not None
    report = Report("f", {"MODEL": "m"})
    reader = ModelsReader(declared, ("free",), {above.name: above} if above else {})
    value = Cursor(node, "models", 1, report).attempt(reader)
    return value or (), [str(problem) for problem in report.problems]


def test_every_key() -> None:
    text = """
- name: a
  provider: acme
  model: x/${MODEL}
  size: BIG
  priority: -3
  weight: 4
  capabilities: [image, chat, prefill]
  omit: [temperature, top_p]
  max_request_bytes: 128KiB
  limits: {minute: 20}
  retry: {attempts: 1}
  breaker: minute
  hedge: 2s
  resume: prefill
  http: {answer: 10m}
"""
    model = Model(
        "a",
        "acme",
        "x/m",
        Size.BIG,
        -3,
        frozenset({Capability.CHAT, Capability.IMAGE, Capability.PREFILL}),
        frozenset({"temperature", "top_p"}),
        max_request_bytes=131072,
        weight=4,
        limits=Limits(Windows(minute=20)),
        http=Http(answer=600.0),
        retry=RetryPolicy(attempts=1),
        breaker=BREAKER_MINUTE,
        hedge=2.0,
        resume=True,
    )
    assert read(text) == ((model,), [])


def test_the_defaults() -> None:
    assert read("- {name: a, provider: acme}") == ((Model("a", "acme", "a", None, 1),), [])


def test_what_a_model_leaves_out_comes_from_its_provider() -> None:
    above = replace(
        provider("acme"),
        http=Http(connect=1.0, idle=2.0),
        retry=RetryPolicy(attempts=7, base=2.0),
        breaker=BreakerPolicy(failures=9),
        limits=Limits(Windows(minute=1)),
    )
    text = "- {name: a, provider: acme, retry: {attempts: 1}, http: {idle: 3s}}\n"
    [own, plain], problems = read(f"{text}- {{name: b, provider: acme}}", above=above)
    assert problems == []
    assert own.retry == RetryPolicy(attempts=1, base=2.0)
    assert own.http == Http(connect=1.0, idle=3.0)
    assert own.breaker == plain.breaker == above.breaker
    assert (plain.retry, plain.http) == (above.retry, above.http)
    assert own.limits == plain.limits == Limits()


def test_one_model_under_two_names_has_one_quota_and_one_breaker() -> None:
    text = """
- {name: a, provider: acme, model: x, limits: {minute: 1}, breaker: minute}
- {name: b, provider: acme, model: x}
- {name: c, provider: acme, model: x, limits: {minute: 1}, breaker: minute}
- {name: d, provider: free, model: x}
"""
    (*same, other), problems = read(text)
    assert problems == []
    assert {model.limits for model in same} == {Limits(Windows(minute=1))}
    assert {model.breaker for model in same} == {BREAKER_MINUTE}
    assert (other.limits, other.breaker) == (Limits(), BreakerPolicy())


def test_two_quotas_or_breakers_of_one_model_are_a_problem() -> None:
    text = """
- {name: a, provider: acme, model: x}
- {name: b, provider: acme, model: x, limits: {minute: 1}, breaker: minute}
"""
    assert read(text)[1] == [
        "f:3: models[1].limits: differs from the limits of models[0], which is the same model of "
        "the same provider",
        "f:3: models[1].breaker: differs from the breaker of models[0], which is the same model of "
        "the same provider",
    ]


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
            "[0].capabilities: expected a list of chat, image, prefill, got an empty list",
        ),
        (
            "- {name: a, provider: acme, capabilities: [paint]}",
            "[0].capabilities[0]: expected one of: chat, image, prefill, got 'paint'",
        ),
        (
            "- {name: a, provider: acme, capabilities: [image, prefill]}",
            "[0].capabilities: prefill is a way to chat, and needs chat as well",
        ),
        (
            "- {name: a, provider: acme, capabilities: [chta, prefill]}",
            "[0].capabilities[0]: expected one of: chat, image, prefill, got 'chta'",
        ),
        (
            "- {name: a, provider: acme, weight: 0}",
            "[0].weight: expected an integer of at least 1, got '0'",
        ),
        (
            "- {name: a, provider: acme, max_request_bytes: 0}",
            "[0].max_request_bytes: expected a positive number of bytes such as 33554432, 32MiB, "
            "512KiB or 1MB, got '0'",
        ),
        (
            "- {name: a, provider: acme, hedge: 0s}",
            "[0].hedge: expected a duration of more than 0 and at most 168h, got '0s'",
        ),
        (
            "- {name: a, provider: acme, resume: true}",
            "[0].resume: expected prefill, got 'true'",
        ),
        (
            "- {name: a, provider: acme, limits: {}}",
            "[0].limits: expected at least one of: minute, hour, day, tokens",
        ),
        (
            "- {name: a, provider: acme, throttle: {queue: 1}}",
            "[0]: key 'throttle' belongs to the provider, whose models share it",
        ),
        (
            "- {name: a, provider: acme, http: {max_idle: 1}}",
            "[0].http: key 'max_idle' belongs to the http of the provider, whose models share its "
            "connections",
        ),
        (
            "- {name: a, provider: acme, breaker: {open: 10m}}",
            "[0].breaker: max_open (300s) is below open (600s)",
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


@pytest.mark.parametrize(
    ("size", "prefill", "warned"),
    [(None, ["a"], 0), (None, ["b"], 1), (None, [], 1), (Size.BIG, ["b"], 0)],
)
def test_a_resume_that_nobody_can_do_is_warned_of(
    size: Size | None, prefill: list[str], warned: int
) -> None:
    models = [
        Model(
            name,
            name,
            name,
            size,
            1,
            frozenset(Capability if name in prefill else {Capability.CHAT}),
            resume=name == "a",
        )
        for name in ("a", "b")
    ]
    assert len([*resume_warnings(models)]) == warned
