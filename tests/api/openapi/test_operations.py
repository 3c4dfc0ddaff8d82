"""Each endpoint has an operation with its failures, and operations share what is the same."""

from typing import Any

import pytest

from llm_gateway.api.openapi.failures import FAILURES, Scope
from llm_gateway.api.openapi.operations import OPERATIONS, Responses
from llm_gateway.api.routes import Endpoint, every


def test_every_endpoint_has_an_operation() -> None:
    assert OPERATIONS.keys() == {*Endpoint}


def test_what_takes_a_body_says_which() -> None:
    posted = {route.endpoint for _, route in every() if route.takes_body}
    assert {endpoint for endpoint in Endpoint if "requestBody" in OPERATIONS[endpoint]} == posted


def resolved(responses: Responses, endpoint: Endpoint) -> dict[str, Any]:
    return {
        status: responses.components[reference["$ref"].rpartition("/")[2]]
        for status, reference in responses.of(endpoint).items()
    }


@pytest.mark.parametrize("endpoint", [*Endpoint])
def test_a_response_names_every_code_that_its_endpoint_may_answer(endpoint: Endpoint) -> None:
    for status, response in resolved(Responses(), endpoint).items():
        expected = [
            failure.code
            for failure in FAILURES
            if failure.status == status and failure.scope.covers(endpoint)
        ]
        assert response["x-codes"] == expected
        assert all(f"`{code or 'null'}`" in response["description"] for code in expected)


def test_endpoints_with_the_same_failures_share_their_responses() -> None:
    responses = Responses()
    assert responses.of(Endpoint.PING) == responses.of(Endpoint.OPENAPI)
    assert responses.of(Endpoint.CHAT)["421"] == responses.of(Endpoint.PING)["421"]
    assert responses.of(Endpoint.CHAT)["400"] != responses.of(Endpoint.PING)["400"]


@pytest.mark.parametrize(
    ("endpoint", "status", "field"),
    [
        (Endpoint.MODELS, "401", "www-authenticate"),
        (Endpoint.MODELS, "400", "www-authenticate"),
        (Endpoint.CHAT, "429", "retry-after"),
        (Endpoint.CHAT, "429", "x-ratelimit-limit-tokens"),
        (Endpoint.PING, "503", "retry-after-ms"),
        (Endpoint.CHAT, "504", "x-ai-proxy-route"),
        (Endpoint.CHAT, "4XX", "x-should-retry"),
    ],
)
def test_a_response_says_which_fields_it_may_have(
    endpoint: Endpoint, status: str, field: str
) -> None:
    response = resolved(Responses(), endpoint)[status]
    assert {field, "x-request-id"} <= response["headers"].keys()


def test_a_refused_method_comes_with_the_right_ones() -> None:
    nowhere = [failure.status for failure in FAILURES if failure.scope is Scope.NOWHERE]
    components = Responses().components
    assert [*components] == [f"nowhere-{status}" for status in nowhere]
    assert "allow" in components["nowhere-405"]["headers"]
