"""Who may come in: hosts, tokens, routes and body headers, in this order."""

import dataclasses
import re
from typing import Any

import pytest

from llm_gateway.api.front_door import FrontDoor
from llm_gateway.api.http import RequestHead
from llm_gateway.api.identity import Identity
from llm_gateway.api.routes import Endpoint
from llm_gateway.config import ClientToken
from llm_gateway.errors import INVALID_REQUEST, RequestError
from llm_gateway.secret import Secret

HOSTS = ("gw.local", "localhost", "127.0.0.1", "[::1]")
TOKENS = ("canary-token-one", "canary.token~two+/==")
LIMIT = 1000
CLIENTS = [ClientToken.of(token[-3:], Secret(token)) for token in TOKENS]
DOOR = FrontDoor(HOSTS, Identity(CLIENTS), LIMIT)

GOOD = RequestHead(
    method="POST",
    path="/v1/chat/completions",
    hosts=("gw.local",),
    authorization=(f"Bearer {TOKENS[0]}".encode(),),
    content_type="application/json",
    content_encoding=None,
    content_length=10,
)


def head(**changes: Any) -> RequestHead:
    return dataclasses.replace(GOOD, **changes)


def refusal(request: RequestHead, door: FrontDoor = DOOR) -> RequestError:
    """What the door says to a request; no token is ever in it."""
    with pytest.raises(RequestError) as caught:
        door.admit(request)
    error = caught.value
    assert error.type == INVALID_REQUEST
    said = error.body() + repr(error.headers).encode() + error.detail.encode()
    assert b"canary" not in said
    return error


def challenge(error: RequestError) -> str:
    """The only WWW-Authenticate of an error, of the form that RFC 6750 §3 gives."""
    [(name, value)] = error.headers
    assert name == "www-authenticate"
    assert re.fullmatch(
        r'Bearer realm="[^"]+"(, error="[a-z_]+", error_description="[A-Za-z ]+")?', value
    )
    return value


@pytest.mark.parametrize(
    "host",
    [
        "gw.local",
        "GW.LOCAL",
        "gw.local.",
        "gw.local:8080",
        "gw.local.:8080",
        "gw.local:0",
        "gw.local:65535",
        "localhost",
        "127.0.0.1",
        "127.0.0.1:80",
        "[::1]",
        "[::1]:8080",
        "[0:0:0:0:0:0:0:1]",
    ],
)
def test_our_hosts_are_ours_in_every_spelling(host: str) -> None:
    assert DOOR.is_ours(head(hosts=(host,)))


@pytest.mark.parametrize(
    "host",
    [
        "evil.invalid",
        "gw.local.evil.invalid",
        "evilgw.local",
        "gw",
        "local",
        "127.0.0.2",
        "127.1",
        "2130706433",
        "0x7f000001",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[1:2]",
        "xn--gw-local-4ya",
        "gw-local",
        "gw..local",
        "-gw.local",
        "169.254.169.254",
        "a" * 254,
    ],
)
def test_other_hosts_are_not(host: str) -> None:
    assert not DOOR.is_ours(head(hosts=(host,)))


@pytest.mark.parametrize(
    "hosts",
    [
        (),
        ("",),
        ("gw.local", "gw.local"),
        ("gw.local", "evil.invalid"),
        ("gw.local, evil.invalid",),
        ("gw.local@evil",),
        ("user@gw.local",),
        ("gw.local/x",),
        ("gw.local?",),
        ("gw.local#",),
        ("gw.local\\x",),
        ("gw.local:99999",),
        ("gw.local:65536",),
        ("gw.local:abc",),
        ("gw.local:",),
        ("gw.local:80:80",),
        ("gw.local:-1",),
        ("gw.local:٨٠",),
        (":80",),
        ("http://gw.local",),
        (" gw.local",),
        ("gw.local\n",),
        ("gw.local\r\nx: 1",),
        ("gw.local\0",),
        ("gw%2elocal",),
        ("gw\u3002local",),
        ("\uff47\uff57.local",),
        ("[::1",),
        ("[::1%25lo]",),
        ("::1",),
        ("[]",),
    ],
)
def test_a_request_names_exactly_one_well_formed_host(hosts: tuple[str, ...]) -> None:
    with pytest.raises(RequestError) as caught:
        DOOR.is_ours(head(hosts=hosts))
    assert caught.value.status == 400
    assert caught.value.message.isprintable()


