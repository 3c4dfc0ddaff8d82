"""The values between the HTTP side and the API."""

import ast
import dataclasses
import inspect

import pytest

from llm_gateway.api import http
from llm_gateway.api.http import ClientRequest, RequestHead

VALUES: list[RequestHead | ClientRequest] = [
    RequestHead("GET", "/ping", ("localhost",), (b"Bearer x",), None, None, None),
    ClientRequest("req_test", "GET", "/ping", b""),
]


@pytest.mark.parametrize("value", VALUES)
def test_a_request_stays_what_it_was_when_it_was_checked(
    value: RequestHead | ClientRequest,
) -> None:
    for field in dataclasses.fields(value):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, field.name, None)
    assert value in VALUES


@pytest.mark.parametrize("value", VALUES)
def test_equal_requests_are_equal(value: RequestHead | ClientRequest) -> None:
    assert dataclasses.replace(value) == value
    assert dataclasses.replace(value, path="/other") != value


def test_they_know_no_http_library() -> None:
    imports = {
        name.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(ast.parse(inspect.getsource(http)))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in node.names
    }
    assert imports <= {"dataclasses", "typing", "llm_gateway.config", "llm_gateway.manner"}
