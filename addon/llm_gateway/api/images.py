"""Pictures: OpenAI's ``/v1/images/generations``, and ``/image``, which answers the picture itself.

``/image`` takes ``{"model", "prompt"}`` (``inputs`` in place of ``prompt`` will do), needs no model
(``""`` and ``"all"`` stand for the first that draws), and answers bytes with their content type.
"""

import base64
from typing import Any

import orjson

from llm_gateway import faults
from llm_gateway.adapters.images import media_type_of
from llm_gateway.api import fields
from llm_gateway.api.body import parse_object
from llm_gateway.attempt import Reply
from llm_gateway.config import Bounds
from llm_gateway.dispatch import ImageRequest
from llm_gateway.errors import UpstreamInvalidResponse
from llm_gateway.wire import JSON

MAX_PICTURES = 10
_ANY = (None, "", "all")
_SETTINGS = {"n": fields.integer(1, MAX_PICTURES)}


def parse_images(body: bytes, bounds: Bounds = Bounds()) -> ImageRequest:
    """The request in the body of ``/images/generations``. Raises RequestError (400)."""
    request = parse_object(body, bounds)
    faults.filled(faults.required(request, "prompt"), "prompt")
    fields.check(request, _SETTINGS)
    model = request.get("model")
    name = None if model is None else faults.filled(model, "model")
    return ImageRequest(request, name, len(body))


def parse_picture(body: bytes, bounds: Bounds = Bounds()) -> ImageRequest:
    """The request in the body of ``/image``. Raises RequestError (400)."""
    request = parse_object(body, bounds)
    rest = {k: v for k, v in request.items() if k not in {"inputs", "n", "response_format"}}
    if not request.get("prompt") and "inputs" in request:
        rest["prompt"] = faults.filled(request["inputs"], "inputs")
    faults.filled(faults.required(rest, "prompt"), "prompt")
    model = request.get("model")
    if model not in _ANY:
        faults.string(model, "model")
    name = None if model in _ANY else model
    return ImageRequest({**rest, "response_format": "b64_json"}, name, len(body))


def images_reply(request: ImageRequest, response: dict[str, Any]) -> Reply:
    """The response in the form that was asked for: bytes as ``data:`` URLs where it was ``url``."""
    if request.body.get("response_format") == "url":
        data = [_as_url(picture) for picture in response["data"]]
        response = {**response, "data": data}
    return Reply(JSON, orjson.dumps(response))


def picture_reply(response: dict[str, Any]) -> Reply:
    """The first picture itself. Raises UpstreamInvalidResponse where there are no bytes."""
    content = _content(response["data"][0])
    media_type = media_type_of(content)
    if media_type is None:
        raise UpstreamInvalidResponse("What the provider sent is no picture.")
    return Reply(media_type, content)


def _as_url(picture: dict[str, Any]) -> dict[str, Any]:
    encoded = picture.get("b64_json")
    if picture.get("url") or not isinstance(encoded, str):
        return picture
    media_type = media_type_of(_content(picture)) or "application/octet-stream"
    rest = {k: v for k, v in picture.items() if k != "b64_json"}
    return {**rest, "url": f"data:{media_type};base64,{encoded}"}


def _content(picture: dict[str, Any]) -> bytes:
    encoded = picture.get("b64_json")
    if not isinstance(encoded, str):
        raise UpstreamInvalidResponse("The provider sent the address of a picture, and no picture.")
    try:
        return base64.b64decode(encoded, validate=True)
    except ValueError as error:
        raise UpstreamInvalidResponse("The provider's picture is not valid base64.") from error
