"""Which paths there are, and what may be done there."""

import pytest

from llm_gateway.api.routes import Endpoint, Route, every, find, is_open
from llm_gateway.errors import RequestError


def refusal(method: str, path: str) -> RequestError:
    with pytest.raises(RequestError) as caught:
        find(method, path)
    return caught.value


@pytest.mark.parametrize(
    ("method", "path", "endpoint"),
    [
        ("GET", "/ping", Endpoint.PING),
        ("GET", "/openapi.json", Endpoint.OPENAPI),
        ("GET", "/models", Endpoint.MODELS),
        ("GET", "/v1/models", Endpoint.MODELS),
        ("POST", "/chat/completions", Endpoint.CHAT),
        ("POST", "/v1/chat/completions", Endpoint.CHAT),
        ("POST", "/images/generations", Endpoint.IMAGES),
        ("POST", "/v1/images/generations", Endpoint.IMAGES),
        ("POST", "/image", Endpoint.PICTURE),
    ],
)
@pytest.mark.parametrize("query", ["", "?", "?a=b", "?a=/ping", "??", "?x=http://evil.invalid/"])
def test_each_path_leads_somewhere_whatever_its_query(
    method: str, path: str, endpoint: Endpoint, query: str
) -> None:
    assert find(method, path + query) == Route(endpoint, method)


@pytest.mark.parametrize("prefix", ["/models/", "/v1/models/"])
@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("m", "m"),
        ("m?a=b", "m"),
        ("p/m", "p/m"),
        ("p%2Fm", "p/m"),
        ("qwen%2Fqwen3:free", "qwen/qwen3:free"),
        ("a%20b", "a b"),
        ("%C3%A9", "é"),
        ("%FF", "\ufffd"),
        ("%2e%2e", ".."),
        ("../ping", "../ping"),
        ("%", "%"),
        ("%00", "\0"),
    ],
)
def test_the_id_of_a_model_is_the_rest_of_the_path(prefix: str, name: str, model: str) -> None:
    assert find("GET", prefix + name) == Route(Endpoint.MODEL, "GET", model)


def test_what_is_posted_carries_a_body_and_nothing_else() -> None:
    assert find("POST", "/v1/chat/completions").takes_body
    assert find("POST", "/v1/images/generations").takes_body
    assert find("POST", "/image").takes_body
    assert not find("GET", "/v1/models").takes_body
    assert not find("GET", "/v1/models/m").takes_body
    assert not find("GET", "/ping").takes_body


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "?/ping",
        "*",
        "/v1",
        "/v1/",
        "/admin",
        "/v2/models",
        "/ping/",
        "/PING",
        "//ping",
        "/v1/ping",
        "/v1/models/",
        "/models/",
        "/models/?id=m",
        "//v1//chat/completions",
        "/v1/chat/completions/",
        "/v1/chat/completions#x",
        "/V1/chat/completions",
        "/v1/chat%2Fcompletions",
        "/v1/../admin",
        "/v1/%2e%2e/x",
        "/v1/chat/completions;x",
        "/v1/embeddings",
        "/images",
        "/v1/images",
        "/v1/images/edits",
        "/images/generations/",
        "/v1/image",
        "/image/",
        "/IMAGE",
        "/a\0b",
        "/é",
        "http://localhost/ping",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_any_other_path_is_not_found(method: str, path: str) -> None:
    error = refusal(method, path)
    assert (error.status, error.code) == (404, "unknown_url")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/ping", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
        ("/models", "GET, HEAD"),
        ("/v1/models", "GET, HEAD"),
        ("/v1/models/m", "GET, HEAD"),
        ("/chat/completions", "POST"),
        ("/v1/chat/completions", "POST"),
        ("/images/generations", "POST"),
        ("/v1/images/generations", "POST"),
        ("/image", "POST"),
    ],
)
@pytest.mark.parametrize(
    "method", ["GET", "POST", "PUT", "HEAD", "OPTIONS", "TRACE", "DELETE", "G@T", "get", "post", ""]
)
def test_another_method_is_refused_and_the_right_one_named(
    path: str, allowed: str, method: str
) -> None:
    if method in allowed.split(", "):
        assert find(method, path).methods == tuple(allowed.split(", "))
        return
    error = refusal(method, path)
    assert (error.status, error.code) == (405, "method_not_supported")
    assert error.headers == (("allow", allowed),)


def test_the_whole_server_has_no_options() -> None:
    error = refusal("OPTIONS", "*")
    assert (error.status, error.code) == (405, "method_not_supported")
    assert error.headers == (("allow", "GET, HEAD, POST"),)


@pytest.mark.parametrize("text", ["/" + "x" * 1_000_000, "/\r\nX: 1", "/\x1b[31m", "/\udcff"])
def test_a_strange_path_is_shown_short_and_printable(text: str) -> None:
    message = refusal("GET", text).message
    assert len(message) < 200
    assert message.isprintable()
    assert refusal("GET", text).body()


@pytest.mark.parametrize(
    "path", ["/ping", "/ping?", "/ping?a=b", "/openapi.json", "/openapi.json?a=b"]
)
def test_what_says_nothing_of_the_configuration_needs_no_token(path: str) -> None:
    assert is_open(path)


@pytest.mark.parametrize(
    "path",
    [
        "/ping/",
        "/v1/ping",
        "//ping",
        "/PING",
        "/pingx",
        "/openapi.json/",
        "/v1/openapi.json",
        "/openapi",
        "/x?/ping",
        "/v1/models",
        "/image",
        "/%70ing",
        "",
    ],
)
def test_everything_else_does(path: str) -> None:
    assert not is_open(path)


def test_every_path_that_is_listed_is_found_and_leads_where_it_says() -> None:
    for path, route in every():
        found = find(route.method, path.replace("{model}", "m"))
        assert (found.endpoint, found.method) == (route.endpoint, route.method)
    assert {route.endpoint for _, route in every()} == {*Endpoint}
