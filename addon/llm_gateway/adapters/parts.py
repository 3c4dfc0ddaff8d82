"""The content of messages: pieces of text, pictures, sounds and documents, read and checked.

In OpenAI's format content is a string, or a list of parts with a ``type`` each.
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from llm_gateway import faults
from llm_gateway.adapters.fields import Fields

_PLACE = "messages[].content[]"
_DATA_URL = re.compile(
    r"data:(?P<type>[\w.+-]{1,127}/[\w.+-]{1,127})(?:;[^,;]{1,255}){0,16};base64,",
    re.ASCII | re.IGNORECASE,
)
"""Bounded (a media type's parts by RFC 6838 §4.2): each repetition costs memory to go back to."""
_HTTPS = re.compile(r"https?://", re.IGNORECASE)
_FORMAT = re.compile(r"[\w.+-]+", re.ASCII)
_AUDIO_TYPES = {"mp3": "audio/mpeg"}
"""The sound formats whose media type is not ``audio/`` and their name."""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of text. ``extra`` holds further keys that the table lets pass."""

    text: str
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Media:
    """A picture, a sound or a document: its bytes in base64 and their type, or an address.

    ``data`` is valid base64 without line breaks. Exactly one of ``data`` and ``url`` is set.
    ``detail`` is a picture's, if given; ``name`` a document's file name.
    """

    media_type: str
    data: str = ""
    url: str = ""
    detail: str = ""
    name: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        """The bytes themselves."""
        return base64.b64decode(self.data)


type Part = Text | Media


def joined(parts: Sequence[Text], separator: str = "") -> str:
    """The texts of some parts in one."""
    return separator.join(part.text for part in parts)


def read_texts(
    content: object, where: str, fields: Fields, *, refusals: bool = False
) -> list[Text]:
    """Content that can only be text; with ``refusals``, what the model refused with is text, too.

    Raises RequestError for what is malformed, UpstreamUnsupported for what the table refuses.
    """
    kinds = _OF_THE_MODEL if refusals else _TEXTS
    return [part for part in _read(content, where, fields, kinds) if isinstance(part, Text)]


def read_parts(content: object, where: str, fields: Fields) -> list[Part]:
    """Content of any sort. Raises as :func:`read_texts` does."""
    return list(_read(content, where, fields, _OF_THE_USER))


type _Reader = Callable[[object, str, Fields, Mapping[str, Any]], Part | None]


def _read(
    content: object, where: str, fields: Fields, kinds: Mapping[str, _Reader]
) -> Iterator[Part]:
    if isinstance(content, str):
        yield Text(content)
        return
    if not isinstance(content, list):
        raise faults.invalid_type(where, "a string or an array of objects", content)
    for index, value in enumerate(content):
        place = f"{where}[{index}]"
        part = faults.mapping(value, place)
        kind = faults.one_of(faults.required(part, "type", f"{place}.type"), kinds, f"{place}.type")
        extra = fields.further(part, {"type", kind}, place, _PLACE)
        place = f"{place}.{kind}"
        read = kinds[kind](faults.required(part, kind, place), place, fields, extra)
        if read is not None:
            yield read


def _text(value: object, where: str, _fields: Fields, extra: Mapping[str, Any]) -> Text:
    return Text(faults.string(value, where), extra)


def _image(value: object, where: str, fields: Fields, extra: Mapping[str, Any]) -> Media | None:
    image = faults.mapping(value, where)
    url = faults.string(faults.required(image, "url", f"{where}.url"), f"{where}.url")
    pattern = f"{_PLACE}.image_url"
    extra = {**extra, **fields.further(image, {"url", "detail"}, where, pattern)}
    detail = faults.optional_string(image, "detail", f"{where}.detail")
    if detail and not fields.takes(f"{pattern}.detail", f"{where}.detail", detail):
        detail = ""
    if _HTTPS.match(url):
        media = Media("", url=url, detail=detail, extra=extra)
        return media if fields.takes(f"{pattern} (https:)", f"{where}.url") else None
    media_type, data = _data_url(url, f"{where}.url", "a data: URL in base64, or an https URL")
    media = Media(media_type, data, detail=detail, extra=extra)
    return media if fields.takes(f"{pattern} (data:)", f"{where}.url") else None


def _audio(value: object, where: str, fields: Fields, extra: Mapping[str, Any]) -> Media | None:
    audio = faults.mapping(value, where)
    data = faults.string(faults.required(audio, "data", f"{where}.data"), f"{where}.data")
    kind = faults.string(faults.required(audio, "format", f"{where}.format"), f"{where}.format")
    if not _FORMAT.fullmatch(kind):
        raise faults.invalid_value(f"{where}.format", "the name of a sound format, such as 'wav'")
    if not fields.takes(f"{_PLACE}.input_audio", where):
        return None
    extra = {**extra, **fields.further(audio, {"data", "format"}, where, f"{_PLACE}.input_audio")}
    media_type = _AUDIO_TYPES.get(kind, f"audio/{kind}")
    return Media(media_type, _base64(data, f"{where}.data"), extra=extra)


def _file(value: object, where: str, fields: Fields, extra: Mapping[str, Any]) -> Media | None:
    file = faults.mapping(value, where)
    if not fields.takes(f"{_PLACE}.file", where):
        return None
    if file.get("file_id") is not None or "file_data" not in file:
        raise faults.invalid_value(
            where, "'file_data' with a data: URL (the gateway stores no files)"
        )
    known = {"file_data", "file_id", "filename"}
    extra = {**extra, **fields.further(file, known, where, f"{_PLACE}.file")}
    place = f"{where}.file_data"
    media_type, data = _data_url(
        faults.string(file["file_data"], place), place, "a data: URL in base64"
    )
    name = faults.optional_string(file, "filename", f"{where}.filename")
    return Media(media_type, data, name=name, extra=extra)


_TEXTS: Mapping[str, _Reader] = {"text": _text}
_OF_THE_MODEL: Mapping[str, _Reader] = {"text": _text, "refusal": _text}
_OF_THE_USER: Mapping[str, _Reader] = {
    "text": _text,
    "image_url": _image,
    "input_audio": _audio,
    "file": _file,
}


def _data_url(url: str, where: str, expected: str) -> tuple[str, str]:
    """Media type (lower case) and base64 data of a ``data:`` URL (RFC 2397)."""
    match = _DATA_URL.match(url)
    if match is None:
        raise faults.invalid_value(where, expected)
    return match["type"].lower(), _base64(url[match.end() :], where)


def _base64(text: str, where: str) -> str:
    text = "".join(text.split())
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError:
        data = b""
    if not data:
        raise faults.invalid_value(where, "base64 (RFC 4648 §4) of something")
    return text
