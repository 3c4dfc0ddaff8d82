"""What holds of every answer and request, whatever it was made of."""

import math
import re
from urllib.parse import unquote, urlsplit

import orjson

from llm_gateway.adapters.contract import Site
from llm_gateway.errors import GatewayError
from llm_gateway.wire import UpstreamRequest

_FIELD = re.compile(r"[a-z0-9-]+")
_KEYS = {"message", "type", "param", "code"}
_LONGEST_MESSAGE = 4000


def check_error(error: GatewayError, *statuses: range) -> None:
    """OpenAI's four keys, a status in one of these ranges, and headers that are headers."""
    assert any(error.status in each for each in statuses or (range(400, 600),)), error.status
    told = orjson.loads(error.body())["error"]
    assert told.keys() == _KEYS
    assert isinstance(told["message"], str)
    assert told["message"]
    assert len(told["message"]) <= _LONGEST_MESSAGE, len(told["message"])
    assert isinstance(told["type"], str)
    assert all(told[name] is None or isinstance(told[name], str) for name in ("param", "code"))
    for name, value in error.headers:
        assert _FIELD.fullmatch(name)
        check_field(value)


def check_field(value: str) -> None:
    """A header's value in visible ASCII (RFC 9110 §5.5)."""
    assert value.isascii(), value
    assert value.isprintable(), value


def check_wait(seconds: float | None, longest: float) -> None:
    """A time that can be waited for, or nothing."""
    assert seconds is None or (math.isfinite(seconds) and 0 <= seconds <= longest), seconds


def check_request(request: UpstreamRequest, site: Site) -> None:
    """It goes to the provider and nowhere else, below its base URL, whatever is in it."""
    base, url = urlsplit(site.base_url), urlsplit(request.url)
    assert (url.scheme, url.netloc) == (base.scheme, base.netloc), request.url
    assert url.path.startswith(base.path + "/"), request.url
    assert not {"..", "."} & set(unquote(url.path).split("/")), request.url
    assert not url.fragment
    check_field(request.url)
    assert " " not in request.url
    for name, value in request.headers:
        assert _FIELD.fullmatch(name), name
        check_field(value)
    assert set(site.headers) <= set(request.headers)
