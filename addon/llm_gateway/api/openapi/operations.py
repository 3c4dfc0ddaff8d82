"""One operation of the document for each endpoint: what it takes, and what it answers."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from llm_gateway.adapters.images import MEDIA_TYPES
from llm_gateway.api.openapi import headers
from llm_gateway.api.openapi.answers import STREAM
from llm_gateway.api.openapi.failures import FAILURES, Failure, Scope, failures_of
from llm_gateway.api.openapi.headers import Schema
from llm_gateway.api.routes import Endpoint
from llm_gateway.wire import EVENT_STREAM, JSON

_CALL_HEADERS = (*headers.ROUTE, *headers.RATE_LIMITS)


def _schema(name: str) -> Schema:
    return {"schema": {"$ref": f"#/components/schemas/{name}"}}


def _operation(
    summary: str,
    description: str,
    content: Schema,
    *,
    body: str | None = None,
    fields: Sequence[str] = (),
    **more: Any,
) -> Schema:
    """``body`` names the schema of the request, ``fields`` the headers of a good answer."""
    asked = {"required": True, "content": {JSON: _schema(body)}} if body else None
    answer = {
        "description": "The answer.",
        "headers": headers.references(headers.REQUEST_ID, *fields),
        "content": content,
    }
    return {
        "summary": summary,
        "description": description,
        **({"requestBody": asked} if asked else {}),
        **more,
        "responses": {"200": answer},
    }


_MODEL_ID = {
    "name": "model",
    "in": "path",
    "required": True,
    "description": "Its name; a slash in it may stand as it is, or as `%2F`.",
    "schema": {"type": "string", "minLength": 1},
}

OPERATIONS: dict[Endpoint, Schema] = {
    Endpoint.CHAT: _operation(
        "Chat completion",
        "OpenAI's chat completions, streamed or whole. Providers that speak OpenAI's format get "
        "the body with `model` replaced; for the others it is translated. What becomes of each "
        "field: docs/providers.md.",
        {JSON: _schema("ChatCompletion"), EVENT_STREAM: {"schema": STREAM}},
        body="ChatCompletionRequest",
        fields=(*_CALL_HEADERS, "cache-control"),
    ),
    Endpoint.IMAGES: _operation(
        "Pictures",
        "OpenAI's picture generation, for models with the capability `image`.",
        {JSON: _schema("Images")},
        body="ImagesRequest",
        fields=_CALL_HEADERS,
    ),
    Endpoint.PICTURE: _operation(
        "One picture",
        "Answered with the picture itself and its content type.",
        {media_type: {} for media_type in MEDIA_TYPES},
        body="PictureRequest",
        fields=_CALL_HEADERS,
    ),
    Endpoint.MODELS: _operation(
        "Models",
        "The models that are on, the aliases, and the size classes.",
        {JSON: _schema("Models")},
    ),
    Endpoint.MODEL: _operation(
        "One model",
        "Whatever can be asked for by name has an entry.",
        {JSON: _schema("Model")},
        parameters=[_MODEL_ID],
    ),
    Endpoint.PING: _operation(
        "Whether it is there",
        "It wants no token.",
        {"text/plain; charset=utf-8": {"schema": {"const": "OK"}}},
        security=[],
    ),
    Endpoint.OPENAPI: _operation(
        "This document",
        "It wants no token, and says nothing of the configuration.",
        {JSON: {"schema": {"type": "object", "required": ["openapi", "info", "paths"]}}},
        fields=headers.CACHING,
        security=[],
    ),
}


def without_body(operation: Schema) -> Schema:
    """The same for HEAD, whose good answer has headers alone."""
    answer = {k: v for k, v in operation["responses"]["200"].items() if k != "content"}
    return {**operation, "responses": {"200": answer}}


class Responses:
    """The failures' responses, which operations that have the same ones share."""

    def __init__(self) -> None:
        self.components: dict[str, Schema] = {}
        self._names: dict[tuple[Failure, ...], str] = {}
        for failure in FAILURES:
            if failure.scope is Scope.NOWHERE:
                self._refer([failure], "nowhere")

    def of(self, endpoint: Endpoint) -> dict[str, Schema]:
        """References by status, for an operation."""
        return {
            status: {"$ref": f"#/components/responses/{self._refer(failures, endpoint.value)}"}
            for status, failures in failures_of(endpoint).items()
        }

    def _refer(self, failures: Sequence[Failure], group: str) -> str:
        key = tuple(failures)
        if key not in self._names:
            self._names[key] = f"{group}-{failures[0].status}"
            self.components[self._names[key]] = _failed(failures)
        return self._names[key]


def _failed(failures: Sequence[Failure]) -> Schema:
    status = failures[0].status
    lines = [f"- `{'null' if f.code is None else f.code}`: {f.when}" for f in failures]
    return {
        "description": f"{_phrase(status)}. By `code`:\n" + "\n".join(lines),
        "headers": headers.references(headers.REQUEST_ID, *_fields(failures)),
        "content": {JSON: _schema("Error")},
        "x-codes": [failure.code for failure in failures],
    }


def _phrase(status: str) -> str:
    known = {"4XX": "Refused by the provider", "5XX": "Failed at the provider"}
    return known.get(status) or HTTPStatus(int(status)).phrase


def _fields(failures: Sequence[Failure]) -> tuple[str, ...]:
    """The headers of a failure, beside the request's id."""
    status = failures[0].status
    scopes = {failure.scope for failure in failures}
    fields: tuple[str, ...] = ()
    if Scope.CLIENTS in scopes and status in {"400", "401"}:
        fields += (headers.CHALLENGE,)
    if status == "405":
        fields += (headers.ALLOW,)
    if Scope.CALLS in scopes:
        fields += (*_CALL_HEADERS, *headers.RETRY)
    elif status in {"429", "503"}:
        fields += headers.RETRY
    return fields
