"""A certificate authority of the test's own, for servers on 127.0.0.1."""

import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import override

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from mitmproxy.certs import CertStore

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Authority:
    """A server's context, that of a client which trusts it, and the CA's certificate file."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    ca_file: Path


def make_authority(directory: Path) -> Authority:
    """Make a CA and a certificate for 127.0.0.1; their files go to `directory`."""
    store = CertStore.from_store(directory, "test", 2048)
    entry = store.get_cert(LOOPBACK, [x509.IPAddress(ip_address(LOOPBACK))])
    key = entry.privatekey.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem = directory / "server.pem"
    pem.write_bytes(entry.cert.to_pem() + key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(pem)
    ca_file = directory / "test-ca-cert.pem"
    return Authority(server, ssl.create_default_context(cafile=str(ca_file)), ca_file)


def client_context(ca_file: Path) -> ssl.SSLContext:
    """Return a client's context that trusts this certificate authority alone."""
    return ssl.create_default_context(cafile=str(ca_file))


class Http2Context(ssl.SSLContext):
    """A client's context that offers HTTP/2 alone: httpx offers HTTP/1.1 first, and gets it."""

    @override
    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        super().set_alpn_protocols(["h2"])


def http2_context(ca_file: Path) -> ssl.SSLContext:
    """Return an Http2Context that trusts this certificate authority alone."""
    context = Http2Context(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    context.load_verify_locations(ca_file)
    return context
