"""What the gateway needs of mitmproxy's options and modes, and how it reads a request's head."""

import base64
from typing import Any

import pytest
from mitmproxy import exceptions, http, options
from mitmproxy.connection import Address
from mitmproxy.proxy import mode_specs
from mitmproxy.test import tflow

from llm_gateway import host
from support.live import REGULAR, REVERSE, proxy_options


def test_what_the_gateway_needs_is_set_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    opts = proxy_options()
    opts.update(keep_host_header=False, connection_strategy="eager")
    host.set_required_options(opts)
    assert (opts.keep_host_header, opts.connection_strategy) == (True, "lazy")
    assert caplog.text == ""


def test_an_option_that_somebody_set_otherwise_is_set_back_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    opts = proxy_options(stream_large_bodies="1m")
    host.set_required_options(opts)
    assert opts.stream_large_bodies is None
    assert "stream_large_bodies" in caplog.text
    host.check_options(opts)


def test_options_that_a_mitmproxy_does_not_have_are_left_alone() -> None:
    bare = options.Options()
    host.set_required_options(bare)
    host.check_options(bare)
    assert "keep_host_header" not in bare


@pytest.mark.parametrize(
    ("name", "value"),
    [("keep_host_header", False), ("connection_strategy", "eager"), ("stream_large_bodies", "1m")],
)
def test_an_option_that_does_not_fit_is_refused_by_name(name: str, value: Any) -> None:
    opts = proxy_options(**{name: value}) if name == "stream_large_bodies" else proxy_options()
    opts.update(**{name: value})
    with pytest.raises(exceptions.OptionsError, match=name):
        host.check_options(opts)


@pytest.mark.parametrize(
    "mode",
    ["regular", "regular@127.0.0.1:1", "reverse:http://127.0.0.1:1", "reverse:https://a.example"],
)
def test_modes_that_are_served(mode: str) -> None:
    host.check_options(proxy_options(mode=[mode]))


@pytest.mark.parametrize(
    "mode",
    [
        "socks5",
        "transparent",
        "upstream:http://a.example",
        "reverse:tcp://a.example:1",
        "reverse:tls://a.example:1",
        "reverse:dns://a.example:1",
        "reverse:quic://a.example:1",
        "dns",
        "wireguard",
    ],
)
def test_modes_that_are_refused(mode: str) -> None:
    with pytest.raises(exceptions.OptionsError, match="does not serve mode"):
        host.check_options(proxy_options(mode=["regular", mode]))


@pytest.mark.parametrize(
    "change", [{"mode": ["socks5"]}, {"mode": ["nonsense"]}, {"keep_host_header": False}]
)
def test_a_change_that_does_not_fit_is_refused_before_others_hear_of_it(
    change: dict[str, Any],
) -> None:
    opts = proxy_options(mode=["regular"])
    heard: list[Any] = []

    def hear(updated: set[str]) -> None:
        heard.extend(getattr(opts, name) for name in updated)

    opts.changed.connect(hear)
    host.guard_options(opts)
    before = [getattr(opts, name) for name in change]
    with pytest.raises(exceptions.OptionsError):
        opts.update(**change)
    assert heard == before, "it is told of the values that stay, and of no other"


def test_options_of_ours_that_do_not_exist_are_found() -> None:
    opts = proxy_options()
    opts.update_defer(ai_typo="1", ai_another="2", other_addon="3")
    assert host.mistyped_options(opts) == ["ai_another", "ai_typo"]
    opts.add_option("ai_typo", str, "", "now it exists")
    opts.process_deferred()
    assert host.mistyped_options(opts) == ["ai_another"]


def test_options_of_ours_are_told_from_others() -> None:
    opts = proxy_options()
    assert host.own_options(opts) == []
    opts.add_option("ai_second", str, "", "")
    opts.add_option("ai_first", str, "", "")
    assert host.own_options(opts) == ["ai_first", "ai_second"]


def flow_of(
    *fields: tuple[bytes, bytes],
    authority: str = "",
    asked: str = "",
    mode: mode_specs.ProxyMode = REVERSE,
) -> http.HTTPFlow:
    flow = tflow.tflow()
    flow.client_conn.proxy_mode = mode
    flow.request.headers = http.Headers(fields)
    flow.request.data.authority = authority.encode()
    flow.request.data.host = asked or "127.0.0.1"
    flow.request.path = "/v1/models?a=%20b"
    return flow


def test_the_head_is_read_as_it_came() -> None:
    head = host.request_head(
        flow_of(
            (b"Host", b"localhost"),
            (b"Authorization", b"Bearer \xff"),
            (b"AUTHORIZATION", b"second"),
            (b"Content-Type", b"application/json; charset=utf-8"),
            (b"Content-Encoding", b"gzip"),
            (b"Content-Length", b"17"),
        )
    )
    assert (head.method, head.path) == ("GET", "/v1/models?a=%20b")
    assert head.hosts == ("localhost",)
    assert head.authorization == (b"Bearer \xff", b"second")
    assert head.content_type == "application/json; charset=utf-8"
    assert head.content_encoding == "gzip"
    assert head.content_length == 17


def test_what_is_not_there_is_none() -> None:
    head = host.request_head(flow_of())
    assert head.hosts == ()
    assert head.authorization == ()
    assert (head.content_type, head.content_encoding, head.content_length) == (None, None, None)


