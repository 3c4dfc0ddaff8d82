"""A certificate authority of the test's own, for servers on 127.0.0.1."""

import ssl
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

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
