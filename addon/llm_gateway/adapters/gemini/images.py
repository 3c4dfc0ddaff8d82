"""Pictures: models that draw answer ``generateContent`` with them, one picture to a request.

Source: https://ai.google.dev/gemini-api/docs/image-generation
"""

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, override

import orjson

from llm_gateway.adapters.contract import ImageAdapter, Steps, Whole, in_path
from llm_gateway.adapters.failures import MAX_MESSAGE, error_object, redact
from llm_gateway.adapters.fields import Fields, unsupported
from llm_gateway.adapters.gemini.failures import failure_of, raise_error_in
from llm_gateway.adapters.gemini.families import bare_name
from llm_gateway.adapters.gemini.fields import IMAGE_FIELDS
from llm_gateway.adapters.gemini.reply import FINISH_REASONS, blocked, withheld
from llm_gateway.adapters.images import (
    check_response_format,
    images_response,
    nearest_ratio,
    size_of,
)
from llm_gateway.adapters.translating import (
    count_in,
    object_in,
    objects,
    parse_object,
    text_in,
)
from llm_gateway.errors import UpstreamInvalidResponse, UpstreamRejected
from llm_gateway.wire import UpstreamRequest

RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
_SIZES = ((4096, "4K"), (2048, "2K"))
"""By the longer side in pixels, from which on it is so. Below is the default, which is 1K."""


class GeminiImageAdapter(ImageAdapter):
    """See :class:`~llm_gateway.adapters.contract.ImageAdapter`."""

    @override
    def steps(self) -> Steps[dict[str, Any]]:
        request = self._request()
        answers = yield [request] * self.call.n
        replies = [self._reply(answer) for answer in answers]
        pictures = [picture for reply in replies for picture in _pictures(reply)[:1]]
        if not pictures:
            raise _refusal(replies[0])
        return images_response(self.call.created, pictures, _usage(replies))

    def _request(self) -> UpstreamRequest:
        call, fields = self.call, Fields(IMAGE_FIELDS)
        model = bare_name(call.model)
        if model.startswith("imagen-"):
            raise unsupported("model", "Google has shut Imagen down; its Gemini models draw")
        body = fields.sift(call.body)
        check_response_format(call.body)
        self.dropped = tuple(fields.dropped)
        config: dict[str, Any] = {"responseModalities": ["TEXT", "IMAGE"]}
        if image := _image_config(body):
            config["imageConfig"] = image
        content = {
            "contents": [{"role": "user", "parts": [{"text": call.prompt}]}],
            "generationConfig": config,
        }
        path = f"/models/{in_path(model)}:generateContent"
        return call.site.request("POST", path, call.label, body=orjson.dumps(content))

    def _reply(self, answer: Whole) -> dict[str, Any]:
        now = self.call.created
        if answer.status != HTTPStatus.OK:
            raise failure_of(answer.status, answer.headers, error_object(answer.body), now)
        reply = parse_object(answer.body, "The provider's answer")
        raise_error_in(reply, now)
        return reply


def _image_config(body: Mapping[str, Any]) -> dict[str, str]:
    size = size_of(body)
    if size is None:
        return {}
    config = {"aspectRatio": nearest_ratio(size, RATIOS)}
    large = next((name for pixels, name in _SIZES if max(size) >= pixels), None)
    return config if large is None else {**config, "imageSize": large}


def _parts(reply: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    """The parts that are the answer; while it thinks, a model may draw drafts."""
    for candidate in objects(reply.get("candidates")):
        for part in objects(object_in(candidate, "content").get("parts")):
            if part.get("thought") is not True:
                yield part


def _pictures(reply: Mapping[str, Any]) -> list[str]:
    data = (object_in(part, "inlineData") for part in _parts(reply))
    return [
        text_in(each, "data")
        for each in data
        if text_in(each, "mimeType").startswith("image/") and text_in(each, "data")
    ]


def _refusal(reply: Mapping[str, Any]) -> UpstreamRejected | UpstreamInvalidResponse:
    """Why there is no picture, in the model's own words where it said something."""
    said = "".join(text_in(part, "text") for part in _parts(reply)).strip()
    reasons = (_filtered(candidate) for candidate in objects(reply.get("candidates")))
    filtered = blocked(reply) or next(filter(None, reasons), "")
    if not said and not filtered:
        return UpstreamInvalidResponse("The provider's answer holds no picture.")
    return UpstreamRejected(
        redact(said)[:MAX_MESSAGE] or filtered,
        code="content_policy_violation" if filtered else None,
        param="prompt",
    )


def _filtered(candidate: Mapping[str, Any]) -> str:
    reason = text_in(candidate, "finishReason")
    return withheld(candidate) if FINISH_REASONS.get(reason) == "content_filter" else ""


def _usage(replies: Iterable[Mapping[str, Any]]) -> dict[str, Any] | None:
    """OpenAI's usage of pictures, of all the replies together; None if they tell nothing."""
    counted = [object_in(reply, "usageMetadata") for reply in replies]
    prompts = [each for usage in counted for each in objects(usage.get("promptTokensDetails"))]
    input_tokens = sum(count_in(usage, "promptTokenCount") for usage in counted)
    output_tokens = sum(
        count_in(usage, "candidatesTokenCount") + count_in(usage, "thoughtsTokenCount")
        for usage in counted
    )
    pictures = (each for each in prompts if text_in(each, "modality") == "IMAGE")
    images = sum(count_in(each, "tokenCount") for each in pictures)
    if not any(counted):
        return None
    return {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        "input_tokens_details": {
            "text_tokens": max(0, input_tokens - images),
            "image_tokens": images,
        },
    }
