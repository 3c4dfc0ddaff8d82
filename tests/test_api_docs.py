"""docs/api.md says what the gateway serves at /openapi.json."""

from pathlib import Path

import pytest

from api_docs import render
from llm_gateway.api.openapi import document
from llm_gateway.api.openapi.failures import FAILURES

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "api.md"


def test_the_page_is_what_make_docs_prints() -> None:
    assert PAGE.read_text() == render(document())


def rows(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_failure_has_one_row_that_says_whose_it_is() -> None:
    errors = render(document()).partition("\n## Errors\n")[2]
    told = [(status, code) for status, code, _, _ in rows(errors)[1:]]
    expected = {(failure.status, f"`{failure.code or 'null'}`") for failure in FAILURES}
    assert {*told} == expected
    assert len(told) == len({(f.status, f.code, f.when) for f in FAILURES})


@pytest.mark.parametrize(
    "row",
    [
        "| `model` | string | Required. A name that `GET /v1/models` lists, an alias,",
        "| `messages[].role` | `developer`, `system`, `user`, `assistant`, `tool`, `function` |",
        "| `n` | integer | How many answers. 1 to 16384. |",
        "| `temperature` | number | At least 0. |",
        "| `stop` | string or array of strings |",
        "| `GET` | `/v1/models`, `/models` |",
        "| 401 | `invalid_api_key` |",
        "| all that want a token |",
    ],
)
def test_a_page_has_what_people_look_for(row: str) -> None:
    assert row in render(document())


def test_the_usage_page_links_to_it_and_repeats_nothing() -> None:
    usage = (ROOT / "docs" / "usage.md").read_text()
    assert "](api.md)" in usage
    assert "misdirected_request" not in usage