@pytest.mark.parametrize(
    ("host", "ours"),
    [("gw.local", True), ("GW.local.", True), ("::1", True), ("other", False), ("a b", False)],
)
def test_a_bare_host_is_ours_or_not(host: str, ours: bool) -> None:
    assert DOOR.answers_for(host) is ours


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
@pytest.mark.parametrize("space", [" ", "   "])
@pytest.mark.parametrize("after", ["", " ", "\t ", "\t"])
def test_a_known_token_comes_in(token: str, scheme: str, space: str, after: str) -> None:
    field = f"{scheme}{space}{token}{after}".encode()
    assert DOOR.admit(head(authorization=(field,))).route.endpoint is Endpoint.CHAT


def test_no_credentials_are_asked_for_without_an_error() -> None:
    error = refusal(head(authorization=()))
    assert (error.status, error.code, error.param) == (401, None, None)
    assert "error=" not in challenge(error)


@pytest.mark.parametrize(
    "field",
    [
        b"",
        b"Basic dXNlcjpwYXNz",
        b"Basic canary-token-one",
        b"Token canary-token-one",
        b"canary-token-one",
        b"Digest x",
        b"\xff\xfe",
    ],
)
def test_another_scheme_is_as_good_as_none(field: bytes) -> None:
    error = refusal(head(authorization=(field,)))
    assert (error.status, error.code) == (401, None)
    assert "error=" not in challenge(error)


@pytest.mark.parametrize(
    "field",
    [
        b"Bearer",
        b"Bearer ",
        b"Bearer wrong",
        b"Bearer canary-token-onf",
        b"Bearer canary-token-on",
        b"Bearer canary-token-one1",
        b"Bearer Canary-token-one",
        b"Bearer canary-token-one canary-token-one",
        b"Bearer a b",
        b"Bearer canary-token-one,canary-token-one",
        b'Bearer "canary-token-one"',
        b"Bearer canary-token-one\0",
        b"Bearer canary-token-one\r",
        b"Bearer canary-token-one\r\nx: y",
        b"Bearer canary-token-one\n",
        b"Bearer\tcanary-token-one",
        b"Bearercanary-token-one",
        b"Bearer \xff\xfe",
        "Bearer é".encode(),
        "Bearer canary-token-\u043ene".encode(),
        b"Bearer =",
        b"Bearer " + b"x" * 1_000_000,
    ],
)
def test_an_unknown_token_is_refused_as_invalid(field: bytes) -> None:
    error = refusal(head(authorization=(field,)))
    assert (error.status, error.code) == (401, "invalid_api_key")
    assert 'error="invalid_token"' in challenge(error)
    assert len(error.body()) < 500


@pytest.mark.parametrize(
    "fields",
    [
        (b"Bearer canary-token-one", b"Bearer canary-token-one"),
        (b"Bearer canary-token-one", b"Bearer wrong"),
        (b"Basic x", b"Bearer canary-token-one"),
    ],
)
def test_credentials_are_sent_once(fields: tuple[bytes, ...]) -> None:
    error = refusal(head(authorization=fields))
    assert error.status == 400
    assert 'error="invalid_request"' in challenge(error)
    assert error.code == "invalid_request"


@pytest.mark.parametrize(
    "name", ["api_key", "access_token", "key", "api-key", "API_KEY", "api%5Fkey"]
)
@pytest.mark.parametrize("authorization", [(), GOOD.authorization])
def test_a_token_in_the_address_is_refused(name: str, authorization: tuple[bytes, ...]) -> None:
    path = f"/v1/chat/completions?a=b&{name}=canary-token-one"
    error = refusal(head(path=path, authorization=authorization))
    assert error.status == 400
    assert 'error="invalid_request"' in challenge(error)
    assert error.code == "invalid_request"


@pytest.mark.parametrize("query", ["?a=b", "?", "?model=key", "?keys=1", "?%", "?&&=", "?a=%ff"])
def test_another_query_is_let_be(query: str) -> None:
    assert DOOR.admit(head(path=f"/v1/chat/completions{query}"))


def test_without_any_token_nobody_comes_in() -> None:
    door = FrontDoor(HOSTS, Identity(()), LIMIT)
    assert refusal(GOOD, door).status == 401
    assert refusal(head(authorization=(b"Bearer ",)), door).status == 401


