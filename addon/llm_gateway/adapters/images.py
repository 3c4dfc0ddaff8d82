"""Pictures as every provider that draws has them: their types, their shapes, OpenAI's answer."""

import base64
import binascii
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from llm_gateway import faults
from llm_gateway.errors import UpstreamInvalidResponse

_MAGIC: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF.{4}WEBP", re.DOTALL), "image/webp"),
)
MEDIA_TYPES = tuple(media_type for _, media_type in _MAGIC)
"""What a picture may be."""
_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", re.ASCII)
_START = 64
"""Characters of base64 that hold more than the first bytes of any picture that are looked at."""


def media_type_of(content: bytes) -> str | None:
    """The media type of a picture by its first bytes, None if it is no PNG, JPEG, GIF or WebP."""
    return next((kind for magic, kind in _MAGIC if magic.match(content)), None)


def media_type_of_base64(encoded: str) -> str | None:
    """The same for a picture in base64. Raises UpstreamInvalidResponse if it is none."""
    try:
        return media_type_of(base64.b64decode(encoded[:_START], validate=True))
    except (binascii.Error, ValueError) as error:
        raise UpstreamInvalidResponse("The provider's picture is not valid base64.") from error


def data_url(media_type: str, encoded: str) -> str:
    """A ``data:`` URL (RFC 2397) of what is in base64 already."""
    return f"data:{media_type};base64,{encoded}"


def size_of(body: Mapping[str, Any]) -> tuple[int, int] | None:
    """The width and height in pixels that a request asks for, None if it leaves them open.

    Raises RequestError (400) for a ``size`` that is no size.
    """
    size = body.get("size")
    if size is None or faults.string(size, "size") == "auto":
        return None
    match = _SIZE.fullmatch(size)
    if match is None:
        raise faults.invalid_value("size", "'auto' or a width and a height, such as '1536x1024'")
    return int(match[1]), int(match[2])


def check_response_format(body: Mapping[str, Any]) -> None:
    """Raises RequestError (400) for a ``response_format`` that OpenAI does not know.

    Providers give bytes in any case; the address that a client may want is made of them.
    """
    if body.get("response_format") is not None:
        faults.one_of(body["response_format"], ("b64_json", "url"), "response_format")


def nearest_ratio(size: tuple[int, int], ratios: Sequence[str]) -> str:
    """Which of these ratios (``16:9``) comes nearest to the shape of a picture of this size."""
    wanted = math.log(size[0] / size[1])
    return min(ratios, key=lambda ratio: abs(math.log(_value(ratio)) - wanted))


def images_response(
    created: int, pictures: Iterable[str], usage: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """OpenAI's answer with these pictures, which are in base64; it names the format of the first.

    Raises UpstreamInvalidResponse if there is none.
    """
    data = [{"b64_json": encoded} for encoded in pictures if encoded]
    if not data:
        raise UpstreamInvalidResponse("The provider's answer holds no picture.")
    response: dict[str, Any] = {"created": created, "data": data}
    media_type = media_type_of_base64(data[0]["b64_json"])
    if media_type in {"image/png", "image/jpeg", "image/webp"}:
        response["output_format"] = media_type.removeprefix("image/")
    return response if usage is None else {**response, "usage": dict(usage)}


def _value(ratio: str) -> float:
    width, _, height = ratio.partition(":")
    return int(width) / int(height)
