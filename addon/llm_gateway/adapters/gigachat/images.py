"""Pictures: GigaChat draws in a chat, and gives the picture as a file.

Source: https://developers.sber.ru/docs/ru/gigachat/guides/images-generation. The answer holds
``<img src="…" fuse="true"/>``, and the file with that id is the picture, a JPEG.
"""

import base64
import re
from http import HTTPStatus
from typing import Any, override

import orjson

from llm_gateway.adapters.answers import FinishReason
from llm_gateway.adapters.contract import ImageAdapter, Steps, Whole
from llm_gateway.adapters.failures import MAX_MESSAGE, redact
from llm_gateway.adapters.fields import Fields
from llm_gateway.adapters.gigachat.client import client_headers
from llm_gateway.adapters.gigachat.failures import successful, successful_object
from llm_gateway.adapters.gigachat.fields import IMAGE_FIELDS
from llm_gateway.adapters.gigachat.reply import finish_of
from llm_gateway.adapters.images import check_response_format, images_response, media_type_of
from llm_gateway.adapters.translating import object_in, objects, text_in
from llm_gateway.errors import Retry, UpstreamError, UpstreamInvalidResponse, UpstreamRejected
from llm_gateway.wire import UpstreamRequest

ARTIST = "Ты — художник. Отвечай рисунками."
"""What the system message says: without it, some orders are answered with words."""

ORDER = "Нарисуй: {prompt}"

JPEG = "application/jpg"
"""What a picture's content is asked for as."""

_PICTURE = re.compile(r"""<img\b[^<>]*?\ssrc=(["'])([A-Za-z0-9-]{1,64})\1""", re.IGNORECASE)


class GigaChatImages(ImageAdapter):
    """See :class:`~llm_gateway.adapters.contract.ImageAdapter`.

    Where some of several orders are refused, the pictures that were drawn are the answer.
    """

    @override
    def steps(self) -> Steps[dict[str, Any]]:
        fields = Fields(IMAGE_FIELDS)
        fields.sift(self.call.body)
        check_response_format(self.call.body)
        self.dropped = tuple(fields.dropped)
        chats = yield [self._order()] * self.call.n
        drawn = [_Drawn(chat) for chat in chats]
        ids = [id for each in drawn for id in each.ids][: self.call.n]
        if not ids:
            raise drawn[0].refusal()
        files = yield [self._file(id) for id in ids]
        return images_response(self.call.created, [_encoded(file) for file in files])

    def _order(self) -> UpstreamRequest:
        call = self.call
        body = {
            "model": call.model,
            "messages": [
                {"role": "system", "content": ARTIST},
                {"role": "user", "content": ORDER.format(prompt=call.prompt)},
            ],
            # Or else it calls nothing, not even what it draws with.
            "function_call": "auto",
        }
        return call.site.request(
            "POST",
            "/chat/completions",
            call.label,
            body=orjson.dumps(body),
            headers=client_headers(call.body),
        )

    def _file(self, id: str) -> UpstreamRequest:
        """The content of a picture; whose id is fit for a path is seen to where it is read."""
        call = self.call
        return call.site.request(
            "GET",
            f"/files/{id}/content",
            call.label,
            accept=JPEG,
            headers=client_headers(call.body),
        )


class _Drawn:
    """What came of one order: the ids of pictures, or words. Raises UpstreamError."""

    def __init__(self, chat: Whole) -> None:
        reply = successful_object(chat, "The provider's answer")
        choices = objects(reply.get("choices"))
        if not choices:
            raise UpstreamInvalidResponse("The provider's answer holds no choices.")
        self._finish: FinishReason | None = finish_of(choices[0])
        self._words = text_in(object_in(choices[0], "message"), "content")
        self.ids = [found[2] for found in _PICTURE.finditer(self._words)]

    def refusal(self) -> UpstreamError:
        """For an answer without a picture, which says in words why there is none."""
        blocked = self._finish == "content_filter"
        return UpstreamRejected(
            redact(self._words.strip())[:MAX_MESSAGE] or "The provider drew no picture.",
            code="content_policy_violation" if blocked else "no_picture",
            retry=Retry.NEVER if blocked else Retry.ELSEWHERE,
        )


def _encoded(file: Whole) -> str:
    if file.status == HTTPStatus.NOT_FOUND:
        raise UpstreamInvalidResponse("The provider does not have the picture that it drew.")
    content = successful(file)
    if media_type_of(content) is None:
        raise UpstreamInvalidResponse("What the provider sent is no picture.")
    return base64.b64encode(content).decode()
