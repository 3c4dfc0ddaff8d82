"""The `http` section of a provider, and what of it a model may have of its own."""

from dataclasses import replace
from typing import Any

from llm_gateway.config import scalars
from llm_gateway.config.cursor import Cursor, Reader, plain, scalar
from llm_gateway.config.values import Http

_ANSWERS: dict[str, Reader[Any]] = {
    "first_event": scalar(scalars.duration),
    "answer": scalar(scalars.duration),
    "idle": scalar(scalars.duration),
}
_CONNECTIONS: dict[str, Reader[Any]] = {
    "max_connections": plain(scalars.integer_from(1)),
    "max_idle": plain(scalars.integer_from(0)),
    "keepalive": scalar(scalars.duration),
}
_CONNECT: dict[str, Reader[Any]] = {"connect": scalar(scalars.duration)}
_SHARED = "belongs to the http of the provider, whose models share its connections"


def http(cursor: Cursor) -> Http:
    """A provider's section."""
    return Http(**cursor.fields({**_CONNECT, **_ANSWERS, **_CONNECTIONS}))


def model_http(above: Http, cursor: Cursor) -> Http:
    """A model's section: how long its answers may take. The rest is as `above`."""
    elsewhere = dict.fromkeys((*_CONNECT, *_CONNECTIONS), _SHARED)
    return replace(above, **cursor.fields(_ANSWERS, elsewhere=elsewhere))
