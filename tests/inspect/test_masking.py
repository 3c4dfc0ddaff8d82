"""A client's credentials are replaced in the flow by fingerprints."""

import base64

import pytest
from mitmproxy import http
from mitmproxy.test import tflow, tutils

from llm_gateway.inspect.masking import mask_client_credentials
from llm_gateway.secret import Secret

TOKEN = "canary+token/7f3c9a5e"
MASKED = Secret(TOKEN).masked


def masked(path: str = "/", *headers: tuple[str, str]) -> http.Request:
    """The request of a flow after masking."""
    fields = [(name.encode(), value.encode()) for name, value in headers]
    flow = tflow.tflow(req=tutils.treq(path=path.encode(), headers=http.Headers(fields)))
    mask_client_credentials(flow)
    return flow.request


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"Bearer {TOKEN}", f"Bearer {MASKED}"),
        (f"bearer {TOKEN}", f"bearer {MASKED}"),
        (f"Bearer   {TOKEN}", f"Bearer {MASKED}"),
        (TOKEN, MASKED),
    ],
)
def test_the_scheme_stays_and_a_fingerprint_stands_for_the_token(value: str, expected: str) -> None:
    assert masked("/", ("Authorization", value)).headers.fields == (
        (b"Authorization", expected.encode()),
    )


def test_the_fingerprint_tells_tokens_apart() -> None:
    values = [f"Bearer {TOKEN}{n}" for n in range(3)]
    headers = masked("/", *(("Authorization", value) for value in values)).headers
    assert len(set(headers.get_all("authorization"))) == 3


@pytest.mark.parametrize(
    "value",
    [
        f"Bearer {TOKEN}",
        f"Bearer {TOKEN} more",
        f"Bearer\t{TOKEN}",
        f"{TOKEN} Bearer",
        f"{TOKEN},Bearer x",
        f"Bearer,{TOKEN} x",
        f"Bearer more {TOKEN}",
        "Basic " + base64.b64encode(f"user:{TOKEN}".encode()).decode(),
        f" {TOKEN}",
    ],
)
def test_no_form_of_an_authorization_stays_readable(value: str) -> None:
    text = repr(masked("/", ("Authorization", value)).headers)
    assert TOKEN not in text
    assert base64.b64encode(f"user:{TOKEN}".encode()).decode() not in text


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "Proxy-Authorization",
        "X-API-Key",
        "api-key",
        "x-goog-api-key",
        "cf-aig-authorization",
        "Helicone-Auth",
        "Cookie",
        "x-auth-token",
        "X-Client-Secret",
    ],
)
def test_the_headers_in_which_sdks_put_their_keys_are_masked(name: str) -> None:
    """Anthropic's, Azure's, Google's SDKs and other gateways have headers of their own."""
    assert TOKEN not in repr(masked("/", (name, TOKEN)).headers)


def test_every_field_of_a_repeated_header_is_masked() -> None:
    headers = masked("/", ("Authorization", f"Bearer {TOKEN}"), ("authorization", TOKEN)).headers
    assert headers.get_all("Authorization") == [f"Bearer {MASKED}", MASKED]


@pytest.mark.parametrize(
    "query",
    [
        "access_token={}",
        "api_key={}",
        "api-key={}",
        "key={}",
        "KEY={}",
        "Access_Token={}",
        "x=1&key={}",
        "key={}&x=1",
        "key={}&key={}",
        "access%5Ftoken={}",
        "%6bey={}",
    ],
)
def test_tokens_in_the_query_are_masked(query: str) -> None:
    path = masked("/v1/models?" + query.format(TOKEN, TOKEN)).path
    assert TOKEN not in path
    assert path.startswith("/v1/models?")
    assert "x=1" in path or "x=1" not in query


@pytest.mark.parametrize(
    "path", ["/", "/v1/models?limit=5", "/v1/models?monkey=1", "/v1/models?x=key%3D1", "/a=b"]
)
def test_everything_else_stays_as_it_is(path: str) -> None:
    headers = (("Host", "ai.localhost"), ("User-Agent", "sdk"), ("X-Author", "me"))
    request = masked(path, *headers)
    assert request.path == path
    assert tuple(request.headers.items()) == headers


def test_masking_again_keeps_the_mask_of_a_mask_readable_as_one() -> None:
    once = masked(f"/?key={TOKEN}", ("Authorization", f"Bearer {TOKEN}"))
    twice = masked(once.path, *once.headers.items())
    assert twice.path == once.path == "/?key=***"
    assert twice.headers["authorization"].startswith("Bearer ***")
