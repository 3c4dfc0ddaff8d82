from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.config.hosts import base_url, is_loopback, virtual_host

ABSOLUTE = "an absolute http or https URL"
ASCII = "an absolute http or https URL in ASCII without spaces"
AUTHORITY = "an absolute http or https URL with a valid host and port"
HTTPS = "an https URL (http: for this machine, without a key, or with insecure: true)"
USER = "a URL without user name and password"
QUERY = "a URL without query and fragment"
HOST = "a host name or an IP address, without scheme and port"


def complaint(parse: Callable[[str], object], text: str) -> str:
    """What `parse` says of a text that it refuses; empty if it does not refuse."""
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("localhost", "localhost"),
        ("AI.LocalHost.", "ai.localhost"),
        ("my_service", "my_service"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("1and1.example", "1and1.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "[::1]"),
        ("[::1]", "[::1]"),
        ("[2001:DB8:0:0::0001]", "[2001:db8::1]"),
        (".".join(["a" * 63] * 3), ".".join(["a" * 63] * 3)),
    ],
)
def test_hosts_come_back_in_one_spelling(text: str, host: str) -> None:
    assert virtual_host(text) == host


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a..",
        "a:80",
        "[::1]:80",
        "http://a",
        "a/b",
        "*.localhost",
        "-a",
        "a-",
        "a b",
        "a\n",
        "bücher.example",
        "127.1",
        "1.2.3.256",
        "[127.0.0.1]",
        "[a]",
        "fe80::1%eth0",
        "a" * 64,
        ".".join(["a" * 63] * 4),
    ],
)
def test_other_texts_are_no_hosts(text: str) -> None:
    assert complaint(virtual_host, text) == HOST


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1"),
        ("HTTPS://API.OpenAI.com//", "https://api.openai.com"),
        ("https://a.example:8443/V1", "https://a.example:8443/V1"),
        ("http://localhost/v1", "http://localhost/v1"),
        ("http://localhost./v1", "http://localhost/v1"),
        ("http://ollama.localhost:11434", "http://ollama.localhost:11434"),
        ("http://127.9.9.9:11434/v1", "http://127.9.9.9:11434/v1"),
        ("http://[::1]:11434/v1", "http://[::1]:11434/v1"),
        ("https://[2001:DB8::1]/v1", "https://[2001:db8::1]/v1"),
    ],
)
def test_base_urls_come_back_in_one_spelling(text: str, url: str) -> None:
    assert base_url(text) == url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ASCII),
        ("https://a b", ASCII),
        ("https://bücher.example", ASCII),
        ("https://a\n.example", ASCII),
        ("https://a\\@b", ASCII),
        ("a.example/v1", ABSOLUTE),
        ("localhost:11434", ABSOLUTE),
        ("//a.example", ABSOLUTE),
        ("ftp://a.example", ABSOLUTE),
        ("echo://demo", ABSOLUTE),
        ("https://", ABSOLUTE),
        ("https:///v1", ABSOLUTE),
        ("https://a.example:0", AUTHORITY),
        ("https://a.example:", AUTHORITY),
        ("https://a.example:65536", AUTHORITY),
        ("https://a.example:x", AUTHORITY),
        ("https://[::1", AUTHORITY),
        ("https://[::1%25eth0]", AUTHORITY),
        ("https://:443", AUTHORITY),
        ("https://-a", AUTHORITY),
        ("https://user:password@a.example", USER),
        ("https://@a.example", USER),
        ("https://a.example/v1?key=x", QUERY),
        ("https://a.example/v1?", QUERY),
        ("https://a.example/v1#x", QUERY),
        ("http://a.example/v1", HTTPS),
        ("http://notlocalhost/v1", HTTPS),
        ("http://localhost.example/v1", HTTPS),
        ("http://192.168.0.1/v1", HTTPS),
        ("http://[::ffff:127.0.0.1]/v1", HTTPS),
    ],
)
def test_other_texts_are_no_base_urls(text: str, expected: str) -> None:
    assert complaint(base_url, text) == expected


@given(st.text() | st.text("htps:/@[]?#.%1a\\ ").map("https://".__add__))
def test_a_base_url_read_again_is_itself(text: str) -> None:
    message = complaint(base_url, text)
    assert message in {"", ASCII, ABSOLUTE, AUTHORITY, HTTPS, USER, QUERY}
    assert message or base_url(base_url(text)) == base_url(text)


def test_http_may_lead_anywhere_without_a_key() -> None:
    assert base_url("http://ollama:11434/v1", keyed=False) == "http://ollama:11434/v1"


@given(st.text() | st.text("a1.:[]%-_"))
def test_a_host_read_again_is_itself(text: str) -> None:
    message = complaint(virtual_host, text)
    assert message in {"", HOST}
    assert message or virtual_host(virtual_host(text)) == virtual_host(text)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("localhost.", True),
        ("a.b.localhost", True),
        ("127.0.0.1", True),
        ("127.255.0.3", True),
        ("::1", True),
        ("[::1]", True),
        ("notlocalhost", False),
        ("localhost.example", False),
        ("128.0.0.1", False),
        ("0.0.0.0", False),
        ("::", False),
        ("::ffff:127.0.0.1", False),
    ],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback
