"""What becomes of a model's numbers."""

from collections.abc import Iterable

import pytest

from llm_gateway.config.cursor import Cursor, Report
from llm_gateway.config.legacy.models import OldModel, read
from llm_gateway.config.legacy.rules import rules
from llm_gateway.config.nodes import Entry, parse
from support.trees import as_value

LIMITS = "requests_per_minute: 2\nrequests_per_hour: 3\nrequests_per_day: 4\n"
CHAT = f"{LIMITS}max_request_length: 100\nmodel_size: BIG\n"


def old_model(text: str, line: int = 1) -> OldModel:
    node, _ = parse(f"name: a\n{text}", "f")
    assert node is not None
    old = read(Cursor(node, "models[0]", line, Report("f", {})))
    assert old is not None
    return old


def as_values(entries: Iterable[Entry]) -> dict[str, object]:
    return {entry.key: as_value(entry.value) for entry in entries}


def ruled(text: str, *, draws: bool = False) -> tuple[dict[str, object], list[str]]:
    old = old_model(text)
    found = as_values(rules(old, old, "acme", draws=draws))
    return found, old.cursor.report.warnings


def test_a_model_for_chat_with_all_its_numbers() -> None:
    found, warnings = ruled(f"{CHAT}priority: 7\nhttp_client_config: {{timeout_seconds: 30}}\n")
    assert found == {
        "priority": "7",
        "breaker": "minute",
        "http": {"first_event": "30", "answer": "30"},
        "limits": {"minute": "2", "hour": "3", "day": "4"},
        "max_request_bytes": "100",
        "size": "BIG",
    }
    assert warnings == []


def test_a_priority_that_is_missing_is_the_first_and_a_timeout_of_0_is_none() -> None:
    found, _ = ruled(f"{CHAT}http_client_config: {{timeout_seconds: 0}}\n")
    assert found["priority"] == "0"
    assert "http" not in found


@pytest.mark.parametrize(
    ("text", "limits", "place"),
    [
        (
            CHAT.replace("hour: 3", "hour: 0"),
            {"minute": "2", "day": "4"},
            "f:3: models[0].requests_per_hour",
        ),
        (CHAT.replace(LIMITS, "requests_per_hour: 9\n"), {"hour": "9"}, "f:1: models[0]"),
        (CHAT.replace(LIMITS, ""), None, "f:1: models[0]"),
    ],
)
def test_without_a_limit_a_model_is_in_no_class_as_it_was_in_none(
    text: str, limits: object, place: str
) -> None:
    found, [warning] = ruled(text)
    assert "size" not in found
    assert found.get("limits") == limits
    assert warning.startswith(f"{place}: without a number above 0 under requests_per_")
    assert "ai-proxy never chooses a model for BIG" in warning


def test_a_model_in_no_class_may_lack_limits_without_a_word() -> None:
    found, warnings = ruled("max_request_length: 100\n")
    assert found == {"priority": "0", "breaker": "minute", "max_request_bytes": "100"}
    assert warnings == []


@pytest.mark.parametrize("size", ["big", "LARGE", "${SIZE}"])
def test_a_class_that_there_is_not_is_none(size: str) -> None:
    found, warnings = ruled(CHAT.replace("BIG", size))
    assert "size" not in found
    assert warnings == [
        "f:6: models[0].model_size: expected SMALL or BIG; the model is asked for by its name only"
    ]


def test_a_length_of_0_is_a_model_that_makes_pictures() -> None:
    found, warnings = ruled(CHAT.replace("100", "0"), draws=True)
    assert found["capabilities"] == ["image"]
    assert not {"size", "max_request_bytes"} & found.keys()
    assert warnings == []


def test_a_length_that_is_missing_is_one_of_0_which_may_be_meant_otherwise() -> None:
    found, [warning] = ruled(LIMITS, draws=True)
    assert found["capabilities"] == ["image"]
    assert warning.startswith("f:1: models[0]: without max_request_length it stands for a model")


@pytest.mark.parametrize(
    ("text", "place"),
    [(CHAT.replace("100", "0"), "f:5: models[0].max_request_length"), (LIMITS, "f:1: models[0]")],
)
def test_where_no_pictures_are_made_it_is_a_model_for_chat_in_no_class(
    text: str, place: str
) -> None:
    found, [warning] = ruled(text)
    assert not {"size", "capabilities", "max_request_bytes"} & found.keys()
    assert warning.startswith(f"{place}: 0 or nothing under max_request_length stands for")


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        (LIMITS, []),
        (
            LIMITS.replace("day: 4", "day: 5"),
            [
                "f:4: models[0].requests_per_day: not read: it is the model of line 40 under "
                "another name, and the limits there hold for both"
            ],
        ),
    ],
)
def test_one_model_under_two_names_has_one_quota(text: str, warnings: list[str]) -> None:
    old = old_model(f"{text}max_request_length: 100\n")
    entries = rules(old, old_model(CHAT, line=40), "acme", draws=False)
    assert "limits" not in as_values(entries)
    assert old.cursor.report.warnings == warnings
