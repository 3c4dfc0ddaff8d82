"""The whole document, and the answer that it is served with."""

import functools
import hashlib

import orjson

from llm_gateway import __version__
from llm_gateway.api import routes
from llm_gateway.api.openapi import answers, requests
from llm_gateway.api.openapi.headers import HEADERS, Schema
from llm_gateway.api.openapi.operations import OPERATIONS, Responses, without_body
from llm_gateway.api.routes import Route
from llm_gateway.attempt import Reply
from llm_gateway.wire import JSON

VERSION = "3.1.0"

_ABOUT = """\
OpenAI's API in front of any provider. Every error has OpenAI's body with its four keys, and every \
answer names its exchange in `x-request-id`.

A path that is not here is answered 404 `unknown_url`, another method of one that is 405 \
`method_not_supported` with `allow`; without a token both are 401. `HEAD` answers as `GET` does, \
without the body. A body may have fields beyond \
those that are named: they are passed on, translated, or refused by name.

Requests are also bounded in size and time. What is beyond a bound, and is not answered below, \
ends the connection."""


@functools.cache
def document() -> Schema:
    """The OpenAPI document. It is one and the same; do not change it."""
    failed = Responses()
    paths = {path: _item(path, route, failed) for path, route in _in_order()}
    return {
        "openapi": VERSION,
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "llm-gateway",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": _TOKEN},
            "headers": HEADERS,
            "schemas": {**requests.SCHEMAS, **answers.SCHEMAS},
            "responses": failed.components,
        },
    }


_TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token of the gateway's own, in exactly one `Authorization` field.",
}


def _in_order() -> list[tuple[str, Route]]:
    """The routes as they are read best: by importance, and those with a version first."""
    order = [*OPERATIONS]
    return sorted(
        routes.every(),
        key=lambda each: (order.index(each[1].endpoint), not each[0].startswith("/v1/")),
    )


def _item(path: str, route: Route, failed: Responses) -> Schema:
    """A path's operations. Where there are two paths, one has no version, and its name says so."""
    paths = {path for path, _ in routes.every()}
    name = route.endpoint.value + ("_short" if f"/v1{path}" in paths else "")
    item: Schema = {}
    for method in route.methods:
        operation = OPERATIONS[route.endpoint]
        if method == "HEAD":
            operation, name = without_body(operation), f"{name}_head"
        responses = {**operation["responses"], **failed.of(route.endpoint)}
        item[method.lower()] = {**operation, "operationId": name, "responses": responses}
    return item


@functools.cache
def reply() -> Reply:
    """The document as it is served."""
    body = orjson.dumps(document())
    tag = hashlib.sha256(body).hexdigest()[:16]
    return Reply(JSON, body, (("etag", f'"{tag}"'), ("cache-control", "max-age=3600")))
