"""OpenAI's pictures: what it refuses to draw, checked with the SDK's own types, and an answer."""

import base64
from typing import Any

from openai.types import image_generate_params as params
from pydantic import TypeAdapter

from support.openai_rules import Refused
from support.openai_shapes import CREATED, JSONObject
from support.pictures import JPEG, PNG
from support.recording_server import Received, Reply
from support.typed_dicts import first_fault, forbid_extra_keys

forbid_extra_keys("openai.types.image_generate_params")

WHOLE: TypeAdapter[Any] = TypeAdapter(params.ImageGenerateParamsNonStreaming)
MAX_PICTURES = 10
OF_DALL_E_ONLY = ("response_format", "style")
NOT_OF_DALL_E = ("background", "moderation", "output_compression", "output_format")
USAGE = {
    "input_tokens": 9,
    "output_tokens": 272,
    "total_tokens": 281,
    "input_tokens_details": {"text_tokens": 9, "image_tokens": 0},
}


def check_images_request(body: object) -> JSONObject:
    """Return `body` when OpenAI would draw it; raises Refused when not."""
    if not isinstance(body, dict):
        raise Refused(400, "We could not parse the JSON body of your request: expected an object.")
    if not isinstance(body.get("model"), str):
        raise Refused(400, "you must provide a model parameter")
    fault = first_fault(WHOLE, body)
    if fault is not None:
        where = ".".join(map(str, fault["loc"]))
        if fault["type"] == "extra_forbidden":
            raise _unknown(where)
        raise Refused(400, f"Invalid value for '{where}': {fault['msg']}", param=where)
    if not 1 <= (1 if body.get("n") is None else body["n"]) <= MAX_PICTURES:
        raise Refused(400, "Invalid 'n': expected a value from 1 to 10.", param="n")
    _check_model(body)
    return body


def _unknown(where: str) -> Refused:
    text = f"Unknown parameter: '{where}'."
    return Refused(400, text, param=where, code="unknown_parameter")


def _check_model(body: JSONObject) -> None:
    """Raises Refused for what the model does not take."""
    if body["model"] == "dall-e-3" and body.get("n") not in (None, 1):
        raise Refused(400, "You must provide n=1 for this model.", param="n")
    for name in NOT_OF_DALL_E if body["model"].startswith("dall-e") else OF_DALL_E_ONLY:
        if name in body:
            raise _unknown(name)


async def draw(received: Received, reply: Reply) -> None:
    """Answer with the smallest pictures there are, in the form that the model has."""
    body: JSONObject = received.json
    count = body.get("n") or 1
    if body["model"].startswith("dall-e"):
        await reply.json(200, {"created": CREATED, "data": [_legacy(body)] * count})
        return
    kind = body.get("output_format") or "png"
    picture = {"b64_json": base64.b64encode(JPEG if kind == "jpeg" else PNG).decode()}
    answer = {
        "created": CREATED,
        "background": body.get("background") or "opaque",
        "data": [picture] * count,
        "output_format": kind,
        "quality": "low",
        "size": "1024x1024",
        "usage": USAGE,
    }
    await reply.json(200, answer)


def _legacy(body: JSONObject) -> JSONObject:
    revised = f"A picture of {body['prompt']}"
    if body.get("response_format") == "b64_json":
        return {"b64_json": base64.b64encode(PNG).decode(), "revised_prompt": revised}
    return {"url": "https://pictures.invalid/1.png", "revised_prompt": revised}
