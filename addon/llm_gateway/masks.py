"""Texts that nobody may see who looks at flows: found by pattern, replaced, and found again.

The configuration names patterns (``gateway.mask``). What they match in a body is shown as
``[masked:9f31c2a4]``, a fingerprint by a key of this process, so that one text can be told from
another and nobody can try out what it was. What is shown never is what is sent, unless somebody has
edited it: then :meth:`Masks.show` puts the texts back, from a bounded store.

A body is taken as what it is. In JSON, alone or in the events of a stream, patterns see the
strings as they read, not as they are escaped, and texts that a stream brings in pieces as a whole.
"""

import hmac
import json
import re
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from secrets import token_bytes
from typing import Any, Final

import orjson

from llm_gateway.known import SHORTEST_SECRET, Known
from llm_gateway.secret import Secret
from llm_gateway.stream_texts import Piece, pieces_of, replace_across

MAX_TEXTS = 10_000
MAX_CHARACTERS = 8 * 1024 * 1024
"""How much is kept to be put back into what was edited or is sent again; the oldest goes first."""
DIGITS = 8

_SIGN: Final = "[masked:"
_PLACEHOLDER = re.compile(r"\[masked:([0-9a-f]{8,64})\]")
_TOKEN = re.compile(
    rf"{_PLACEHOLDER.pattern.replace('(', '(?:')}"
    r'|"([^"\\\n]*(?:\\.[^"\\\n]*)*)("|\\?$)|-?[0-9][0-9.eE+-]*',
    re.MULTILINE,
)
"""A JSON string, which may be cut off, or a number; or a placeholder that stands where no string
does, whose digits are not to be taken for a number (``198e1527``)."""
_JSON_BEGINS = ("{", "[", '"')
_STREAM_BEGINS = ("data:", "event:", "id:", "retry:", ":")
_DATA = "data:"


