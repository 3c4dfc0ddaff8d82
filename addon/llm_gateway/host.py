"""What the gateway needs of the mitmproxy it runs in: options, modes, and reading of requests."""

import base64
import contextlib
import logging
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import unquote_to_bytes

from mitmproxy import exceptions, http
from mitmproxy.connection import Address
from mitmproxy.options import Options
from mitmproxy.proxy import mode_specs

from llm_gateway.api.http import RequestHead
from llm_gateway.config.hosts import is_loopback
from llm_gateway.fence import Listener

REQUIRED_OPTIONS = {
    # Otherwise reverse mode overwrites Host before any hook, and the virtual host is lost.
    "keep_host_header": True,
    # Otherwise every client connection opens one to the reverse target, needed or not.
    "connection_strategy": "lazy",
    # Otherwise request bodies leave before anybody has read, edited or routed them.
    "stream_large_bodies": None,
    # Otherwise a head whose body may be read in two ways is taken (request smuggling).
    "validate_inbound_headers": True,
    # Otherwise anybody is shown mitmproxy's own page, without a token, under the name of mitm.it.
    "onboarding": False,
}

_OPTION_PREFIX = "ai_"

logger = logging.getLogger(__name__)


def set_required_options(options: Options) -> None:
    """Replace mitmproxy's options where the gateway cannot work with them."""
    for name, value in REQUIRED_OPTIONS.items():
        if name not in options or getattr(options, name) == value:
            continue
        if options.has_changed(name):
            logger.warning("%s is set to %s, which the gateway needs.", name, value)
        options.update(**{name: value})


def guard_options(options: Options) -> None:
    """From now on have a change that the gateway cannot work with refused before it is made.

    Subscribers are asked before any addon: mitmproxy's own would open the listeners of a mode that
    is refused only after it.
    """
    names = [name for name in ("mode", *REQUIRED_OPTIONS) if name in options]
    options.subscribe(_check_change, names)


def _check_change(options: Options, _updated: set[str]) -> None:
    check_options(options)


def check_options(options: Options) -> None:
    """Raises OptionsError when a required option or a mode does not allow the gateway to work."""
    for name, value in REQUIRED_OPTIONS.items():
        if name in options and getattr(options, name) != value:
            raise exceptions.OptionsError(
                f"The gateway needs {name}={value}; it was set otherwise."
            )
    for spec in options.mode:
        if not is_allowed_mode(_mode(spec)):
            raise exceptions.OptionsError(
                f"The gateway does not serve mode {spec!r}: expected reverse:http://…, "
                "reverse:https://… or regular."
            )


def _mode(spec: str) -> mode_specs.ProxyMode:
    try:
        return mode_specs.ProxyMode.parse(spec)
    except ValueError as error:
        raise exceptions.OptionsError(
            f"Invalid proxy mode specification: {spec} ({error})"
        ) from None


def is_allowed_mode(mode: mode_specs.ProxyMode) -> bool:
    """Whether the gateway serves it: the others lead anywhere without asking."""
    if isinstance(mode, mode_specs.ReverseMode):
        return mode.scheme in {"http", "https"}
    return isinstance(mode, mode_specs.RegularMode)


def own_listeners(listening: Iterable[Address], options: Options) -> list[Listener]:
    """Where this process listens: mitmproxy's ports, and mitmweb's page where there is one."""
    own = [(str(address[0]), int(address[1])) for address in listening]
    if "web_port" in options:
        own.append((options.web_host, options.web_port))
    return own


def exposures(options: Options) -> Iterator[str]:
    """What is set so that more people than one see more than they should, in words."""
    if "web_host" not in options or is_loopback(options.web_host.lower()):
        return
    password: str = options.web_password
    hash_it = "" if password.startswith("$argon2") else ", which should be an argon2 hash"
    yield (
        f"mitmweb's page, with every prompt and answer, is open to other machines at "
        f"{options.web_host}: all that keeps them out is web_password{hash_it}."
    )


def is_quiet(options: Options) -> bool:
    """Whether nothing but errors is shown, as with ``-q``."""
    return "termlog_verbosity" in options and options.termlog_verbosity == "error"


def own_options(options: Options) -> list[str]:
    """The gateway's options."""
    return sorted(name for name, _ in options.items() if name.startswith(_OPTION_PREFIX))


def mistyped_options(options: Options) -> list[str]:
    """The gateway's options that were set but do not exist. mitmproxy itself ignores them."""
    return sorted(name for name in options.deferred if name.startswith(_OPTION_PREFIX))


def http_url(address: Address) -> str:
    """A listening address as a URL; what listens everywhere is shown on this machine."""
    return f"http://{_host_name(address)}:{address[1]}"


def base_url(address: Address, virtual_hosts: Sequence[str]) -> str:
    """A listening address as a URL under which it is answered: by a virtual host's name."""
    name = _host_name(address)
    return f"http://{name if name in virtual_hosts else virtual_hosts[0]}:{address[1]}"


def _host_name(address: Address) -> str:
    name = address[0]
    name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(name, name)  # noqa: S104 - only compared
    return f"[{name}]" if ":" in name else name


def request_head(flow: http.HTTPFlow) -> RequestHead:
    """The request's head as plain values."""
    request = flow.request
    headers = request.headers
    return RequestHead(
        method=request.method,
        path=request.path,
        hosts=_hosts(flow),
        authorization=tuple(
            value for name, value in headers.fields if name.lower() == b"authorization"
        ),
        content_type=headers.get("content-type"),
        content_encoding=headers.get("content-encoding"),
        content_length=_content_length(headers.get("content-length")),
        expect=headers.get("expect"),
    )


def announces_body(request: http.Request) -> bool:
    """Whether the head says that a body follows; HTTP/2 need not say so."""
    headers = request.headers
    return (
        "transfer-encoding" in headers
        or headers.get("content-length", "0") != "0"
        or (request.is_http2 and request.method not in {"GET", "HEAD", "OPTIONS"})
    )


def texts_of_head(request: http.Request) -> Iterator[bytes]:
    """Everything in the head that could hold a credential, plain and decoded."""
    path = request.data.path
    yield from (path, unquote_to_bytes(path))
    for name, value in request.headers.fields:
        yield from (name, value, unquote_to_bytes(value))
        for word in value.split():
            with contextlib.suppress(ValueError):
                yield base64.b64decode(word, validate=True)


def _hosts(flow: http.HTTPFlow) -> tuple[str, ...]:
    """Every host the request names, one that is named twice in the same way once.

    They stand in ``Host``, in ``:authority`` or an absolute target, and for a client that takes us
    for its proxy in the address it asked that proxy for.
    """
    request = flow.request
    fields = request.headers.get_all("host")
    # Not request.authority: that would turn xn--… into other letters.
    authority = request.data.authority.decode("utf-8", "surrogateescape")
    named = [authority] if authority and [authority] != fields else []
    if isinstance(flow.client_conn.proxy_mode, mode_specs.RegularMode):
        asked = request.host.lower()
        if fields and request.pretty_host.lower() != asked:
            named.append(asked)
    return (*named, *fields)


def _content_length(value: str | None) -> int | None:
    return int(value) if value and value.isascii() and value.isdigit() else None
