"""Which servers HttpWire believes to be the provider."""

import asyncio
import ssl
from pathlib import Path

import pytest

from llm_gateway.errors import Retry, UpstreamConnectionError
from llm_gateway.http_wire import tls_context
from llm_gateway.wire import read_whole
from support.fakes import KEY, make_provider
from support.http1 import values
from support.recording_server import RecordingServer
from support.tls import Authority, make_authority
from support.wires import (
    bearer,
    clear_proxies,
    failure,
    fine,
    post,
    send,
    whole,
    wire_of,
    wire_to,
)


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_proxies(monkeypatch)


def authority_in(directory: Path) -> Authority:
    """A certificate authority whose files are in this directory, which is made."""
    directory.mkdir()
    return make_authority(directory)


async def test_an_unknown_authority_s_certificate_is_refused(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    async with RecordingServer(fine, tls=authority.server) as server:
        async with wire_to(server.url) as wire:
            error = await failure(send(wire, post(server.url)))
        assert server.requests == []
    assert isinstance(error, UpstreamConnectionError)
    assert "certificate could not be verified" in error.message
    assert (error.sent, error.retry) == (False, Retry.ELSEWHERE)


async def test_ssl_cert_file_names_an_authority_to_trust(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = make_authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    async with RecordingServer(fine, tls=authority.server) as server:
        async with wire_to(server.url) as wire:
            assert await read_whole(await send(wire, post(server.url))) == b'"fine"'
        assert values(server.requests[0].headers, "authorization") == [bearer(KEY)]


async def test_a_certificate_for_another_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = make_authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    async with RecordingServer(fine, tls=authority.server) as server:
        url = f"https://localhost:{server.port}"
        async with wire_to(url) as wire:
            error = await failure(send(wire, post(url)))
        assert server.requests == []
    assert "certificate could not be verified" in error.message
    assert (error.sent, error.retry) == (False, Retry.ELSEWHERE)


async def test_a_server_that_speaks_no_tls_is_a_connection_error() -> None:
    async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.invalid ESMTP\r\n")
        writer.close()

    plain = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with plain:
        url = f"https://127.0.0.1:{plain.sockets[0].getsockname()[1]}"
        async with wire_to(url) as wire:
            error = await failure(send(wire, post(url)))
    assert isinstance(error, UpstreamConnectionError)
    assert (error.sent, error.retry) == (False, Retry.HERE)


def test_the_tls_context_verifies_certificate_and_name() -> None:
    context = tls_context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_where_the_system_has_no_certificates_certifi_s_are_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "missing"))
    assert tls_context().cert_store_stats()["x509_ca"] > 50


async def test_a_private_authority_is_trusted_by_the_wire_that_names_it(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    async with RecordingServer(fine, tls=authority.server) as server:
        async with wire_of(make_provider(base_url=server.url, ca_file=authority.ca_file)) as wire:
            assert await whole(wire, post(server.url)) == b'"fine"'
        async with wire_of(make_provider(base_url=server.url)) as wire:
            error = await failure(send(wire, post(server.url)))
        assert len(server.requests) == 1
    assert isinstance(error, UpstreamConnectionError)
    assert "certificate could not be verified" in error.message


async def test_a_wire_that_names_an_authority_trusts_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named, other = authority_in(tmp_path / "named"), authority_in(tmp_path / "other")
    # The other one is trusted by everybody else, as a public authority is.
    monkeypatch.setenv("SSL_CERT_FILE", str(other.ca_file))
    async with RecordingServer(fine, tls=other.server) as server:
        async with wire_of(make_provider(base_url=server.url)) as wire:
            assert await whole(wire, post(server.url)) == b'"fine"'
        async with wire_of(make_provider(base_url=server.url, ca_file=named.ca_file)) as wire:
            error = await failure(send(wire, post(server.url)))
        assert len(server.requests) == 1
    assert "certificate could not be verified" in error.message


async def test_a_named_authority_s_certificate_is_still_for_one_name(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    async with RecordingServer(fine, tls=authority.server) as server:
        url = f"https://localhost:{server.port}"
        async with wire_of(make_provider(base_url=url, ca_file=authority.ca_file)) as wire:
            error = await failure(send(wire, post(url)))
        assert server.requests == []
    assert "certificate could not be verified" in error.message


def test_a_context_with_a_file_holds_its_authorities_alone(tmp_path: Path) -> None:
    context = tls_context(make_authority(tmp_path).ca_file)
    assert context.cert_store_stats()["x509_ca"] == 1
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
