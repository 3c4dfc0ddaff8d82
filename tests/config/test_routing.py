from types import MappingProxyType

import pytest

from llm_gateway.config import Http, Model, Provider, Routing, Size, Strategy
from llm_gateway.config.cursor import Cursor, Report
from llm_gateway.config.nodes import parse
from llm_gateway.config.routing import Names, RoutingReader, names

A_NAME = "expected the name of a model, provider/model, or a size class that some model has"
KNOWN = names(
    [
        Model("fast", "acme", "x/fast", Size.SMALL, 1),
        Model("clever", "acme", "clever", None, 1),
    ],
    {
        "acme": Provider("acme", "openai", "https://a.example", Http(), None),
        "open": Provider("open", "openai", "https://o.example", Http(), None, discover=True),
    },
)


def read(text: str, known: Names | None = KNOWN) -> tuple[Routing | None, list[str]]:
    """The section and its problems."""
    node, _ = parse(text, "f")
    assert node is not None
    report = Report("f", {"NAME": "clever"})
    value = Cursor(node, "routing", 1, report).attempt(RoutingReader(known))
    return value, [str(problem) for problem in report.problems]


def test_every_key() -> None:
    text = """
strategy: round_robin
strategies: {fast: weighted, SMALL: least_latency, acme/clever: priority}
aliases: {gpt-4o: "${NAME}", gpt-4o-mini: SMALL, acme/new: acme/x/fast}
"""
    expected = Routing(
        Strategy.ROUND_ROBIN,
        {
            "fast": Strategy.WEIGHTED,
            "SMALL": Strategy.LEAST_LATENCY,
            "acme/clever": Strategy.PRIORITY,
        },
        {"gpt-4o": "clever", "gpt-4o-mini": "SMALL", "acme/new": "acme/x/fast"},
    )
    assert read(text) == (expected, [])


@pytest.mark.parametrize("text", ["", "{}", "{aliases: , strategies: {}}"])
def test_the_defaults(text: str) -> None:
    assert read(text) == (Routing(Strategy.PRIORITY, {}, {}), [])


def test_what_is_read_is_read_only() -> None:
    routing, _ = read("{strategies: {fast: weighted}, aliases: {a: fast}}")
    assert routing is not None
    assert isinstance(routing.strategies, MappingProxyType)
    assert isinstance(routing.aliases, MappingProxyType)


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("fast", True),
        ("acme/fast", True),
        ("acme/x/fast", True),
        ("SMALL", True),
        ("BIG", False),
        ("x/fast", False),
        ("acme", False),
        ("acme/other", False),
        ("open/anything/at:all", True),
        ("open/", False),
        ("open/a b", False),
        ("open/../b", False),
        ("open", False),
        ("anything", False),
    ],
)
def test_what_can_be_asked_for(name: str, known: bool) -> None:
    assert (name in KNOWN) is known


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("fast", ": expected a mapping, got 'fast'"),
        (
            "strategy: random",
            ".strategy: expected one of: priority, round_robin, least_latency, weighted, got "
            "'random'",
        ),
        ("strategies: weighted", ".strategies: expected a mapping, got 'weighted'"),
        (
            "strategies: {fast: wheel}",
            ".strategies.fast: expected one of: priority, round_robin, least_latency, weighted, "
            "got 'wheel'",
        ),
        (
            "strategies: {fsat: weighted}",
            f".strategies.fsat: {A_NAME}, got 'fsat'; did you mean 'fast'?",
        ),
        ("strategies: {BIG: weighted}", f".strategies.BIG: {A_NAME}, got 'BIG'"),
        ("aliases: [a]", ".aliases: expected a mapping, got a list"),
        ("aliases: {a: }", ".aliases.a: expected a text, got nothing"),
        (
            "aliases: {a: clevr}",
            f".aliases.a: {A_NAME}, got 'clevr'; did you mean 'clever'?",
        ),
        (
            "aliases: {fast: clever}",
            ".aliases.fast: expected a new name, 'fast' is the name of a model",
        ),
        (
            "aliases: {acme/x/fast: clever}",
            ".aliases.acme/x/fast: expected a new name, 'acme/x/fast' is the name of a model",
        ),
        (
            "aliases: {BIG: clever}",
            ".aliases.BIG: expected a model name other than SMALL and BIG, which name the size "
            "classes",
        ),
        (
            "aliases: {a b: clever}",
            ".aliases['a b']: expected a model name of 1 to 200 letters, digits and ._:/@+- that "
            "starts with a letter, a digit or @",
        ),
        (
            "alias: {a: fast}",
            ": unknown key 'alias', expected one of: strategy, strategies, aliases; did you mean "
            "'aliases'?",
        ),
    ],
)
def test_problems(text: str, problem: str) -> None:
    assert read(text)[1] == [f"f:1: routing{problem}"]


def test_an_alias_stands_for_no_alias_and_has_no_strategy() -> None:
    text = "{strategies: {a: weighted}, aliases: {a: b, b: fast, c: c}}"
    assert read(text)[1] == [
        "f:1: routing.strategies.a: 'a' is an alias, use the name it stands for",
        "f:1: routing.aliases.a: expected no alias, got 'b', use the name it stands for",
        "f:1: routing.aliases.c: expected no alias, got 'c', use the name it stands for",
    ]


def test_what_a_variable_holds_is_not_shown() -> None:
    problem = f"f:1: routing.aliases.a: {A_NAME}, got the expansion of 'x${{NAME}}'"
    assert read("aliases: {a: 'x${NAME}'}")[1] == [f"{problem}; did you mean 'clever'?"]


def test_where_the_names_are_not_known_any_name_will_do() -> None:
    text = "{strategies: {x: weighted}, aliases: {a: y, b: a}}"
    assert read(text, None)[1] == [
        "f:1: routing.aliases.b: expected no alias, got 'a', use the name it stands for"
    ]
