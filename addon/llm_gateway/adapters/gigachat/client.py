"""Who asks: the header by which GigaChat tells its user's clients, and the files of each, apart."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from llm_gateway import faults

CLIENT_ID = "x-client-id"
MAX_USER = 256
_PLAIN = "!#$&'()*+,/:;=?@[]~"
"""What needs no quoting in a header, besides letters and digits."""


def client_headers(body: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The header for the ``user`` of a request, quoted as in a URL; none if it has no user.

    Raises RequestError (400) if it is no string, or one too long for a header.
    """
    user = faults.optional_string(body, "user", "user")
    if len(user) > MAX_USER:
        raise faults.invalid_value("user", f"at most {MAX_USER} characters")
    return ((CLIENT_ID, quote(user, safe=_PLAIN)),) if user else ()
