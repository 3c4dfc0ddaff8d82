"""Content blocks of what the client says: text, pictures, documents.

Text of nothing but white space is left out: Anthropic refuses it, and it says nothing.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llm_gateway.adapters.conversation import Media, Part, Text
from llm_gateway.adapters.fields import unsupported

type Block = dict[str, Any]

_PICTURES: Mapping[str, str] = {
    "image/jpeg": "image/jpeg",
    "image/jpg": "image/jpeg",
    "image/png": "image/png",
    "image/gif": "image/gif",
    "image/webp": "image/webp",
}
_PDF = "application/pdf"
_KINDS = "Anthropic takes JPEG, PNG, GIF and WebP pictures, PDF documents and plain text"


def blocks_of(parts: Iterable[Part], where: str) -> list[Block]:
    """The blocks of the message at ``where``.

    Raises UpstreamUnsupported for a kind of file that Anthropic does not take.
    """
    return list(_blocks(parts, where))


def text_block(text: str) -> Block:
    """A block of text."""
    return {"type": "text", "text": text}


def _blocks(parts: Iterable[Part], where: str) -> Iterator[Block]:
    for part in parts:
        if isinstance(part, Media):
            yield {**_media(part, where), **part.extra}
        elif part.text.strip():
            yield {**text_block(part.text), **part.extra}


def texts_of(parts: Iterable[Text], where: str) -> str | list[Block]:
    """Text content: a string where there is no more to say of it, blocks otherwise."""
    blocks = blocks_of(parts, where)
    if not blocks:
        return ""
    plain = len(blocks) == 1 and blocks[0].keys() == {"type", "text"}
    return str(blocks[0]["text"]) if plain else blocks


def _media(media: Media, where: str) -> Block:
    if media.url:
        return {"type": "image", "source": {"type": "url", "url": media.url}}
    picture = _PICTURES.get(media.media_type)
    if picture is not None:
        return {"type": "image", "source": _base64(picture, media.data)}
    if media.media_type == _PDF:
        return _document(_base64(_PDF, media.data), media.name)
    if media.media_type == "text/plain":
        text = media.content.decode("utf-8", "replace")
        return _document({"type": "text", "media_type": "text/plain", "data": text}, media.name)
    raise unsupported(f"{where}.content", f"{_KINDS}, not {media.media_type}")


def _base64(media_type: str, data: str) -> Block:
    return {"type": "base64", "media_type": media_type, "data": data}


def _document(source: Block, title: str) -> Block:
    titled = {"title": title} if title else {}
    return {"type": "document", "source": source, **titled}
