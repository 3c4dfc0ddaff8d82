"""Whose token it is that a request came with.

Tokens are compared as SHA-256 digests of bytes, in constant time and with all that there are: how
long it takes says nothing of how near a guess was, nor of who it was.
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Iterable

from llm_gateway.config import ClientToken

type Learn = Callable[[ClientToken, str], None]
"""Hears of the text of a token that is known by its digest alone, each time that it is used."""

SHORTEST_HASHED = 16
"""Nobody's token should be shorter (the configuration warns of it), and to hash every short word of
a text takes long."""

_RUN = re.compile(rb"[A-Za-z0-9._~+/-]{%d,}=*" % SHORTEST_HASHED)
"""RFC 6750 §2.1: what may be a token."""
_WORD = re.compile(rb"[A-Za-z0-9_-]{%d,}" % SHORTEST_HASHED)
"""The same without what stands between the parts of addresses and names."""


def forget(_token: ClientToken, _text: str) -> None:
    """Where nobody needs to know."""


class Identity:
    """The clients' tokens of one configuration."""

    def __init__(self, tokens: Iterable[ClientToken], learn: Learn = forget) -> None:
        self.tokens = tuple(tokens)
        self._learn = learn
        self._digests = {each.digest for each in self.tokens if each.secret is None}
        self._known = [
            each.secret.reveal().encode() for each in self.tokens if each.secret is not None
        ]
        # However a text is cut into pieces of this length, one lies wholly within a token there.
        self._piece = (min(map(len, self._known), default=0) + 1) // 2
        self._pieces = {
            known[at : at + self._piece]
            for known in self._known
            for at in range(len(known) - self._piece + 1)
        }

    def of(self, token: bytes) -> ClientToken | None:
        """Whose token this is."""
        found = self._find(token)
        if found is not None and found.secret is None:
            self._learn(found, token.decode("ascii"))
        return found

    def is_in(self, texts: Iterable[bytes]) -> bool:
        """Whether a token stands anywhere in these.

        One that is known by its digest alone is found where something that is no part of a token
        stands around it, or one of ``./~+=``, unless it holds one of these itself; and if it has
        ``SHORTEST_HASHED`` characters, not counting ``=``. It takes milliseconds for 64 KiB,
        whatever they are.
        """
        # Each once: most of what is decoded is what it was.
        return any(self._holds_known(text) or self._holds_hashed(text) for text in {*texts})

    def _holds_known(self, text: bytes) -> bool:
        # To search at once would take the longer, the more of a token's beginning there is. By
        # pieces a guess has to have half of the shortest token right before anything is to be seen.
        step = self._piece
        if not step:
            return False
        pieces = (text[at : at + step] for at in range(0, len(text), step))
        return not self._pieces.isdisjoint(pieces) and any(known in text for known in self._known)

    def _holds_hashed(self, text: bytes) -> bool:
        if not self._digests or len(text) < SHORTEST_HASHED:
            return False
        return not self._digests.isdisjoint(map(_digest, _candidates(text)))

    def _find(self, token: bytes) -> ClientToken | None:
        digest = _digest(token)
        matches = [each for each in self.tokens if hmac.compare_digest(digest, each.digest)]
        return matches[0] if matches else None


def _candidates(text: bytes) -> set[bytes]:
    runs = _RUN.findall(text)
    return {*runs, *(run.rstrip(b"=") for run in runs), *_WORD.findall(text)}


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
