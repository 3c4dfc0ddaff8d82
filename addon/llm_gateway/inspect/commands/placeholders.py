"""Flows without secrets, for exports: in the place of each stands the variable that holds it.

The gateway's own flows have masked credentials, which are of no use to anybody; here they become
``$OPENAI_API_KEY`` and the like. What is not the gateway's may hold anything: whatever a header
says that is named like a credential is replaced as well, and so is each known secret wherever it
stands, bodies included.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mitmproxy import http

from llm_gateway.config import Config, Credential, Provider
from llm_gateway.inspect.masking import is_credential, masked_path
from llm_gateway.inspect.metadata import PROVIDER, is_attempt, is_ours
from llm_gateway.secret import Secret

CLIENT_VARIABLE = "OPENAI_API_KEY"
"""Where OpenAI's SDKs look for what they send, so where a client has its token for the gateway."""
MIN_SECRET = 12
"""Characters; shorter keys are no secrets (local servers take ``EMPTY``) but words of texts."""

_MASKED = re.compile(r"\*\*\*[0-9a-f]{8}")
_SCHEME = re.compile(r"(?i)(?:(?:basic|bearer|digest|token) +)?")
_OF_ANSWERS = frozenset({"set-cookie", "authorization", "proxy-authorization", "cookie"})
"""What an answer may give away; its other fields with ``token`` in their names count tokens."""
_GONE = b"***"


@dataclass(frozen=True, slots=True)
class Placeholder:
    """What a header says, its secret being in a variable."""

    scheme: str
    variable: str

    @property
    def text(self) -> str:
        """``Bearer $OPENAI_API_KEY``."""
        return f"{self.scheme}${self.variable}"


class Placeholders:
    """The variables that stand for the secrets of one configuration."""

    def __init__(self, config: Config, tokens: Iterable[Secret]) -> None:
        """``tokens`` are the clients'."""
        self._providers = config.providers
        known = [(token, CLIENT_VARIABLE) for token in tokens]
        for provider in config.providers.values():
            known += [(each.secret, name) for each, name in _variables(provider)]
        # The longest first: one may be the beginning of another.
        known.sort(key=lambda each: len(each[0].reveal()), reverse=True)
        self._known = [
            (form.encode("utf-8", "surrogateescape"), f"${name}".encode())
            for secret, name in known
            if len(secret.reveal()) >= MIN_SECRET
            for form in secret.spellings
        ]

    def of_header(self, flow: http.HTTPFlow, name: str, value: str) -> Placeholder | None:
        """What stands in place of a field of the flow's request; None where it holds no secret."""
        if not is_credential(name.encode("utf-8", "surrogateescape")) and not _MASKED.search(value):
            return None
        match = _SCHEME.match(value)
        return Placeholder(match[0] if match else "", self._variable(flow, name.lower()))

    def clean(self, text: str) -> str:
        """A text with its known secrets replaced."""
        return self._replaced(text.encode("utf-8", "surrogatepass")).decode(
            "utf-8", "surrogatepass"
        )

    def without_secrets(self, flow: http.HTTPFlow) -> http.HTTPFlow:
        """A copy of the flow to give away."""
        copy: http.HTTPFlow = flow.copy()
        request = copy.request
        request.path = self.clean(masked_path(request.path))
        request.headers = self._headers(copy, request.headers)
        self._clean_body(request)
        if copy.response is not None:
            copy.response.headers = http.Headers(
                (name, _GONE if _is_private(name) else self._replaced(value))
                for name, value in copy.response.headers.fields
            )
            self._clean_body(copy.response)
        return copy

    def _headers(self, flow: http.HTTPFlow, headers: http.Headers) -> http.Headers:
        return http.Headers(
            (name, self._field(flow, name, value)) for name, value in headers.fields
        )

    def _field(self, flow: http.HTTPFlow, name: bytes, value: bytes) -> bytes:
        text = name.decode("latin-1")
        placeholder = self.of_header(flow, text, value.decode("latin-1"))
        if placeholder is None:
            return self._replaced(value)
        if not is_ours(flow) or "cookie" in text.lower():
            return _GONE
        return placeholder.text.encode()

    def _variable(self, flow: http.HTTPFlow, header: str) -> str:
        """A key that is exchanged for a token is not what is sent, so the token has its own."""
        if not is_attempt(flow):
            return CLIENT_VARIABLE
        name = str(flow.metadata.get(PROVIDER))
        provider = self._providers.get(name)
        if provider is not None:
            for credential, variable in _variables(provider):
                if credential.header == header:
                    return f"{_word(name)}_ACCESS_TOKEN" if provider.oauth else variable
        return f"{_word(name)}_API_KEY"

    def _clean_body(self, message: http.Message) -> None:
        content = message.get_content(strict=False)
        if content is None:
            return
        clean = self._replaced(content)
        if clean != content:
            message.content = clean

    def _replaced(self, text: bytes) -> bytes:
        for secret, name in self._known:
            text = text.replace(secret, name)
        return text


def _is_private(name: bytes) -> bool:
    return name.decode("latin-1").lower() in _OF_ANSWERS


def _variables(provider: Provider) -> Iterator[tuple[Credential, str]]:
    """Each credential of a provider, and the variable it is in, or might be in."""
    for number, credential in enumerate(provider.credentials, start=1):
        more = f"_{number}" if number > 1 else ""
        yield credential, credential.variable or f"{_word(provider.name)}_API_KEY{more}"


def _word(name: str) -> str:
    """What a variable for this provider begins with, where no variable is known."""
    word = re.sub(r"[^A-Z0-9]+", "_", name.upper()).strip("_")
    return word if word[:1].isalpha() else f"PROVIDER_{word}"
