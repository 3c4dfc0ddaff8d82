"""Where nobody gets to through the gateway: itself, its pages, and a cloud's own services.

With ``passthrough`` mitmproxy connects wherever a client wants. A listener of this process trusts
who comes from this machine, and the services that a cloud has at special addresses trust the whole
machine. So what counts is the address that is dialled, whatever the name or the spelling it came
from.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from urllib.parse import urlsplit

from llm_gateway.config import Config, ConfigError, Problem

type Listener = tuple[str, int]
"""Where something of ours listens: an address, or a name, and the port."""
type Address = ipaddress.IPv4Address | ipaddress.IPv6Address

CLOUD = (
    *map(ipaddress.ip_network, ("169.254.0.0/16", "fe80::/10")),  # link-local: all clouds
    ipaddress.ip_network("fd00:ec2::/32"),  # AWS over IPv6
    ipaddress.ip_network("fd20:ce::/32"),  # Google over IPv6
    ipaddress.ip_network("100.100.100.200/32"),  # Alibaba
    ipaddress.ip_network("168.63.129.16/32"),  # Azure
    ipaddress.ip_network("192.0.0.192/32"),  # Oracle
)
"""Addresses of the services by which a machine in a cloud gets its credentials."""

_COMPATIBLE = ipaddress.ip_network("::/96")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOOPBACK = (ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv6Address("::1"))


class Fence:
    """Says which addresses are out of bounds."""

    def __init__(self, listeners: Callable[[], Iterable[Listener]]) -> None:
        """``listeners`` are those of this process, as they are now."""
        self._listeners = listeners

    def refusal(self, host: str, port: int) -> str | None:
        """Why this IP address may not be dialled; None if it may. What is no address is refused."""
        try:
            address = _plain(ipaddress.ip_address(host.partition("%")[0]))
        except ValueError:
            return "it is no IP address"
        if any(address in network for network in CLOUD):
            return "it belongs to the services of a cloud"
        if any(_reaches(address, port, each) for each in self._listeners()):
            return "it is the gateway itself"
        return None

    def check(self, config: Config) -> None:
        """Raises ConfigError where a provider's address is seen to be the gateway's own.

        No name server is asked. What leads back in another way ends at the first request that
        comes in with the mark that requests to providers go out with.
        """
        problems = [
            Problem(
                config.source,
                0,
                f"providers.{provider.name}",
                "expected the address of a provider, found the gateway's own",
            )
            for provider in config.providers.values()
            if self._is_own(provider.base_url)
            or (provider.oauth is not None and self._is_own(provider.oauth.url))
        ]
        if problems:
            raise ConfigError(problems)

    def _is_own(self, url: str) -> bool:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return any(
            _reaches(address, port, listener)
            for address in _seen(parts.hostname or "")
            for listener in self._listeners()
        )


def _seen(host: str) -> Iterable[Address]:
    if f".{host.removesuffix('.')}".endswith(".localhost"):
        return _LOOPBACK
    try:
        return (_plain(ipaddress.ip_address(host)),)
    except ValueError:
        return ()


def _plain(address: Address) -> Address:
    """The IPv4 address that an IPv6 address only wraps (RFC 4291, 6052, 3056), or the address."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    wrapped = address.ipv4_mapped or address.sixtofour
    if address in _LOOPBACK or address.is_unspecified:
        return address
    if wrapped is None and (address in _NAT64 or address in _COMPATIBLE):
        wrapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return wrapped or address


def _reaches(address: Address, port: int, listener: Listener) -> bool:
    """Whether a connection to the address and port ends at the listener."""
    host, listens_at = listener
    if port != listens_at:
        return False
    try:
        bound = _plain(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        return _is_of_this_machine(address)
    if bound.is_unspecified or address.is_unspecified:
        return _is_of_this_machine(address)
    # A loopback listener is reached by its one address, though all of 127.0.0.0/8 is this machine.
    return address == bound


def _is_of_this_machine(address: Address) -> bool:
    if address.is_loopback or address.is_unspecified:
        return True
    is_old = isinstance(address, ipaddress.IPv4Address)
    family = socket.AF_INET if is_old else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            # Only an address that this machine has can be bound.
            probe.bind((str(address), 0))
    except OSError:
        return False
    return True
