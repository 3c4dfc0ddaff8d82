"""Pictures by OpenAI's ``POST /images/generations``, and by what others made of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, override

import orjson

from llm_gateway.adapters.contract import ImageAdapter, ImageAdapterFactory, ImageCall, Steps, Whole
from llm_gateway.adapters.failures import error_object
from llm_gateway.adapters.fields import PASSED, Fields, Table, dropped, refused, rules, translated
from llm_gateway.adapters.images import size_of
from llm_gateway.adapters.openai.dialects import Classify
from llm_gateway.adapters.openai.failures import classify
from llm_gateway.adapters.openai.tidy import raise_error_in
from llm_gateway.adapters.translating import objects, parse_object, text_in
from llm_gateway.errors import UpstreamInvalidResponse

FIELDS = (
    "background",
    "complexity",
    "frame_count",
    "frame_duration_ms",
    "model",
    "moderation",
    "n",
    "output_compression",
    "output_format",
    "partial_images",
    "prompt",
    "quality",
    "response_format",
    "safety_identifier",
    "size",
    "stream",
    "style",
    "svg",
    "user",
)
"""OpenAI's fields of a request for pictures."""

_TABLE: Table = {
    **rules(PASSED, (*FIELDS, "*")),
    "model": translated("the provider's name of it"),
    "stream": refused("pictures come whole"),
    "partial_images": dropped("pictures come whole"),
}

_OPENAI_ONLY: Table = {
    **rules(dropped(), ("complexity", "moderation", "safety_identifier")),
    **rules(refused("it draws still pictures"), ("frame_count", "frame_duration_ms")),
    "svg": refused(),
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """One provider's way to draw.

    ``respell`` says the request that is to be sent in the provider's words, and raises RequestError
    for what is malformed. ``classify`` is as in a dialect of chat.
    """

    fields: Table
    respell: Callable[[dict[str, Any]], None]
    path: str = "/images/generations"
    classify: Classify = classify


class OpenAIImages(ImageAdapter):
    """See :class:`~llm_gateway.adapters.contract.ImageAdapter`."""

    def __init__(self, call: ImageCall, drawing: Drawing) -> None:
        super().__init__(call)
        self._drawing = drawing

    @override
    def steps(self) -> Steps[dict[str, Any]]:
        call = self.call
        fields = Fields(self._drawing.fields)
        body = {**fields.sift(call.body), "model": call.model}
        self._drawing.respell(body)
        self.dropped = tuple(fields.dropped)
        path, content = self._drawing.path, orjson.dumps(body)
        [answer] = yield [call.site.request("POST", path, call.label, body=content)]
        return self._read(answer)

    def _read(self, answer: Whole) -> dict[str, Any]:
        if answer.status != HTTPStatus.OK:
            error = error_object(answer.body)
            raise self._drawing.classify(answer.status, answer.headers, error)
        reply = parse_object(answer.body, "The provider's answer")
        raise_error_in(reply, self._drawing.classify)
        pictures = [
            picture
            for picture in objects(reply.get("data"))
            if text_in(picture, "b64_json") or text_in(picture, "url")
        ]
        if not pictures:
            raise UpstreamInvalidResponse("The provider's answer holds no picture.")
        created = reply.get("created")
        dated = created if type(created) is int else self.call.created
        return {**reply, "created": dated, "data": pictures}


_WITHOUT_RESPONSE_FORMAT = ("gpt-image", "chatgpt-image")
"""Models of OpenAI's that always answer with base64, and refuse to be asked for it."""


def _respell_for_openai(body: dict[str, Any]) -> None:
    if str(body["model"]).startswith(_WITHOUT_RESPONSE_FORMAT):
        body.pop("response_format", None)


def _respell_for_together(body: dict[str, Any]) -> None:
    size = size_of(body)
    body.pop("size", None)
    if size is not None:
        body["width"], body["height"] = size
    if body.get("response_format") == "b64_json":
        body["response_format"] = "base64"


def _respell_for_openrouter(body: dict[str, Any]) -> None:
    body.pop("response_format", None)


OPENAI_DRAWING = Drawing(
    {**_TABLE, "response_format": translated("not sent to GPT Image models, which know one only")},
    _respell_for_openai,
)

TOGETHER_DRAWING = Drawing(
    # https://docs.together.ai/reference/post-images-generations
    {
        **_TABLE,
        **_OPENAI_ONLY,
        **rules(dropped(), ("background", "output_compression")),
        **rules(dropped(), ("quality", "style", "user")),
        "size": translated("as width and height"),
        "response_format": translated("b64_json is called base64 there"),
    },
    _respell_for_together,
)

XAI_DRAWING = Drawing(
    # https://docs.x.ai/docs/guides/image-generations: the shape is asked for with aspect_ratio.
    {
        **_TABLE,
        **_OPENAI_ONLY,
        **rules(dropped(), ("background", "output_compression", "output_format")),
        **rules(dropped(), ("size", "style")),
    },
    lambda body: None,
)

OPENROUTER_DRAWING = Drawing(
    # Its own API for pictures, whatever the model. Asked for by chat, models that only draw and
    # models that write as well would each want modalities of their own.
    # https://openrouter.ai/docs/guides/overview/multimodal/image-generation
    {
        **_TABLE,
        **_OPENAI_ONLY,
        **rules(dropped(), ("style", "user")),
        "response_format": translated("it always answers with base64"),
    },
    _respell_for_openrouter,
    path="/images",
)


def draws(drawing: Drawing) -> ImageAdapterFactory:
    """The factory of adapters that draw this way."""
    return partial(OpenAIImages, drawing=drawing)
