"""What the gateway needs of the mitmproxy it runs in: options, modes, and reading of requests."""

from mitmproxy import exceptions, http
from mitmproxy.options import Options
from mitmproxy.proxy import mode_specs

from llm_gateway.api.http import RequestHead

REQUIRED_OPTIONS = {
    # Otherwise reverse mode overwrites Host before any hook, and the virtual host is lost.
    "keep_host_header": True,
    # Otherwise every client connection opens one to the reverse target, needed or not.
    "connection_strategy": "lazy",
}

_OPTION_PREFIX = "ai_"


def set_required_options(options: Options) -> None:
    """Replace mitmproxy's defaults where the gateway cannot work with them."""
    options.update(**{k: v for k, v in REQUIRED_OPTIONS.items() if k in options})


def check_options(options: Options) -> None:
    """Raises OptionsError when a required option or a mode does not allow the gateway to work."""
    for name, value in REQUIRED_OPTIONS.items():
        if name in options and getattr(options, name) != value:
            raise exceptions.OptionsError(
                f"The gateway needs {name}={value}; it was set otherwise."
            )
    for spec in options.mode:
        if not _is_allowed(mode_specs.ProxyMode.parse(spec)):
            raise exceptions.OptionsError(
                f"The gateway does not serve mode {spec!r}: expected reverse:http://…, "
                "reverse:https://… or regular."
            )


def _is_allowed(mode: mode_specs.ProxyMode) -> bool:
    if isinstance(mode, mode_specs.ReverseMode):
        return mode.scheme in {"http", "https"}
    return isinstance(mode, mode_specs.RegularMode)


def mistyped_options(options: Options) -> list[str]:
    """The gateway's options that were set but do not exist. mitmproxy itself ignores them."""
    return sorted(name for name in options.deferred if name.startswith(_OPTION_PREFIX))


def request_head(flow: http.HTTPFlow) -> RequestHead:
    """The request's head as plain values."""
    request = flow.request
    headers = request.headers
    return RequestHead(
        method=request.method,
        path=request.path,
        hosts=_hosts(request),
        authorization=tuple(
            value for name, value in headers.fields if name.lower() == b"authorization"
        ),
        content_type=headers.get("content-type"),
        content_encoding=headers.get("content-encoding"),
        content_length=_content_length(headers.get("content-length")),
    )


def _hosts(request: http.Request) -> tuple[str, ...]:
    """Every host the request names; the same one in ``:authority`` and ``Host`` counts once."""
    fields = request.headers.get_all("host")
    authority = [request.authority] if request.authority else []
    return tuple(fields if authority == fields else authority + fields)


def _content_length(value: str | None) -> int | None:
    return int(value) if value and value.isascii() and value.isdigit() else None
