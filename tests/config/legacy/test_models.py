"""What is read of one old model."""

import pytest

from llm_gateway.config.cursor import Cursor, Report
from llm_gateway.config.legacy.models import OldModel, read
from llm_gateway.config.nodes import parse

WHOLE = """\
name: groq/llama
provider: groq
priority: 2
requests_per_minute: 20
requests_per_hour: 100
requests_per_day: 1000
url: https://${HOST}/v1/chat/completions
token: ${TOKEN}
max_request_length: 9000
model_size: BIG
http_client_config:
  timeout_seconds: 30
  idle_conn_timeout_seconds: 90
"""


def old_model(text: str) -> tuple[OldModel | None, Report]:
    node, _ = parse(text, "f")
    assert node is not None
    report = Report("f", {})
    return read(Cursor(node, "models[0]", 1, report)), report


def test_everything_is_found_as_it_is_written() -> None:
    old, report = old_model(WHOLE)
    assert old is not None
    assert old.provider == "groq"
    assert dict(old.texts) == {
        "name": "groq/llama",
        "provider": "groq",
        "url": "https://${HOST}/v1/chat/completions",
        "token": "${TOKEN}",
        "model_size": "BIG",
    }
    assert dict(old.numbers) == {
        "requests_per_minute": 20,
        "requests_per_hour": 100,
        "requests_per_day": 1000,
        "max_request_length": 9000,
        "timeout_seconds": 30,
        "idle_conn_timeout_seconds": 90,
    }
    assert [old.line(key) for key in ("name", "priority", "timeout_seconds")] == [1, 3, 12]
    assert (report.problems, report.warnings) == ([], [])


@pytest.mark.parametrize("nothing", ["", "~", "null", '""', "''"])
def test_nothing_under_a_key_is_as_if_it_were_not_there(nothing: str) -> None:
    keys = ("provider", "token", "requests_per_day", "http_client_config")
    old, report = old_model("name: a\n" + "".join(f"{key}: {nothing}\n" for key in keys))
    assert old is not None
    assert (old.provider, [*old.places]) == ("", ["name"])
    assert report.problems == []


def test_keys_that_the_old_project_does_not_have_either_are_warnings() -> None:
    old, report = old_model(
        "name: a\nrequests_per_minut: 2\nhttp_client_config:\n  timeout: 3\n  timeout_seconds: 4\n"
    )
    assert old is not None
    assert dict(old.numbers) == {"timeout_seconds": 4}
    assert report.warnings == [
        "f:2: models[0].requests_per_minut: ai-proxy has no such key, and it is not read; "
        "did you mean 'requests_per_minute'?",
        "f:4: models[0].http_client_config.timeout: ai-proxy has no such key, and it is not read; "
        "did you mean 'timeout_seconds'?",
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("requests_per_day: many", "an integer of at least 0, got 'many'"),
        ("requests_per_day: -1", "an integer of at least 0, got '-1'"),
        ("max_request_length: '9'", "a value without quotes, got the quoted text '9'"),
        ("token: [secret]", "a text, got a list"),
        ("token: 'a${b'", "${NAME} or ${NAME:-default} (write $${ for a literal ${)"),
        ("http_client_config: 30", "a mapping, got '30'"),
    ],
)
def test_what_cannot_be_read_is_a_problem_at_its_line(line: str, problem: str) -> None:
    _, report = old_model(f"name: a\n{line}\n")
    key = line.partition(":")[0]
    assert [str(each) for each in report.problems] == [f"f:2: models[0].{key}: expected {problem}"]


@pytest.mark.parametrize("text", ["{url: u}", "name:\nurl: u\n"])
def test_a_model_without_a_name_is_a_problem(text: str) -> None:
    old, report = old_model(text)
    assert old is None
    assert [str(each) for each in report.problems] == [
        "f:1: models[0]: required key 'name' is missing"
    ]
