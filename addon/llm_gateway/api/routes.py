"""Which paths exist, what may be done there, and what needs no token."""

import enum
from dataclasses import dataclass
from urllib.parse import unquote

from llm_gateway.errors import RequestError, shown


class Endpoint(enum.Enum):
    """What a route leads to."""

    PING = "ping"
    MODELS = "models"
    MODEL = "model"
    CHAT = "chat"
    IMAGES = "images"
    PICTURE = "picture"


@dataclass(frozen=True, slots=True)
class Route:
    """An endpoint with the one method it takes, and the id in the path, if it has one."""

    endpoint: Endpoint
    method: str
    model: str | None = None

    @property
    def takes_body(self) -> bool:
        """Whether a request here carries a JSON body."""
        return self.method == "POST"


_CHAT = Route(Endpoint.CHAT, "POST")
_IMAGES = Route(Endpoint.IMAGES, "POST")
_MODELS = Route(Endpoint.MODELS, "GET")
_PING = "/ping"
_ROUTES = {
    _PING: Route(Endpoint.PING, "GET"),
    "/models": _MODELS,
    "/v1/models": _MODELS,
    "/chat/completions": _CHAT,
    "/v1/chat/completions": _CHAT,
    "/images/generations": _IMAGES,
    "/v1/images/generations": _IMAGES,
    "/image": Route(Endpoint.PICTURE, "POST"),
}
_MODEL_PREFIXES = ("/v1/models/", "/models/")


def is_open(path: str) -> bool:
    """Whether a path needs no token."""
    return path.partition("?")[0] == _PING


def find(method: str, path: str) -> Route:
    """The route of a request. Raises RequestError: 404 unknown path, 405 with ``Allow``."""
    plain = path.partition("?")[0]
    route = _ROUTES.get(plain) or _model_route(plain)
    if route is None:
        raise RequestError(404, f"Invalid URL ({shown(method)} {shown(plain)})", code="unknown_url")
    if method != route.method:
        raise RequestError(
            405,
            f"Not allowed to {shown(method)} on {shown(plain)}; use {route.method}.",
            code="method_not_supported",
            headers=(("allow", route.method),),
        )
    return route


def _model_route(path: str) -> Route | None:
    for prefix in _MODEL_PREFIXES:
        if path.startswith(prefix) and len(path) > len(prefix):
            return Route(Endpoint.MODEL, "GET", unquote(path.removeprefix(prefix)))
    return None
