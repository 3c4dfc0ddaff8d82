"""JSON that may be broken or cut off: what can be read of it, and where it ends."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from llm_gateway.inspect.views.text import counted, grouped, size
from llm_gateway.nesting import MAX_DEPTH, too_deep

LOOKED_AT = 300_000
"""Bytes of a body that is no JSON: mending is slower than parsing."""
MAX_VALUES = 100_000
"""Values in one another that are laid out: a tenth of a second's work and more, which nobody in the
same process gets done meanwhile."""
_SHOWN_OF_MANY = 100_000
"""Bytes of a body with more of them."""
_UNPARSED = 20
"""So many times as many brackets and commas are not even parsed."""

_SPACE = re.compile(r"\s*")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_LITERAL = re.compile(r"(?:-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])")
_BEGUN = re.compile(r'"(?:[^"\\]|\\(?:[^u]|u[0-9a-fA-F]{4}))*+', re.DOTALL)
"""Of a string that is cut: without an escape of which there is only a part."""
_HALF = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}$")
"""At its end: the first of two escapes that are one character."""
_CLOSERS = {"{": "}", "[": "]"}
_WORDS = ("true", "false", "null")
_DIGITS = re.compile(r"-?[\d.eE+-]{0,40}")
_CONTROL = re.compile(r"[\x00-\x1f]")
"""JSON has none of them inside its strings, and what somebody wrote by hand may."""


@dataclass(frozen=True, slots=True)
class Reading:
    """``value`` is what could be read, None where that is nothing; ``trouble`` a sentence, where
    the body is no JSON. ``is_part``: there are too many values, and these are the first.
    """

    value: Any = None
    trouble: str = ""
    is_part: bool = False


def read_json(body: bytes, most: int = MAX_VALUES) -> Reading:
    """What a body says. Never raises; what follows the first break is not looked at.

    Of a body with more than ``most`` values only the beginning is read.
    """
    signs = sum(map(body.count, (b",", b"{", b"[")))
    if signs > _UNPARSED * most:
        return _first_of_many(body, most)
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if not body.strip():
            return Reading(trouble="The body is empty.")
        return _mended(body, error.msg)
    if too_deep(body, value):
        return _mended(body, "nested too deep")
    many = signs > most and _has_more(value, most)
    return _first_of_many(body, most) if many else Reading(value)


def _has_more(value: object, most: int) -> bool:
    """Whether there are more than so many values in this one."""
    outer, count = [value], 0
    while outer:
        each = outer.pop()
        inner = each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
        count += len(inner)
        if count > most:
            return True
        outer += [value for value in inner if isinstance(value, dict | list)]
    return False


def _first_of_many(body: bytes, most: int) -> Reading:
    trouble = (
        f"This is JSON with more than {grouped(most)} values: too many to lay out. Read are those "
        f"of its first {size(_SHOWN_OF_MANY)}."
    )
    return Reading(_mended(body[:_SHOWN_OF_MANY], "").value, trouble, is_part=True)


def _mended(body: bytes, reason: str) -> Reading:
    text = body[:LOOKED_AT].decode("utf-8", "replace")
    scan = _Scan(text)
    scan.run()
    value = _first_that_parses(scan.cut, scan.safe)
    if scan.at < len(text):
        at = grouped(len(text[: scan.at].encode()))
        near = text[scan.at : scan.at + 20]
        trouble = f"The JSON is broken at byte {at} of {grouped(len(body))}, before {near!r}."
    elif len(body) > LOOKED_AT:
        trouble = f"This is no JSON: {reason}. Its first {size(LOOKED_AT)} are shown."
    elif scan.complete:
        trouble = f"This is no JSON: {reason}."
    else:
        trouble = f"The JSON breaks off: it is not complete after {counted(len(body), 'byte')}."
    return Reading(value, trouble)


def _first_that_parses(*texts: str) -> Any:
    for text in filter(None, texts):
        for candidate in (text, _CONTROL.sub(" ", text)):
            try:
                return orjson.loads(candidate)
            except orjson.JSONDecodeError:
                continue
    return None


@dataclass(slots=True)
class _Scan:
    """Reads tokens as long as they make sense. ``at`` is where it stopped."""

    text: str
    at: int = 0
    cut: str = ""
    """Where it stopped inside a string: everything up to there, closed."""
    _open: list[str] = field(default_factory=list)
    """The brackets that are open."""
    _wants: str = "value"
    _fresh: bool = False
    """Whether the innermost bracket has just been opened."""
    _mark: tuple[int, tuple[str, ...]] = (0, ())
    """The end of the last complete value, and what was open there."""

    def run(self) -> None:
        """Read to the end, or to the first token that makes no sense."""
        takers = {
            "value": self._value,
            "key": self._key,
            "colon": self._colon,
            "comma": self._comma,
        }
        while self._skip_space() < len(self.text) and takers[self._wants](self.text[self.at]):
            pass

    @property
    def complete(self) -> bool:
        """Whether it read a whole value."""
        return self.at == self._mark[0] and not self._open

    @property
    def safe(self) -> str:
        """Everything up to the last complete value, closed."""
        end, brackets = self._mark
        return _closed(self.text[:end], brackets)

    def _skip_space(self) -> int:
        space = _SPACE.match(self.text, self.at)
        self.at = space.end() if space else self.at
        return self.at

    def _value(self, sign: str) -> bool:
        if sign in _CLOSERS:
            self._open.append(sign)
            self._fresh = True
            return len(self._open) <= MAX_DEPTH and self._go(1, "key" if sign == "{" else "value")
        if sign == "]" and self._fresh:
            return self._close(sign)
        return self._string() if sign == '"' else self._literal()

    def _key(self, sign: str) -> bool:
        if sign == "}" and self._fresh:
            return self._close(sign)
        string = _STRING.match(self.text, self.at)
        if string is None and sign == '"':
            self.at = len(self.text)
        return string is not None and self._go(len(string[0]), "colon")

    def _colon(self, sign: str) -> bool:
        self._fresh = False
        return sign == ":" and self._go(1, "value")

    def _comma(self, sign: str) -> bool:
        if sign != "," or not self._open:
            return self._close(sign)
        self._fresh = False
        return self._go(1, "key" if self._open[-1] == "{" else "value")

    def _close(self, sign: str) -> bool:
        if not self._open or _CLOSERS[self._open[-1]] != sign:
            return False
        self._open.pop()
        return self._complete(1)

    def _string(self) -> bool:
        string = _STRING.match(self.text, self.at)
        if string is not None:
            return self._complete(len(string[0]))
        begun = _BEGUN.match(self.text, self.at)
        kept = _HALF.sub("", begun[0] if begun else "")
        self.cut = _closed(f'{self.text[: self.at]}{kept}"', self._open)
        self.at = len(self.text)
        return False

    def _literal(self) -> bool:
        literal = _LITERAL.match(self.text, self.at)
        if literal is not None and (literal.end() < len(self.text) or not self._open):
            return self._complete(len(literal[0]))
        # At the very end it may be a part of one.
        rest = self.text[self.at : self.at + 50]
        if _DIGITS.fullmatch(rest) or any(word.startswith(rest) for word in _WORDS):
            self.at = len(self.text)
        return False

    def _complete(self, length: int) -> bool:
        """A value ends so many characters from here."""
        self._fresh = False
        self._go(length, "comma")
        self._mark = (self.at, tuple(self._open))
        return True

    def _go(self, length: int, wants: str) -> bool:
        self.at += length
        self._wants = wants
        return True


def _closed(text: str, brackets: Sequence[str]) -> str:
    return text + "".join(_CLOSERS[bracket] for bracket in reversed(brackets))
