"""Heads of requests as bytes: who is served, and what the others are told."""

import re
from typing import Final

from mitmproxy.http import HTTPFlow
from mitmproxy.test import tflow

from fuzz.oracles import check_error
from fuzz.target import Target
from fuzz.targets.wire import put
from llm_gateway.api import routes
from llm_gateway.api.front_door import FrontDoor
from llm_gateway.api.http import RequestHead
from llm_gateway.api.identity import Identity
from llm_gateway.bridge.heads import HeadBuffer, read_head
from llm_gateway.config import Bounds, ClientToken
from llm_gateway.errors import RequestError
from llm_gateway.host import announces_body, request_head, texts_of_head
from llm_gateway.manner import manner_of
from llm_gateway.secret import Secret

TOKEN: Final = "fuzz-Token_0123456789"
HOSTS: Final = ("ai.localhost", "127.0.0.1", "[::1]", "gw.example")
HASHED: Final = "another-token-abcdef"
CLIENTS: Final = (
    ClientToken.of("plain", Secret(TOKEN)),
    ClientToken("hashed", Secret(HASHED).digest),
)
DOOR: Final = FrontDoor(HOSTS, Identity(CLIENTS), 1000)
BOUNDS: Final = Bounds()
OPEN: Final = {"/ping", "/openapi.json"}
LONGEST_PATIENCE = 1e6
_PORT = re.compile(r":[0-9]{1,5}$")


def enter(data: bytes) -> None:
    """Nobody is served at a host that is not listed, or without exactly the token."""
    flow = flow_of(data)
    if flow is None:
        return
    head = request_head(flow)
    manner = manner_of(flow.request.headers)
    assert manner.patience is None or 0 < manner.patience < LONGEST_PATIENCE
    announces_body(flow.request)
    holds = DOOR.finds_token_in(texts_of_head(flow.request))
    assert holds or TOKEN not in "".join(value.decode("latin-1") for value in head.authorization)
    try:
        ours = DOOR.is_ours(head)
        admission = DOOR.admit(head) if ours else None
    except RequestError as error:
        check_error(error, range(400, 500))
        assert TOKEN not in error.message
        return
    assert ours is is_listed(head)
    if admission is not None:
        whose = None if head.path.partition("?")[0] in OPEN else owner(head)
        assert (admission.client and admission.client.name) == whose
        assert admission.route == routes.find(head.method, head.path)
        assert admission.route.method == head.method


def is_listed(head: RequestHead) -> bool:
    """Whether the one host that is named is one of ours, in whatever spelling; told otherwise."""
    [named] = head.hosts
    bare = _PORT.sub("", named).lower().removesuffix(".")
    if bare.startswith("["):
        return bare in {"[::1]", "[0:0:0:0:0:0:0:1]"} or set(bare) <= set("[]01:.")
    return bare in HOSTS


def owner(head: RequestHead) -> str:
    """Whose the one credential is, taken apart in another way."""
    [field] = head.authorization
    scheme, _, token = field.decode("latin-1").strip(" \t").partition(" ")
    assert scheme.lower() == "bearer"
    return {TOKEN: "plain", HASHED: "hashed"}[token.strip(" ")]


def flow_of(data: bytes) -> HTTPFlow | None:
    """The flow of the request in these bytes; None where there is none, or it is refused."""
    buffer = HeadBuffer()
    put(buffer, data)
    try:
        head = buffer.take_head(BOUNDS)
        return None if head is None else tflow.tflow(req=read_head(head, BOUNDS))
    except RequestError as error:
        check_error(error, range(400, 506))
        return None


def find(data: bytes) -> None:
    """Any method and path leads somewhere, or is refused with 404 or 405."""
    method, _, path = data.decode("utf-8", "surrogateescape").partition(" ")
    try:
        route = routes.find(method, path)
    except RequestError as error:
        check_error(error, range(404, 406))
        assert error.message.isprintable()
        return
    assert route.method == method
    assert route.model is None or route.model


WORDS = (
    *("GET /ping HTTP/1.1", "POST /v1/chat/completions HTTP/1.1", "GET /v1/models/", "HTTP/1.0"),
    *("Host: ", "ai.localhost", "127.0.0.1", "[::1]", ":8080", ".", "@", "http://", "%2e%2e/"),
    *("Authorization: ", "Bearer ", TOKEN, "Basic ", "?api_key=", "Content-Type: ", "charset="),
    *("application/json", "Content-Length: ", "Content-Encoding: ", "identity", "gzip", "Expect: "),
    *("x-stainless-read-timeout: ", "transfer-encoding: chunked", "\r\n", "\u00e9", "0000:"),
)
TARGETS = (
    Target("door", enter, words=WORDS),
    Target("routes", find, words=("GET ", "POST ", "/v1/", "/models/", "%", "%ff", "?", "#", "\0")),
)
