"""Keeping credentials out of flows.

A flow is shown, saved and exported by parts of mitmproxy that know nothing of secrets, so a
client's token is replaced in the flow as soon as it has been checked. What stays is a fingerprint
that tells one token from another.
"""

import re

from mitmproxy import http

from llm_gateway.secret import Secret

_QUERY_TOKEN = re.compile(r"(?i)([?&](?:access_token|api[_-]key|key)=)[^&#]*")
_CREDENTIAL_HEADERS = ("authorization", "proxy-authorization", "x-api-key")


def mask_client_credentials(flow: http.HTTPFlow) -> None:
    """Replace every credential in the request's head by its masked form."""
    headers = flow.request.headers
    for name in _CREDENTIAL_HEADERS:
        values = headers.get_all(name)
        if values:
            headers.set_all(name, [_masked(value) for value in values])
    if "=" in flow.request.path:
        flow.request.path = _QUERY_TOKEN.sub(r"\1***", flow.request.path)


def _masked(value: str) -> str:
    scheme, separator, credential = value.partition(" ")
    if not separator:
        scheme, credential = "", value
    masked = Secret(credential.strip()).masked
    return f"{scheme} {masked}" if scheme else masked
