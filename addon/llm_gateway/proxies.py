"""The proxies on the way to providers, as the environment names them."""

import urllib.request

from yarl import URL

from llm_gateway.config.hosts import is_loopback


def environment_proxy(origin: URL) -> URL | None:
    """The proxy that ``HTTPS_PROXY``, ``HTTP_PROXY``, ``ALL_PROXY`` and ``NO_PROXY`` ask for.

    None for plain HTTP to this machine: a proxy elsewhere cannot reach it, and would read the key.
    """
    if origin.scheme == "http" and is_loopback((origin.host or "").lower()):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(origin.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(origin.authority):
        return None
    return URL(proxy if "://" in proxy else f"http://{proxy}")
