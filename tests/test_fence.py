"""Which addresses mitmproxy may dial, and which configurations lead in a circle."""

from collections.abc import Iterable

import pytest

from llm_gateway.config import ConfigError, OAuth
from llm_gateway.fence import Fence, Listener
from support.fakes import make_config, make_provider

PORT = 8080
PAGE = ("127.0.0.1", 8081)


def fence(*listeners: Listener) -> Fence:
    return Fence(lambda: listeners)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "0.0.0.0",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:7f00:1",
        "::127.0.0.1",
        "64:ff9b::127.0.0.1",
        "2002:7f00:1::",
    ],
)
def test_a_loopback_listener_is_out_of_bounds_in_every_spelling(host: str) -> None:
    assert fence(PAGE).refusal(host, PAGE[1])
    assert fence(PAGE).refusal(host, PAGE[1] + 1) is None


@pytest.mark.parametrize("listener", ["", "0.0.0.0", "::", "[::]", "localhost"])
@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "0.0.0.0", "::ffff:127.0.0.1"])
def test_a_listener_everywhere_is_out_of_bounds_at_every_own_address(
    listener: str, host: str
) -> None:
    assert fence((listener, PORT)).refusal(host, PORT)


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7"])
def test_another_machine_may_have_the_same_port(host: str) -> None:
    assert fence(("0.0.0.0", PORT)).refusal(host, PORT) is None


def test_what_listens_at_another_own_address_is_somebody_else() -> None:
    assert fence(("127.0.0.2", PORT)).refusal("127.0.0.1", PORT) is None


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.170.2",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "fe80::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "fd20:ce::254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
    ],
)
def test_the_services_of_a_cloud_are_out_of_bounds(host: str) -> None:
    assert fence().refusal(host, 80) == "it belongs to the services of a cloud"


@pytest.mark.parametrize("host", ["93.184.216.34", "10.0.0.1", "fd00::1", "2606:4700::1", "::1"])
def test_other_addresses_may_be_dialled(host: str) -> None:
    assert fence(PAGE).refusal(host, 80) is None


@pytest.mark.parametrize("host", ["", "localhost", "127.1", "2130706433", "0x7f000001", "a b"])
def test_what_is_no_address_may_not(host: str) -> None:
    assert fence().refusal(host, 80) == "it is no IP address"


@pytest.mark.parametrize(
    ("base_url", "listeners"),
    [
        ("http://127.0.0.1:8080/v1", [("127.0.0.1", PORT)]),
        ("http://localhost:8080/v1", [("127.0.0.1", PORT)]),
        ("http://ai.localhost:8080/v1", [("0.0.0.0", PORT)]),
        ("http://[::1]:8080/v1", [("::", PORT)]),
        ("https://[::ffff:127.0.0.1]:8081", [("127.0.0.1", PORT), PAGE]),
        ("http://127.0.0.1", [("127.0.0.1", 80)]),
        ("https://127.0.0.1", [("127.0.0.1", 443)]),
    ],
)
def test_a_provider_that_is_the_gateway_itself_is_refused(
    base_url: str, listeners: Iterable[Listener]
) -> None:
    config = make_config([make_provider(base_url=base_url)])
    with pytest.raises(ConfigError) as refused:
        fence(*listeners).check(config)
    assert "the gateway's own" in str(refused.value)
    assert "providers." in str(refused.value)


def test_an_authorization_server_that_is_the_gateway_itself_is_refused() -> None:
    oauth = OAuth("http://127.0.0.1:8080/oauth", "S")
    config = make_config([make_provider(base_url="https://p.invalid", oauth=oauth)])
    with pytest.raises(ConfigError):
        fence(("127.0.0.1", PORT)).check(config)


@pytest.mark.parametrize(
    "base_url", ["http://127.0.0.1:11434/v1", "https://127.0.0.1:8443", "https://p.invalid:8080"]
)
def test_other_providers_are_not(base_url: str) -> None:
    fence(("0.0.0.0", PORT)).check(make_config([make_provider(base_url=base_url)]))
