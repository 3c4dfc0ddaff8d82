import pytest

from llm_gateway.config import Http
from llm_gateway.config.cursor import Cursor, Report
from llm_gateway.config.http import http, model_http
from llm_gateway.config.nodes import parse


def cursor(text: str) -> Cursor:
    node, _ = parse(text, "f")
    assert node is not None
    return Cursor(node, "http", 1, Report("f", {}))


def test_the_defaults() -> None:
    assert http(cursor("")) == Http(
        connect=5.0,
        first_event=60.0,
        answer=300.0,
        idle=60.0,
        max_connections=100,
        max_idle=50,
        keepalive=90.0,
    )


def test_every_key() -> None:
    text = """
connect: 1s
first_event: 2m
answer: 3m
idle: 4s
max_connections: 5
max_idle: 0
keepalive: 6.5
"""
    assert http(cursor(text)) == Http(1.0, 120.0, 180.0, 4.0, 5, 0, 6.5)


def test_a_model_may_have_its_own_times_to_answer() -> None:
    above = Http(connect=1.0, first_event=2.0, answer=3.0, idle=4.0)
    assert model_http(above, cursor("{}")) == above
    assert model_http(above, cursor("{first_event: 9s}")) == Http(1.0, 9.0, 3.0, 4.0)
    assert model_http(above, cursor("{answer: 8s, idle: 7s}")) == Http(1.0, 2.0, 8.0, 7.0)


@pytest.mark.parametrize("key", ["connect", "max_connections", "max_idle", "keepalive"])
def test_what_is_shared_by_a_providers_models_is_said_there(key: str) -> None:
    place = cursor(f"{{{key}: 5, idle: 1s}}")
    assert model_http(Http(), place) == Http(idle=1.0)
    assert [str(problem) for problem in place.report.problems] == [
        f"f:1: http: key '{key}' belongs to the http of the provider, whose models share its "
        "connections"
    ]


def test_an_unknown_key_of_a_model_is_told_what_a_model_may_have() -> None:
    place = cursor("first_evnt: 1s")
    model_http(Http(), place)
    assert [problem.message for problem in place.report.problems] == [
        "unknown key 'first_evnt', expected one of: first_event, answer, idle; did you mean "
        "'first_event'?"
    ]
