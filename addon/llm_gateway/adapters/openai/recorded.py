"""Answers that the gateway itself gave once: OpenAI's format, already tidy.

What they say of a failure was meant for the client, so it is told as it stands, and not read as a
provider's words are.
"""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from llm_gateway.adapters import failures
from llm_gateway.adapters.contract import Adapter, Call, ImageAdapter, ImageCall
from llm_gateway.adapters.fields import PASSED, rules
from llm_gateway.adapters.kinds import Kind
from llm_gateway.adapters.openai.chat import OpenAIAdapter
from llm_gateway.adapters.openai.dialects import FIELDS, Dialect
from llm_gateway.adapters.openai.images import Drawing, OpenAIImages
from llm_gateway.adapters.translating import text_in
from llm_gateway.config import ProviderDefaults
from llm_gateway.errors import (
    SERVER_ERROR,
    UpstreamAuthError,
    UpstreamConnectionError,
    UpstreamInvalidResponse,
    UpstreamRecorded,
    UpstreamTimeout,
    UpstreamUnavailable,
)

NAME = "recording"
"""The kind, which no configuration file can name."""

NOT_FOUND = "recording_not_found"
"""The code of a request that was not recorded. With status 404, which no SDK tries again, and
which an application does not take for something that a provider said of the request."""

_TOLD = ("retry-after", "retry-after-ms", "x-should-retry")
_TOLD_PREFIX = "x-ratelimit-"
_STATUSES: Mapping[str | None, int] = {
    each.default_code: each.default_status
    for each in (
        UpstreamAuthError,
        UpstreamConnectionError,
        UpstreamInvalidResponse,
        UpstreamTimeout,
        UpstreamUnavailable,
    )
}
"""Of the codes that are the gateway's own."""


def as_recorded(
    status: int, headers: Mapping[str, str], error: Mapping[str, Any]
) -> UpstreamRecorded:
    """The failure that was told with this error object, and with it when to come again.

    One that was told in a stream has no status of its own; it gets that of the failure it means.
    """
    code = text_in(error, "code") or None
    if status == HTTPStatus.OK:
        status = _STATUSES.get(code) or failures.classify(status, {}, error).status
    told = ((name.lower(), value) for name, value in headers.items())
    return UpstreamRecorded(
        status,
        text_in(error, "message"),
        type=text_in(error, "type") or SERVER_ERROR,
        code=code,
        param=text_in(error, "param") or None,
        headers=tuple(h for h in told if h[0] in _TOLD or h[0].startswith(_TOLD_PREFIX)),
        detail="" if code == NOT_FOUND else f"recorded status {status}",
    )


_DIALECT = Dialect(classify=as_recorded)
_FIELDS = rules(PASSED, ("*",))
_DRAWING = Drawing(_FIELDS, lambda body: None, classify=as_recorded)


def _chat(call: Call) -> Adapter:
    """Whatever name was asked for is asked for here: a name that is not recorded, too."""
    return OpenAIAdapter(replace(call, model=text_in(call.body, "model")), _DIALECT)


def _images(call: ImageCall) -> ImageAdapter:
    return OpenAIImages(replace(call, model=text_in(call.body, "model")), _DRAWING)


KIND = Kind(
    title="Recording",
    reference="",
    keys="",
    defaults=ProviderDefaults(None, lists_models=False, draws=True),
    chat=_chat,
    fields=FIELDS,
    images=_images,
    image_fields=_FIELDS,
)