@pytest.mark.parametrize("texts", [[b"x", b"a=canary-token-one;"], [TOKENS[1].encode()]])
def test_our_own_tokens_are_found_anywhere_in_texts(texts: list[bytes]) -> None:
    assert DOOR.finds_token_in(texts)


@pytest.mark.parametrize("texts", [[], [b""], [b"x", b"\xff"], [b"canary-token-onf"]])
def test_no_token_is_found_in_other_texts(texts: list[bytes]) -> None:
    assert not DOOR.finds_token_in(texts)


def test_a_caller_without_a_token_learns_nothing_of_what_is_behind() -> None:
    for path in ("/v1/models", "/nothing", "/v1/models/m", "/v1/chat/completions"):
        for method in ("GET", "POST", "DELETE"):
            request = head(method=method, path=path, authorization=(), content_length=LIMIT + 1)
            assert refusal(request).status == 401


def test_ping_is_open_to_everybody() -> None:
    for fields in ((), (b"Basic x",), (b"Bearer wrong",)):
        request = head(method="GET", path="/ping", authorization=fields)
        assert DOOR.admit(request).route.endpoint is Endpoint.PING


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/v1/chat/completions", 405),
        ("POST", "/v1/models", 405),
        ("OPTIONS", "*", 405),
    ],
)
def test_with_a_token_the_route_is_what_counts(method: str, path: str, status: int) -> None:
    assert refusal(head(method=method, path=path)).status == status


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8",
        'application/json; charset="utf-8"',
        "application/json ; charset = utf8",
        "application/json; profile=x",
    ],
)
def test_json_in_utf_8_is_taken(content_type: str | None) -> None:
    assert DOOR.admit(head(content_type=content_type))


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "application/json; charset=utf-16",
        "application/json; charset=iso-8859-1",
        "application/jsonx",
        "application/vnd.api+json",
        "json",
        "application/json, text/plain",
        ";",
        "\0",
    ],
)
def test_other_content_types_are_refused(content_type: str) -> None:
    error = refusal(head(content_type=content_type))
    assert (error.status, error.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "zstd", "identity, gzip", "GZIP", "x"])
def test_a_packed_body_is_refused(coding: str) -> None:
    error = refusal(head(content_encoding=coding))
    assert (error.status, error.code) == (415, "unsupported_media_type")


@pytest.mark.parametrize("coding", [None, "", "identity"])
def test_a_plain_body_is_taken(coding: str | None) -> None:
    assert DOOR.admit(head(content_encoding=coding))


@pytest.mark.parametrize("length", [LIMIT + 1, 30_000_000, 10**30])
def test_a_body_announced_as_too_large_is_refused(length: int) -> None:
    error = refusal(head(content_length=length))
    assert (error.status, error.code) == (413, "request_too_large")
    assert f"{LIMIT} bytes allowed (gateway.max_request_bytes)" in error.message


@pytest.mark.parametrize("length", [None, 0, LIMIT])
def test_a_body_within_the_limit_is_taken(length: int | None) -> None:
    assert DOOR.admit(head(content_length=length))


def test_where_no_body_is_taken_its_headers_do_not_matter() -> None:
    request = head(
        method="GET", path="/v1/models", content_type="text/plain", content_encoding="gzip"
    )
    assert DOOR.admit(request).route.endpoint is Endpoint.MODELS


def test_a_body_that_turns_out_too_large_is_refused_in_the_same_words() -> None:
    assert DOOR.too_large().body() == refusal(head(content_length=LIMIT + 1)).body()


def test_the_door_shows_no_token() -> None:
    assert "canary" not in repr(vars(DOOR))


@pytest.mark.parametrize("expect", [None, "100-continue", "100-Continue"])
def test_a_client_may_wait_to_be_told_to_go_on(expect: str | None) -> None:
    assert DOOR.admit(head(expect=expect)).route.endpoint is Endpoint.CHAT


@pytest.mark.parametrize("expect", ["", "coffee", "100-continue, coffee", "200-ok", "100"])
def test_another_expectation_is_not_met(expect: str) -> None:
    error = refusal(head(expect=expect))
    assert (error.status, error.code) == (417, "expectation_failed")