class Masks:
    """The patterns in force, and what was masked by them."""

    def __init__(self) -> None:
        self._key = token_bytes(32)
        self._secrets: dict[str, bytes] = {}
        """Each way to write one, and the same in bytes."""
        self._reads: dict[str, str] = {}
        self._known = Known()
        self._patterns: tuple[re.Pattern[str], ...] = ()
        self._texts: OrderedDict[str, _Hidden] = OrderedDict()
        """What stands for what: the fingerprint's digits and the text."""
        self._characters = 0

    def adopt(self, patterns: Sequence[re.Pattern[str]], secrets: Iterable[Secret] = ()) -> None:
        """Mask by these from now on. What is masked stays so.

        Tokens and keys among a body's words are masked as well, where they stand in one piece,
        however they are escaped; they are looked for in no time.
        """
        self._patterns = tuple(patterns)
        known = [each for each in secrets if len(each.reveal()) >= SHORTEST_SECRET]
        # The longest first: one may be the beginning of another.
        known.sort(key=lambda each: len(each.reveal()), reverse=True)
        self._reads = {form: read for each in known for form, read in each.spellings.items()}
        self._known = Known(known)
        self._secrets = {form: _encoded(form) for form in self._reads}

    @property
    def active(self) -> bool:
        """Whether there are patterns to look for."""
        return bool(self._patterns)

    def hide(self, body: bytes) -> bytes:
        """A body as it may be seen. Doing it twice is as good as once."""
        for form, raw in self._secrets.items():
            if raw in body:
                body = body.replace(raw, self._placeholder(self._reads[form]).encode())
        return self._hide_matches(body) if self._patterns and body else body

    def hide_text(self, text: str) -> str:
        """A sentence as it may be seen."""
        for form in self._secrets:
            if form in text:
                text = text.replace(form, self._placeholder(self._reads[form]))
        return self._hide_by_patterns(text)

    def hide_secrets(self, text: str) -> str:
        """A text without tokens and keys; the same object if there are none."""
        return self._known.hide(text)

    def hide_values(self, values: dict[str, Any]) -> dict[str, Any]:
        """Plain values with the texts in them as they may be seen."""
        return {name: self._hide_value(each) for name, each in values.items()}

    def show(self, body: bytes) -> bytes:
        """A body with the texts back in their places. An unknown placeholder stays."""
        if not self._texts or _SIGN.encode() not in body:
            return body
        text = _decoded(body)
        if _is_json(text) or _is_stream(text):
            text = _TOKEN.sub(self._show_token, text)
        return _encoded(self._show_text(text))

    def cover(self, body: bytes) -> "Covered":
        """The body, and what of it may be seen."""
        return Covered(self, body, self.hide(body))

    def _hide_matches(self, body: bytes) -> bytes:
        text = _decoded(body)
        if _is_stream(text):
            masked = self._hide_in_stream(text)
        elif _is_json(text):
            masked = _TOKEN.sub(self._hide_token, text)
            if _parsed(masked) is None:
                masked = self.hide_text(masked)
        else:
            masked = self.hide_text(text)
        return body if masked == text else _encoded(masked)

    def _hide_by_patterns(self, text: str) -> str:
        """The same of a text in which no secret can be, or none is any more."""
        for pattern in self._patterns:
            if _SIGN not in text:
                text = pattern.sub(self._hide_match, text)
            else:
                parts = _PLACEHOLDER.split(text)
                # Every second part is the digits of a placeholder.
                text = "".join(
                    f"{_SIGN}{part}]" if number % 2 else pattern.sub(self._hide_match, part)
                    for number, part in enumerate(parts)
                )
        return text

    def _hide_value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.hide_text(value)
        return [self._hide_value(each) for each in value] if isinstance(value, list) else value

    def _hide_token(self, token: re.Match[str]) -> str:
        whole, inner = token[0], token[1]
        # What stands there as it reads has been searched for secrets with the whole body.
        if inner is None:
            changed = self._hide_by_patterns(whole) != whole
            return f'"{self._placeholder(whole, is_number=True)}"' if changed else whole
        text = _unescaped(inner) if "\\" in inner else None
        if text is None:
            return f'"{self._hide_by_patterns(inner)}{token[2]}'
        masked = self.hide_text(text)
        return whole if masked == text else f'"{_escaped(masked)}{token[2]}'

    def _hide_match(self, match: re.Match[str]) -> str:
        return self._placeholder(match[0]) if match[0] else ""

    def _placeholder(self, text: str, *, is_number: bool = False) -> str:
        hidden = _Hidden(text, is_number)
        digest = hmac.digest(self._key, hidden.named, "sha256").hex()
        digits = DIGITS
        while self._texts.get(digest[:digits], hidden) != hidden:
            digits += 1
        name = digest[:digits]
        if name not in self._texts:
            self._characters += len(text)
        self._texts[name] = hidden
        self._texts.move_to_end(name)
        while len(self._texts) > MAX_TEXTS or self._characters > MAX_CHARACTERS:
            _, oldest = self._texts.popitem(last=False)
            self._characters -= len(oldest.text)
        return f"{_SIGN}{name}]"

    def _show_token(self, token: re.Match[str]) -> str:
        inner = token[1]
        if inner is None or _SIGN not in inner:
            return token[0]
        alone = _PLACEHOLDER.fullmatch(inner)
        hidden = self._texts.get(alone[1]) if alone else None
        if hidden is not None and hidden.is_number:
            return hidden.text
        text = _unescaped(inner)
        if text is None:
            return token[0]
        return f'"{_escaped(self._show_text(text))}{token[2]}'

    def _show_text(self, text: str) -> str:
        return _PLACEHOLDER.sub(self._show_match, text)

    def _show_match(self, placeholder: re.Match[str]) -> str:
        hidden = self._texts.get(placeholder[1])
        return placeholder[0] if hidden is None else hidden.text

    def _hide_in_stream(self, text: str) -> str:
        """The events one by one, and what they have only together."""
        lines = [_TOKEN.sub(self._hide_token, line) for line in text.split("\n")]
        events: dict[int, Any] = {}
        found: dict[tuple[object, ...], list[Piece]] = {}
        for number, line in enumerate(lines):
            event = _parsed(line[len(_DATA) :]) if line.startswith(_DATA) else None
            if event is None:
                lines[number] = self.hide_text(line)
                continue
            events[number] = event
            for piece in pieces_of(event, number, ()):
                found.setdefault(piece.path, []).append(piece)
        changed = {line for pieces in found.values() for line in self._hide_in_pieces(pieces)}
        for number in changed:
            end = "\r" * lines[number].endswith("\r")
            lines[number] = f"{_DATA} {orjson.dumps(events[number]).decode()}{end}"
        return "\n".join(lines)

    def _hide_in_pieces(self, pieces: "list[Piece]") -> set[int]:
        """Mask what lies in several pieces of one text; says in which lines."""
        changed: set[int] = set()
        for pattern in self._patterns if len(pieces) > 1 else ():
            changed |= replace_across(pieces, pattern, self._placeholder)
        return changed


@dataclass(frozen=True, slots=True)
class Covered:
    """A body, and what is shown in its place."""

    masks: Masks
    body: bytes
    shown: bytes

    def now(self, content: bytes) -> bytes:
        """The body, after people had the time to change what is shown to ``content``."""
        return self.body if content == self.shown else self.masks.show(content)


@dataclass(frozen=True, slots=True)
class _Hidden:
    """What a placeholder stands for; a number had no quotes."""

    text: str
    is_number: bool

    @property
    def named(self) -> bytes:
        """What tells it from all others."""
        return f"{self.is_number:d}{self.text}".encode("utf-8", "surrogatepass")


NO_MASKS = Masks()
"""Where there is nothing to look for."""


def _parsed(text: str) -> Any:
    try:
        return orjson.loads(text)
    except ValueError:  # what cannot be encoded, too
        return None


def _is_json(text: str) -> bool:
    return text.lstrip()[:1] in _JSON_BEGINS


def _is_stream(text: str) -> bool:
    return text.startswith(_STREAM_BEGINS)


def _unescaped(inner: str) -> str | None:
    """A JSON string without its quotes, as it reads; None if it is none."""
    try:
        text: str = json.loads(f'"{inner}"', strict=False)
    except ValueError:
        return None
    return text


def _escaped(text: str) -> str:
    try:
        text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return json.dumps(text)[1:-1]
    return json.dumps(text, ensure_ascii=False)[1:-1]


def _decoded(body: bytes) -> str:
    return body.decode("utf-8", "surrogateescape")


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
