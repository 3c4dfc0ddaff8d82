"""A provider's keys: where they come from, and what it means when they are not there."""

from typing import Any

import pytest

from llm_gateway.config import Credential, CredentialDefaults, ProviderDefaults
from llm_gateway.config.cursor import Cursor, Report
from llm_gateway.config.keys import Keys
from llm_gateway.config.nodes import parse
from llm_gateway.secret import Secret

DEFAULTS = ProviderDefaults(
    "https://{account}.example",
    (
        CredentialDefaults("api_key", "x-key", ""),
        CredentialDefaults("extra_key", "x-extra", "Bearer ", required=False),
    ),
    settings=("account",),
)


def keys_of(text: str, environment: dict[str, str], name: str = "acme") -> tuple[Keys, Any]:
    """The reader of an entry of kind acme, and its values."""
    node, _ = parse(text, "f")
    assert node is not None
    cursor = Cursor(node, f"providers.{name}", 1, Report("f", environment))
    return Keys(name, "acme", DEFAULTS, cursor), cursor.entries()


def test_each_key_goes_where_its_kind_says() -> None:
    keys, values = keys_of("{api_key: a, extra_key: '${E}'}", {"E": "e"})
    assert keys.credentials(values) == (
        Credential("x-key", "", Secret("a")),
        Credential("x-extra", "Bearer ", Secret("e")),
    )
    assert keys.missing == []


def test_what_is_not_written_comes_from_the_kinds_variables() -> None:
    environment = {"ACME_API_KEY": "a", "ACME_EXTRA_KEY": "e", "ACME_ACCOUNT": "acc"}
    keys, values = keys_of("{}", environment)
    found = keys.credentials(values)
    assert found is not None
    assert [each.secret for each in found] == [Secret("a"), Secret("e")]
    assert keys.settings(values) == {"account": "acc"}


def test_an_entry_with_a_name_of_its_own_takes_no_variables() -> None:
    environment = {"ACME_API_KEY": "a", "MINE_API_KEY": "m", "ACME_ACCOUNT": "acc"}
    keys, values = keys_of("{}", environment, "mine")
    assert keys.credentials(values) is None
    assert keys.settings(values) is None
    assert [str(problem) for problem in keys.cursor.report.problems] == [
        "f:1: providers.mine: required key 'api_key' is missing (or a base_url, for a server "
        "without)",
        "f:1: providers.mine: required key 'account' is missing",
    ]


@pytest.mark.parametrize(
    ("text", "environment", "missing"),
    [
        ("{}", {}, ["ACME_API_KEY is not set"]),
        ("{api_key: '${A}', extra_key: '${B}'}", {"A": ""}, ["A is empty"]),
        ("{base_url: x}", {"ACME_API_KEY": "k"}, ["it has base_url of its own and no api_key"]),
        ("{auth_url: x}", {"ACME_API_KEY": "k"}, ["it has auth_url of its own and no api_key"]),
    ],
)
def test_a_required_key_that_has_no_value_is_missing_and_another_is_not(
    text: str, environment: dict[str, str], missing: list[str]
) -> None:
    keys, values = keys_of(text, environment)
    assert keys.credentials(values) == ()
    assert keys.missing == missing
    assert keys.cursor.report.problems == []


def test_a_key_that_is_none_is_a_problem_that_does_not_show_it() -> None:
    keys, values = keys_of('{api_key: "canary\\n", extra_key: e}', {})
    assert keys.credentials(values) is None
    [problem] = keys.cursor.report.problems
    assert "canary" not in str(problem)


@pytest.mark.parametrize(
    ("text", "variable"),
    [
        ("{}", "ACME_API_KEY"),
        ("{api_key: '${MINE}'}", "MINE"),
        ("{api_key: '${MINE:-else}'}", "MINE"),
        ("{api_key: '${NONE:-else}'}", ""),
        ("{api_key: 'x-${MINE}'}", ""),
        ("{api_key: '${MINE}${MINE}'}", ""),
        ("{api_key: '${MINE}${ACME_API_KEY}'}", ""),
        ("{api_key: plain}", ""),
    ],
)
def test_a_key_knows_the_variable_that_holds_it_and_is_the_same_key_without(
    text: str, variable: str
) -> None:
    keys, values = keys_of(text, {"MINE": "m", "ACME_API_KEY": "a"})
    found = keys.credentials(values)
    assert found is not None
    assert found[0].variable == variable
    assert found[0] == Credential("x-key", "", found[0].secret)
