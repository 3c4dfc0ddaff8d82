"""Hosts and addresses: what `virtual_hosts` and `base_url` may hold.

Functions raise `ValueError` saying what was expected, never what they got. A host is a name of
ASCII labels (RFC 1123, and `_`, which container networks use) or an IP literal (RFC 3986 §3.2.2).
"""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
# A last label of digits alone would make `127.1` a name, which resolvers take for an address.
_NAME = re.compile(rf"(?:{_LABEL}\.)*(?![0-9]+$){_LABEL}")
_MAX_NAME = 253
_URL = re.compile(r"[!-~]+")
_LOOPBACK_V4 = ipaddress.ip_network("127.0.0.0/8")
_LOOPBACK_V6 = ipaddress.IPv6Address("::1")


def virtual_host(text: str) -> str:
    """The host in lower case, one trailing dot stripped, an IPv6 address short and in brackets."""
    host = text.lower().removesuffix(".")
    literal = _ip(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    if isinstance(literal, ipaddress.IPv6Address):
        return f"[{literal.compressed}]"
    if isinstance(literal, ipaddress.IPv4Address) and host == str(literal):
        return host
    if _is_name(host):
        return host
    raise ValueError("a host name or an IP address, without scheme and port")


def base_url(text: str, *, keyed: bool = True) -> str:
    """An absolute `https` URL, or `http` to this machine, without a trailing slash.

    Where no key is to be kept (`keyed` false), `http` may lead to any host. Scheme and host
    come back in lower case.
    """
    if not _URL.fullmatch(text) or "\\" in text:
        raise ValueError("an absolute http or https URL in ASCII without spaces")
    url, port = _split(text)
    if "@" in url.netloc:
        raise ValueError("a URL without user name and password")
    if "?" in text or "#" in text:
        raise ValueError("a URL without query and fragment")
    host = _url_host(url)
    if url.scheme == "http" and keyed and not is_loopback(host):
        raise ValueError(
            "an https URL (http: for this machine, without a key, or with insecure: true)"
        )
    return f"{url.scheme}://{host}{port}{url.path.rstrip('/')}"


def is_loopback(host: str) -> bool:
    """Whether `host` (lower case, IPv6 with or without brackets) can only be this machine.

    `localhost` and the names under it (RFC 6761 §6.3), 127.0.0.0/8 and ::1.
    """
    literal = _ip(host.strip("[]"))
    if isinstance(literal, ipaddress.IPv4Address):
        return literal in _LOOPBACK_V4
    if isinstance(literal, ipaddress.IPv6Address):
        return literal == _LOOPBACK_V6
    return f".{host.removesuffix('.')}".endswith(".localhost")


def _split(text: str) -> tuple[SplitResult, str]:
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise ValueError("an absolute http or https URL with a valid host and port") from None
    if url.scheme not in {"http", "https"} or not url.netloc:
        raise ValueError("an absolute http or https URL")
    if port == 0 or (port is None and url.netloc.endswith(":")):
        raise ValueError("an absolute http or https URL with a valid host and port")
    return url, "" if port is None else f":{port}"


def _url_host(url: SplitResult) -> str:
    host = url.hostname or ""
    try:
        return virtual_host(f"[{host}]" if ":" in host else host)
    except ValueError:
        raise ValueError("an absolute http or https URL with a valid host and port") from None


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if "%" in text:  # a zone (RFC 4007) means something on one link of one machine only
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _is_name(host: str) -> bool:
    return len(host) <= _MAX_NAME and _NAME.fullmatch(host) is not None
