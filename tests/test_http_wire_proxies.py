"""The proxies that the environment asks for."""

import asyncio
import os
from contextlib import suppress
from pathlib import Path

import pytest

from llm_gateway.config import Http, OAuth
from llm_gateway.errors import (
    UpstreamConnectionError,
    UpstreamInvalidResponse,
    UpstreamTimeout,
)
from support.fake_proxy import ANSWER, FakeProxy
from support.fakes import KEY, make_provider
from support.http1 import values
from support.recording_server import RecordingServer
from support.tls import make_authority
from support.wires import (
    TokenServer,
    access_token,
    bearer,
    clear_proxies,
    failure,
    fine,
    post,
    whole,
    wire_of,
    wire_to,
)

REMOTE = "http://p.invalid"


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_proxies(monkeypatch)


async def test_http_proxy_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeProxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        async with wire_to(REMOTE) as wire:
            body = await whole(wire, post(REMOTE))
    assert ANSWER.endswith(body)
    assert proxy.start_lines == [f"POST {REMOTE}/v1/chat/completions HTTP/1.1"]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_plain_http_to_this_machine_passes_no_proxy(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be shown the key, and could not get there."""
    async with RecordingServer(fine) as server, FakeProxy() as proxy:
        for name in ("HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        url = f"http://{host}:{server.port}"
        async with wire_to(url) as wire:
            assert await whole(wire, post(url)) == b'"fine"'
    assert proxy.requests == []


async def test_https_proxy_sees_a_tunnel_and_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = make_authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    async with RecordingServer(fine, tls=authority.server) as server, FakeProxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with wire_to(server.url) as wire:
            assert await whole(wire, post(server.url)) == b'"fine"'
    [(start, headers)] = proxy.requests
    assert start == f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"
    assert values(headers, "authorization") == []
    assert values(server.requests[0].headers, "authorization") == [bearer(KEY)]


@pytest.mark.parametrize("scheme", ["", "socks5://", "socks5h://"])
async def test_a_proxy_that_cannot_be_used_is_not_passed_by(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = make_authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    refusal = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"
    async with RecordingServer(fine, tls=authority.server) as server, FakeProxy(refusal) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"{scheme}127.0.0.1:{proxy.port}")
        async with wire_to(server.url) as wire:
            with suppress(UpstreamConnectionError):
                await whole(wire, post(server.url))
    assert server.requests == []


async def test_no_proxy_names_hosts_that_are_reached_directly(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    authority = make_authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    async with RecordingServer(fine, tls=authority.server) as server, FakeProxy() as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.1")
        async with wire_to(server.url) as wire:
            assert await whole(wire, post(server.url)) == b'"fine"'
    assert proxy.requests == []


async def test_a_proxy_s_refusal_is_a_connection_error_and_keeps_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = make_authority(tmp_path)
    refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"
    async with RecordingServer(fine, tls=authority.server) as server, FakeProxy(refusal) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:canary@127.0.0.1:{proxy.port}")
        async with wire_to(server.url) as wire:
            error = await failure(whole(wire, post(server.url)))
    assert isinstance(error, UpstreamConnectionError)
    assert not error.sent
    assert "canary" not in error.detail
    assert server.requests == []


async def test_a_proxy_that_hangs_up_is_a_connection_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FakeProxy(b"") as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with wire_to("https://p.invalid") as wire:
            error = await failure(whole(wire, post("https://p.invalid")))
    assert isinstance(error, UpstreamConnectionError)
    assert "could not be established" in error.message
    assert not error.sent
    assert len(proxy.requests) == 1


async def test_a_proxy_that_never_answers_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = asyncio.Event()
    over = asyncio.Event()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await over.wait()
        writer.close()

    silent = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:canary@127.0.0.1:{port}")
        url = "https://p.invalid"
        async with wire_to(url, http=Http(connect=0.2)) as wire:
            error = await failure(whole(wire, post(url)))
        assert asked.is_set()
        over.set()
    assert isinstance(error, UpstreamTimeout)
    assert (error.status, error.code, error.sent) == (504, "upstream_timeout", False)
    assert "canary" not in error.detail


async def test_a_proxy_that_is_not_there_is_a_connection_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with FakeProxy() as proxy:
        pass
    monkeypatch.setenv("HTTP_PROXY", f"http://user:canary@127.0.0.1:{proxy.port}")
    async with wire_to(REMOTE) as wire:
        error = await failure(whole(wire, post(REMOTE)))
    assert isinstance(error, UpstreamConnectionError)
    assert not error.sent
    assert "canary" not in error.detail


async def test_a_request_that_was_pointed_elsewhere_takes_the_way_that_leads_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with RecordingServer(fine) as here, FakeProxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        async with wire_to(here.url) as wire:
            assert await whole(wire, post(here.url)) == b'"fine"'
            assert ANSWER.endswith(await whole(wire, post(REMOTE)))
    [(start, headers)] = proxy.requests
    assert start == f"POST {REMOTE}/v1/chat/completions HTTP/1.1"
    assert values(headers, "authorization") == []


async def test_the_authorization_server_has_a_way_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with TokenServer() as auth, FakeProxy() as proxy:
        api = "http://api.invalid"
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", f"127.0.0.1:{auth.port}")
        async with wire_of(make_provider(base_url=api, oauth=OAuth(auth.url, "S"))) as wire:
            assert ANSWER.endswith(await whole(wire, post(api)))
    assert len(auth.requests) == 1
    [(start, headers)] = proxy.requests
    assert start == f"POST {api}/v1/chat/completions HTTP/1.1"
    assert values(headers, "authorization") == [bearer(access_token(1))]


async def test_the_authorization_server_is_asked_through_its_proxy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with RecordingServer(fine) as api, FakeProxy() as proxy:
        auth = "http://auth.invalid/oauth"
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", f"127.0.0.1:{api.port}")
        async with wire_of(make_provider(base_url=api.url, oauth=OAuth(auth, "S"))) as wire:
            # What this proxy answers is no token.
            with pytest.raises(UpstreamInvalidResponse):
                await whole(wire, post(api.url))
        assert api.requests == []
    assert proxy.start_lines == [f"POST {auth} HTTP/1.1"]


async def test_a_netrc_file_gives_no_credentials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login canary password canary")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    async with RecordingServer(fine) as server, wire_to(server.url, key=None) as wire:
        await whole(wire, post(server.url, authorization=None))
    assert server.requests[0].header("authorization") is None


def test_the_machine_s_proxies_do_not_reach_these_tests() -> None:
    assert not [name for name in os.environ if name.lower().endswith("_proxy")]
