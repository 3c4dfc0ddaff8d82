"""Known secrets, found in a text in whatever form they may have got there, and what looks so."""

import base64
import re
from collections.abc import Iterable, Iterator

from llm_gateway.secret import Secret

SHORTEST_SECRET = 12
"""Shorter keys are no secrets (local servers take ``EMPTY`` or ``ollama``) but words."""

_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=")
_CREDENTIAL = re.compile(
    r"(?i)((?:authorization|api[_-]?key|x-goog-api-key|x-auth-token)\W{1,3}(?:\w+ +)?"
    r"|[?&](?:access_token|key)=|bearer +)[^\s'\"\\&]+"
)
"""Credentials by what is said of them."""
_KEY = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:sk|gsk|xai)-[\w-]{8,}|gsk_\w{8,}|AIza[\w-]{20,}|AKIA[A-Z0-9]{12,})"
    r"|(?<=//)[^/@\s]+(?=@)"
)
"""Keys by the prefixes they are given, and what is before the host of a URL."""
_SIGNS = ("auth", "api", "key", "bearer", "token=", "sk-", "gsk_", "xai-", "aiza", "akia", "//")
"""One of these is in all that the patterns match; to look for them takes a tenth of the time."""


class Known:
    """These secrets, as they are, as they are written in URLs and in JSON, and in base64."""

    def __init__(self, secrets: Iterable[Secret] = ()) -> None:
        known = [each for each in secrets if len(each.reveal()) >= SHORTEST_SECRET]
        # The longest first: one may be the beginning of another.
        known.sort(key=lambda each: len(each.reveal()), reverse=True)
        self._plain = {form: each.masked for each in known for form in each.spellings}
        self._coded = {form: each.masked for each in known for form in in_base64(each.reveal())}

    def hide(self, text: str) -> str:
        """The text with each secret masked; the same object if there are none."""
        for form, masked in self._plain.items():
            if form in text:
                text = text.replace(form, masked)
        for form, masked in self._coded.items():
            if form in text:
                text = _without_runs(text, form, masked)
        return text


def without_credentials(text: str) -> str:
    """The text with everything masked that looks like a credential."""
    lower = text.lower()
    if not any(sign in lower for sign in _SIGNS):
        return text
    return _KEY.sub("***", _CREDENTIAL.sub(r"\1***", text))


def in_base64(secret: str) -> Iterator[str]:
    """What is there of a text in any base64 (RFC 4648 §4, §5) that holds it, wherever it begins."""
    data = secret.encode("utf-8", "surrogatepass")
    for before in range(3):
        coded = base64.b64encode(bytes(before) + data).decode()
        # The first digits depend on what is before the text, the last one on what follows.
        inner = coded[(0, 2, 3)[before] : (before + len(data)) * 8 // 6]
        yield inner
        yield inner.replace("+", "-").replace("/", "_")


def _without_runs(text: str, form: str, masked: str) -> str:
    """Masks all the base64 around the form: its ends hold a letter or two of the secret."""
    parts: list[str] = []
    begin = 0
    while (at := text.find(form, begin)) >= 0:
        start, end = at, at + len(form)
        while start > begin and text[start - 1] in _BASE64:
            start -= 1
        while end < len(text) and text[end] in _BASE64:
            end += 1
        parts += (text[begin:start], masked)
        begin = end
    return "".join((*parts, text[begin:]))
