"""Keeping credentials out of flows.

A flow is shown, saved and exported by parts of mitmproxy that know nothing of secrets, so a
client's token is replaced in the flow as soon as it has been checked. What stays is a fingerprint
that tells one token from another.
"""

import logging
import re
from urllib.parse import unquote_plus

from mitmproxy import http

from llm_gateway.api.front_door import QUERY_TOKENS
from llm_gateway.secret import Secret

logger = logging.getLogger(__name__)

_CREDENTIAL_HEADER = re.compile(
    rb"auth(?!or$|ority$)|cookie|secret|token|password|api-?key", re.IGNORECASE
)
"""Every SDK and every gateway has a header of its own for this."""
_SCHEME = re.compile(rb"(?i)\s*(basic|bearer|digest|token)\s+")


def mask_client_credentials(flow: http.HTTPFlow) -> None:
    """Replace every credential in the request's head by its masked form."""
    headers = flow.request.headers
    headers.fields = tuple(
        (name, _masked(value) if is_credential(name) else value) for name, value in headers.fields
    )
    path = flow.request.path
    if "?" in path:
        flow.request.path = masked_path(path)


def is_credential(header: bytes) -> bool:
    """Whether a request's field of this name may hold a credential."""
    return _CREDENTIAL_HEADER.search(header) is not None


def masked_path(path: str) -> str:
    """The path with every credential in its query replaced."""
    path, question, query = path.partition("?")
    return path + question + "&".join(_masked_parameter(part) for part in query.split("&"))


def hide_credentials(flow: http.HTTPFlow) -> None:
    """The same where something has gone wrong: rather lose the head than show a credential."""
    try:
        mask_client_credentials(flow)
    except Exception:
        logger.exception("Masking failed; the request's fields and query are dropped.")
        flow.request.headers.clear()
        flow.request.path = flow.request.path.partition("?")[0]


def _masked(value: bytes) -> bytes:
    """Only a known scheme stays in front: whatever else stands there may be the credential."""
    match = _SCHEME.match(value)
    scheme = match[1] + b" " if match else b""
    credential = value[match.end() if match else 0 :].strip()
    return scheme + Secret(credential.decode("utf-8", "surrogateescape")).masked.encode()


def _masked_parameter(parameter: str) -> str:
    name, _, _ = parameter.partition("=")
    return f"{name}=***" if unquote_plus(name).lower() in QUERY_TOKENS else parameter
