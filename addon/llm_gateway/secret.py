"""A string that must not be printed."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import NoReturn, Self, final, override
from urllib.parse import quote

_HEXADECIMAL = re.compile(r"%..|\\u....")
_NEEDLESS = str.maketrans({sign: f"\\u{ord(sign):04X}" for sign in "+&'<>`"})
"""What some writers of JSON escape although they need not, .NET's above all."""


@final
class Secret:
    """A key or token. Only `reveal` gives the text; every other way out gives `masked`.

    Copies are the object itself. Pickling raises `TypeError`, and so does JSON.
    """

    __slots__ = ("__digest", "__spellings", "__value")

    def __init__(self, value: str) -> None:
        self.__value = value
        self.__spellings: Mapping[str, str] | None = None
        # "surrogatepass": a process environment may hold bytes that are not UTF-8.
        self.__digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()

    def reveal(self) -> str:
        """The text itself, for the one place that puts it on the wire or compares it."""
        return self.__value

    @property
    def spellings(self) -> Mapping[str, str]:
        """The text as it may be written, the longest first: itself, in a URL, and in JSON, where
        ``/`` and ``+`` may be escaped. To each, what it reads as there; of JSON that is the text.

        Most keys look the same everywhere.
        """
        if self.__spellings is None:
            self.__spellings = _spellings(self.__value)
        return self.__spellings

    @property
    def digest(self) -> bytes:
        """The SHA-256 of the text in UTF-8."""
        return self.__digest

    @property
    def masked(self) -> str:
        """`***` and the fingerprint: the first 8 hex digits of the text's SHA-256."""
        return f"***{self.__digest.hex()[:8]}"

    @override
    def __repr__(self) -> str:
        return f"Secret({self.masked})"

    @override
    def __str__(self) -> str:
        return self.masked

    @override
    def __format__(self, spec: str) -> str:
        return format(self.masked, spec)

    @override
    def __eq__(self, other: object) -> bool:
        """Equal texts. Takes the same time whatever the texts and their lengths."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__digest, other.__digest)

    @override
    def __hash__(self) -> int:
        return hash(self.__digest)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    @override
    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")

    @override
    def __getstate__(self) -> NoReturn:
        raise TypeError("a Secret cannot be pickled")


def _spellings(text: str) -> Mapping[str, str]:
    in_urls = [quote(text, safe, errors="surrogatepass") for safe in ("", "/")]
    in_json = [json.dumps(text, ensure_ascii=False)[1:-1]]
    in_json += [each.translate(_NEEDLESS) for each in in_json]
    in_json += [each.replace("/", "\\/") for each in in_json]
    found = {each: each for each in (text, *in_urls)}
    for each in in_json:
        found.setdefault(each, text)
    for each, reads in [*found.items()]:
        lower = _HEXADECIMAL.sub(lambda digits: digits[0].lower(), each)
        found.setdefault(lower, lower if reads == each else reads)
    return {each: found[each] for each in sorted(found, key=len, reverse=True)}
