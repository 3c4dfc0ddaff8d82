"""Pictures in messages: uploaded as files first, then attached by their ids.

Source: https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/post-file, and for the limits
https://developers.sber.ru/docs/ru/gigachat/guides/working-with-files.
"""

from collections.abc import Iterable, Iterator, Mapping

from llm_gateway.adapters.contract import Call, Steps
from llm_gateway.adapters.conversation import Media, Message, UserMessage
from llm_gateway.adapters.fields import unsupported
from llm_gateway.adapters.gigachat.client import client_headers
from llm_gateway.adapters.gigachat.failures import successful_object
from llm_gateway.adapters.multipart import FormPart, multipart
from llm_gateway.adapters.translating import text_in
from llm_gateway.errors import UpstreamInvalidResponse
from llm_gateway.wire import UpstreamRequest

MAX_PICTURES = 10
"""In one request. A message holds one at most."""

MAX_BYTES = 15 * 1024 * 1024

ENDINGS: Mapping[str, str] = {
    "image/jpeg": "jpg",
    "image/jpg": "jpg",
    "image/png": "png",
    "image/tiff": "tiff",
    "image/bmp": "bmp",
}
"""The types that are taken, and how their files' names end."""

type Key = tuple[str, str]
"""A picture's media type and base64: the same picture twice is one file."""


def key_of(picture: Media) -> Key:
    """What tells a picture from others."""
    return picture.media_type, picture.data


def upload(call: Call, messages: Iterable[Message]) -> Steps[dict[Key, str]]:
    """Uploads the pictures in these messages, all at once; the ids of their files.

    Raises UpstreamUnsupported for pictures that are too many, too large or of another type.
    """
    pictures = {key_of(picture): picture for picture in _pictures(messages)}
    if not pictures:
        return {}
    answers = yield [_request(call, picture) for picture in pictures.values()]
    ids: dict[Key, str] = {}
    for key, answer in zip(pictures, answers, strict=True):
        ids[key] = text_in(successful_object(answer, "The provider's answer to a file"), "id")
        if not ids[key]:
            raise UpstreamInvalidResponse("The provider took a file and gave no id for it.")
    return ids


def _pictures(messages: Iterable[Message]) -> Iterator[Media]:
    seen = 0
    for message in messages:
        parts = message.parts if isinstance(message, UserMessage) else ()
        found = [(index, part) for index, part in enumerate(parts) if isinstance(part, Media)]
        for number, (index, picture) in enumerate(found):
            where = f"{message.where}.content[{index}].image_url"
            seen += 1
            if number > 0:
                raise unsupported(where, "a message holds one picture")
            if seen > MAX_PICTURES:
                raise unsupported(where, f"a request holds {MAX_PICTURES} pictures")
            _check(picture, where)
            yield picture


def _check(picture: Media, where: str) -> None:
    if picture.media_type not in ENDINGS:
        raise unsupported(f"{where}.url", "pictures are JPEG, PNG, TIFF or BMP")
    if len(picture.data) * 3 // 4 > MAX_BYTES:
        raise unsupported(f"{where}.url", f"a picture has {MAX_BYTES // 1024**2} MiB at most")


def _request(call: Call, picture: Media) -> UpstreamRequest:
    ending = ENDINGS[picture.media_type]
    kind = "image/jpeg" if ending == "jpg" else picture.media_type
    content_type, body = multipart(
        [
            FormPart("file", picture.content, f"picture.{ending}", kind),
            FormPart("purpose", b"general"),
        ]
    )
    return call.site.request(
        "POST",
        "/files",
        call.label,
        body=body,
        content_type=content_type,
        headers=client_headers(call.body),
    )
