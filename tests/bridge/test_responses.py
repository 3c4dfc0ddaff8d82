"""mitmproxy's response objects are made complete and valid."""

import orjson
from mitmproxy.net.http.validate import validate_headers
from mitmproxy.proxy.layers.http import ResponseData, ResponseEndOfMessage, ResponseHeaders

from llm_gateway.bridge.responses import error_response, make_response, whole_events
from llm_gateway.errors import InternalError, RequestError


def test_a_whole_response_has_its_length_and_its_times() -> None:
    response = make_response(200, (("content-type", "text/plain"),), b"hello")
    assert response.headers.fields == ((b"content-type", b"text/plain"), (b"content-length", b"5"))
    assert response.content == b"hello"
    assert response.reason == "OK"
    assert response.http_version == "HTTP/1.1"
    assert response.timestamp_end == response.timestamp_start
    validate_headers(response)


def test_nothing_in_a_value_ends_the_line() -> None:
    response = make_response(200, (("x", "a\r\nset-cookie: b\n\0c"),), b"")
    assert response.headers["x"] == "a  set-cookie: b  c"
    validate_headers(response)


def test_an_empty_body_is_a_whole_body() -> None:
    assert make_response(200, (), b"").headers["content-length"] == "0"


def test_the_head_of_a_stream_has_no_length_and_no_end() -> None:
    response = make_response(200, ())
    assert "content-length" not in response.headers
    assert response.content == b""
    assert response.timestamp_end is None


def test_a_status_without_a_known_reason_has_none() -> None:
    assert make_response(599, (), b"").reason == ""


def test_an_error_is_openais_body_with_its_headers() -> None:
    error = RequestError(405, "No.", code="c", param="p", headers=(("allow", "GET"),))
    response = error_response(error, "req_1")
    assert response.status_code == 405
    assert response.headers["content-type"] == "application/json"
    assert response.headers["x-request-id"] == "req_1"
    assert response.headers["allow"] == "GET"
    assert orjson.loads(response.content or b"") == {
        "error": {"message": "No.", "type": "invalid_request_error", "param": "p", "code": "c"}
    }
    validate_headers(response)


def test_an_error_outside_an_exchange_names_none() -> None:
    response = error_response(InternalError("secret detail"))
    assert "x-request-id" not in response.headers
    assert b"secret detail" not in (response.content or b"")


def test_the_events_of_a_whole_response_are_its_head_body_and_end() -> None:
    response = make_response(200, (), b"hello")
    head, data, end = whole_events(7, response)
    assert isinstance(head, ResponseHeaders)
    assert head.response is response
    assert isinstance(data, ResponseData)
    assert data.data == b"hello"
    assert isinstance(end, ResponseEndOfMessage)
    assert {head.stream_id, data.stream_id, end.stream_id} == {7}