@pytest.mark.parametrize("value", ["-1", "+1", "1_000", "1, 1", "\u0661", "x", ""])
def test_a_length_that_is_no_number_counts_as_unknown(value: str) -> None:
    head = host.request_head(flow_of((b"Content-Length", value.encode())))
    assert head.content_length is None


@pytest.mark.parametrize(
    ("authority", "fields", "hosts"),
    [
        ("", ["localhost"], ("localhost",)),
        ("", ["localhost", "localhost"], ("localhost", "localhost")),
        ("", [], ()),
        ("localhost", [], ("localhost",)),
        ("xn--lcalhost-54a", [], ("xn--lcalhost-54a",)),
        ("localhost", ["localhost"], ("localhost",)),
        ("localhost", ["example.com"], ("localhost", "example.com")),
        ("localhost", ["localhost", "localhost"], ("localhost", "localhost", "localhost")),
    ],
)
def test_every_host_is_counted_and_the_same_in_both_places_once(
    authority: str, fields: list[str], hosts: tuple[str, ...]
) -> None:
    named = [(b"host", field.encode()) for field in fields]
    assert host.request_head(flow_of(*named, authority=authority)).hosts == hosts


@pytest.mark.parametrize(
    ("asked", "field", "hosts"),
    [
        ("localhost", b"localhost", ("localhost",)),
        ("LocalHost", b"localhost:1234", ("localhost:1234",)),
        ("example.com", b"localhost", ("example.com", "localhost")),
        ("::1", b"[::1]:80", ("[::1]:80",)),
    ],
)
def test_a_proxys_client_names_a_host_in_the_address_as_well(
    asked: str, field: bytes, hosts: tuple[str, ...]
) -> None:
    flow = flow_of((b"host", field), asked=asked, mode=REGULAR)
    assert host.request_head(flow).hosts == hosts


def test_the_reverse_target_is_not_a_host_that_the_client_named() -> None:
    assert host.request_head(flow_of((b"host", b"localhost"), asked="target")).hosts == (
        "localhost",
    )


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ([(b"Authorization", b"Bearer canary+/=")], "/"),
        ([(b"X-Api-Key", b"canary+/=")], "/"),
        ([(b"canary+/=", b"x")], "/"),
        ([(b"Cookie", b"a=x; b=canary+/=; c=y")], "/"),
        ([(b"Cookie", b"a=canary%2B%2F%3D")], "/"),
        ([(b"Authorization", b"Basic " + base64.b64encode(b"user:canary+/="))], "/"),
        ([], "/canary+/=/x"),
        ([], "/?key=canary%2b%2F="),
    ],
)
def test_a_token_is_found_wherever_it_stands_in_a_head(
    fields: list[tuple[bytes, bytes]], path: str
) -> None:
    flow = flow_of(*fields)
    flow.request.path = path
    assert any(b"canary+/=" in text for text in host.texts_of_head(flow.request))


@pytest.mark.parametrize(
    ("address", "virtual_hosts", "url"),
    [
        (("127.0.0.1", 8080), ["ai.localhost", "127.0.0.1"], "http://127.0.0.1:8080"),
        (("0.0.0.0", 8080), ["ai.localhost", "127.0.0.1"], "http://127.0.0.1:8080"),
        (("::1", 8080, 0, 0), ["ai.localhost", "[::1]"], "http://[::1]:8080"),
        (("127.0.0.1", 8080), ["ai.example", "b.example"], "http://ai.example:8080"),
    ],
)
def test_clients_are_told_an_address_that_is_answered(
    address: Address, virtual_hosts: list[str], url: str
) -> None:
    assert host.base_url(address, virtual_hosts) == url


class _Web(options.Options):
    """mitmweb's options."""

    def __init__(self, web_host: str, web_password: str) -> None:
        super().__init__()
        for name, value in (("web_host", web_host), ("web_password", web_password)):
            self.add_option(name, str, value, "")
        self.add_option("web_port", int, 8081, "")


@pytest.mark.parametrize("web_host", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_a_page_for_this_machine_is_no_exposure(web_host: str) -> None:
    assert not [*host.exposures(_Web(web_host, ""))]


def test_without_mitmweb_there_is_no_exposure() -> None:
    assert not [*host.exposures(options.Options())]


@pytest.mark.parametrize("web_host", ["0.0.0.0", "", "::", "192.0.2.1", "gateway.example"])
def test_a_page_for_other_machines_is_told_of(web_host: str) -> None:
    [plain] = host.exposures(_Web(web_host, "hunter2"))
    [none] = host.exposures(_Web(web_host, ""))
    [hashed] = host.exposures(_Web(web_host, "$argon2id$v=19$m=65536,t=3,p=4$c2FsdA$aGFzaA"))
    assert "hunter2" not in plain
    assert "should be an argon2 hash" in plain
    assert "should be an argon2 hash" in none
    assert "open to other machines" in hashed
    assert "should be" not in hashed


def test_all_that_this_process_listens_at_is_its_own() -> None:
    listening = [("0.0.0.0", 8080), ("::", 8080)]
    assert host.own_listeners(listening, options.Options()) == listening
    assert ("127.0.0.1", 8081) in host.own_listeners(listening, _Web("127.0.0.1", ""))
