"""Which paths exist, what may be done there, and what needs no token."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote

from llm_gateway.errors import RequestError, shown


class Endpoint(enum.Enum):
    """What a route leads to."""

    PING = "ping"
    OPENAPI = "openapi"
    MODELS = "models"
    MODEL = "model"
    CHAT = "chat"
    IMAGES = "images"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint with the method it is for, and the id in the path, if it has one."""

    endpoint: Endpoint
    method: str
    model: str | None = None

    @property
    def methods(self) -> tuple[str, ...]:
        """What may be done here: what can be read can be asked for without its body, too."""
        return ("GET", "HEAD") if self.method == "GET" else (self.method,)

    @property
    def takes_body(self) -> bool:
        """Whether a request here carries a JSON body."""
        return self.method == "POST"


_CHAT = Route(Endpoint.CHAT, "POST")
_IMAGES = Route(Endpoint.IMAGES, "POST")
_MODELS = Route(Endpoint.MODELS, "GET")
_OPEN = {
    "/ping": Route(Endpoint.PING, "GET"),
    "/openapi.json": Route(Endpoint.OPENAPI, "GET"),
}
_ROUTES = {
    **_OPEN,
    "/models": _MODELS,
    "/v1/models": _MODELS,
    "/chat/completions": _CHAT,
    "/v1/chat/completions": _CHAT,
    "/images/generations": _IMAGES,
    "/v1/images/generations": _IMAGES,
    "/image": Route(Endpoint.PICTURE, "POST"),
}
_WHOLE_SERVER = ("OPTIONS", "*")
"""What may be done here at all (RFC 9110 §9.3.7)."""
_METHODS = ("GET", "HEAD", "POST")
_MODEL_PREFIXES = ("/v1/models/", "/models/")


def is_open(path: str) -> bool:
    """Whether a path needs no token."""
    return path.partition("?")[0] in _OPEN


def every() -> Iterator[tuple[str, Route]]:
    """Each path that there is, with its route; ``{model}`` stands for the id of a model."""
    yield from _ROUTES.items()
    for prefix in _MODEL_PREFIXES:
        yield f"{prefix}{{model}}", Route(Endpoint.MODEL, "GET")


def find(method: str, path: str) -> Route:
    """The route of a request. Raises RequestError: 404 unknown path, 405 with ``Allow``."""
    plain = path.partition("?")[0]
    route = _ROUTES.get(plain) or _model_route(plain)
    if route is None:
        if (method, plain) == _WHOLE_SERVER:
            raise _not_allowed(method, plain, _METHODS)
        raise RequestError(404, f"Invalid URL ({shown(method)} {shown(plain)})", code="unknown_url")
    if method not in route.methods:
        raise _not_allowed(method, plain, route.methods)
    return route


def _not_allowed(method: str, path: str, allowed: tuple[str, ...]) -> RequestError:
    return RequestError(
        405,
        f"Not allowed to {shown(method)} on {shown(path)}; use {allowed[0]}.",
        code="method_not_supported",
        headers=(("allow", ", ".join(allowed)),),
    )


def _model_route(path: str) -> Route | None:
    for prefix in _MODEL_PREFIXES:
        if path.startswith(prefix) and len(path) > len(prefix):
            return Route(Endpoint.MODEL, "GET", unquote(path.removeprefix(prefix)))
    return None
