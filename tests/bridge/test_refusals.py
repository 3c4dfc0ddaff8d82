"""What mitmproxy refuses is told as OpenAI tells errors, and nobody's bytes are repeated."""

import json

import pytest
from mitmproxy.proxy.layers.http import ErrorCode

from llm_gateway.bridge.refusals import as_bytes, new_id, told
from llm_gateway.errors import RequestError

SILENT = {
    ErrorCode.PASSTHROUGH_CLOSE,
    ErrorCode.KILL,
    ErrorCode.HTTP_1_1_REQUIRED,
    ErrorCode.CLIENT_DISCONNECTED,
    ErrorCode.CANCEL,
}


@pytest.mark.parametrize("code", list(ErrorCode))
def test_each_error_of_mitmproxy_has_its_status_or_is_silent(code: ErrorCode) -> None:
    error = told(code, connect=False)
    assert (error.status if error else None) == code.http_status_code()
    assert (error is None) == (code in SILENT)


def test_a_server_that_fails_is_no_fault_of_the_client() -> None:
    error = told(ErrorCode.CONNECT_FAILED, connect=False)
    assert error
    assert (error.type, error.code) == ("server_error", "bad_gateway")


def test_a_tunnel_is_refused_by_its_name() -> None:
    error = told(ErrorCode.REQUEST_VALIDATION_FAILED, connect=True)
    assert error
    assert "CONNECT" in error.message


def test_an_answer_is_whole_and_the_last_one() -> None:
    head, _, body = as_bytes(RequestError(431, "Too long.")).partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = dict(line.lower().split(": ", 1) for line in lines)
    assert first == "HTTP/1.1 431 Request Header Fields Too Large"
    assert fields.pop("x-request-id").startswith("req_")
    assert fields == {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "connection": "close",
    }
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}


def test_no_two_ids_are_alike() -> None:
    assert new_id() != new_id()
