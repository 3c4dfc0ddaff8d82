"""A string that must not be printed."""

import hashlib
import hmac
from typing import NoReturn, Self, final, override


@final
class Secret:
    """A key or token. Only `reveal` gives the text; every other way out gives `masked`.

    Copies are the object itself. Pickling raises `TypeError`, and so does JSON.
    """

    __slots__ = ("__digest", "__value")

    def __init__(self, value: str) -> None:
        self.__value = value
        # "surrogatepass": a process environment may hold bytes that are not UTF-8.
        self.__digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()

    def reveal(self) -> str:
        """The text itself, for the one place that puts it on the wire or compares it."""
        return self.__value

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
