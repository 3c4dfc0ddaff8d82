"""Pictures by Workers AI: ``POST /run/{model}``, one picture for each request.

What comes back differs from model to model: the bytes of a picture, or JSON with it in base64. The
models of the FLUX.2 family take a form in place of JSON
(https://developers.cloudflare.com/workers-ai/models/).
"""

import base64
from http import HTTPStatus
from typing import Any, override

import orjson

from llm_gateway.adapters.cloudflare.failures import error_in, failure_in, failure_of
from llm_gateway.adapters.cloudflare.fields import IMAGE_FIELDS
from llm_gateway.adapters.cloudflare.tools import as_text
from llm_gateway.adapters.contract import ImageAdapter, Steps, Whole, in_path
from llm_gateway.adapters.conversation import integer_of
from llm_gateway.adapters.fields import Fate, Fields, dropped
from llm_gateway.adapters.images import (
    check_response_format,
    images_response,
    media_type_of,
    media_type_of_base64,
    size_of,
)
from llm_gateway.adapters.multipart import FormPart, multipart
from llm_gateway.adapters.translating import parse_object
from llm_gateway.errors import UpstreamInvalidResponse
from llm_gateway.wire import JSON, UpstreamRequest

_ACCEPT = f"image/*, {JSON}"
_FORM_MODELS = "flux-2-"
_ONE_SIZE_MODEL = "flux-1-schnell"
_ONE_SIZE_FIELDS = {**IMAGE_FIELDS, "size": dropped()}
_TRANSLATED = frozenset(name for name, rule in IMAGE_FIELDS.items() if rule.fate is Fate.TRANSLATED)
_SEEDS = 2**53
"""From here on not every integer is a number of JSON's (RFC 8259 §6), nor is the one after it."""


class NativeImages(ImageAdapter):
    """See :class:`~llm_gateway.adapters.contract.ImageAdapter`."""

    @override
    def steps(self) -> Steps[dict[str, Any]]:
        wanted = self._wanted()
        seed = integer_of(self.call.body, "seed")
        if seed is not None and abs(seed) >= _SEEDS:
            seed %= _SEEDS
        seeds = [{} if seed is None else {"seed": seed + i} for i in range(self.call.n)]
        answers = yield [self._request({**wanted, **each}) for each in seeds]
        return images_response(self.call.created, map(self._picture, answers))

    def _wanted(self) -> dict[str, Any]:
        """What every picture is to be."""
        fields = Fields(_ONE_SIZE_FIELDS if self._name == _ONE_SIZE_MODEL else IMAGE_FIELDS)
        sent = fields.sift(self.call.body)
        check_response_format(self.call.body)
        self.dropped = tuple(fields.dropped)
        wanted = {
            name: value
            for name, value in sent.items()
            if value is not None and name not in _TRANSLATED
        }
        size = size_of(sent)
        return wanted if size is None else {**wanted, "width": size[0], "height": size[1]}

    @property
    def _name(self) -> str:
        """The model's name without its maker's."""
        return self.call.model.rpartition("/")[2]

    def _request(self, wanted: dict[str, Any]) -> UpstreamRequest:
        if self._name.startswith(_FORM_MODELS):
            parts = [FormPart(name, as_text(value).encode()) for name, value in wanted.items()]
            content_type, body = multipart(parts)
        else:
            content_type, body = JSON, orjson.dumps(wanted)
        return self.call.site.request(
            "POST",
            f"/run/{in_path(self.call.model)}",
            self.call.label,
            body=body,
            content_type=content_type,
            accept=_ACCEPT,
        )

    def _picture(self, answer: Whole) -> str:
        """The picture in an answer, in base64."""
        if answer.status != HTTPStatus.OK:
            raise failure_in(answer.status, answer.headers, answer.body, self.call.created)
        # Not by its content type, which errors may have, too.
        if media_type_of(answer.body):
            return base64.b64encode(answer.body).decode()
        reply = parse_object(answer.body, "The provider's answer")
        error = error_in(reply)
        if error is not None:
            raise failure_of(HTTPStatus.OK, answer.headers, error, self.call.created)
        return _encoded(reply.get("result", reply))


def _encoded(result: object) -> str:
    """The base64 in a result: all of it, or its ``image``, maybe as a ``data:`` URL."""
    image = result.get("image") if isinstance(result, dict) else result
    encoded = "".join(image.rpartition(",")[2].split()) if isinstance(image, str) else ""
    if not encoded or media_type_of_base64(encoded) is None:
        raise UpstreamInvalidResponse("The provider's answer holds no picture.")
    return encoded
