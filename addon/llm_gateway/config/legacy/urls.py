"""Where ai-proxy's URLs lead: it has the whole endpoint where we have a provider's address.

The URL also says which format is spoken there. Texts may hold `${NAME}`, which stays as it is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from llm_gateway.config.values import ProviderDefaults

GEMINI = "gemini"
GIGACHAT = "gigachat"
CLOUDFLARE = "cloudflare"

_OTHER_FORMATS = {"anthropic", CLOUDFLARE, "echo", GEMINI, GIGACHAT}
"""Kinds that do not speak OpenAI's format, which is what ai-proxy sends to all it does not know."""

_CONTENT = re.compile(r"(.+)/models/([^/:]+):(?:g|streamG)enerateContent")
_GOOGLE = re.compile(r"https://generativelanguage\.googleapis\.com/v[^/]+")
_RUN = re.compile(r"(.+/ai)/run/(.+)")
_COHERE_URL = re.compile(r"https://api\.cohere\.(?:ai|com)/v[12]/chat")
_OPENAI = re.compile(r"(.+)/(?:chat/completions|images/generations)")
_PLACEHOLDER = re.compile(r"\\\{(\w+)\\\}")


@dataclass(frozen=True, slots=True)
class Place:
    """A kind of provider, and the keys of its entry that say where it is.

    No keys stand for the kind's own address. `model` is what the provider calls the model and `key`
    its key, where the URL says it. `note` is what an operator should know of the change.
    """

    kind: str
    address: Mapping[str, str]
    model: str | None = None
    key: str | None = None
    note: str = ""


_GIGACHAT = Place(
    GIGACHAT,
    {},
    note="ai-proxy did not check GigaChat's certificates, here they are checked, and few systems "
    "trust their authority: in a file of our own format, ca_file names it",
)
_COHERE = Place(
    "cohere",
    {},
    note="Cohere's own format is not spoken here: the model is asked at Cohere's address for "
    "OpenAI's format",
)


def locate(provider: str, url: str, kinds: Mapping[str, ProviderDefaults]) -> Place:
    """The place that a model's `url` names; `provider` is what the file calls its provider.

    Raises `ValueError` saying what was expected, never what was found.
    """
    if provider == GIGACHAT:  # there is but one, and ai-proxy does not read its url either
        return _GIGACHAT
    address, _, query = url.partition("?")
    parameters = dict(parse_qsl(query, keep_blank_values=True))
    place = _google(address, parameters, kinds) or _other(provider, address.rstrip("/"), kinds)
    if place is None:
        raise ValueError(
            "a URL that ends in /chat/completions or /images/generations, or one of Gemini's "
            "(…:generateContent) or Cloudflare's (…/ai/run/…)"
        )
    if parameters:
        raise ValueError("a URL without query")
    return place


def upstream_name(provider: str, name: str, place: Place) -> str:
    """What the provider calls the model that clients know as `name`."""
    if place.model is not None:
        return place.model
    model = name.removeprefix(f"{provider}/")
    if provider == CLOUDFLARE and not model.startswith("@"):
        return f"@{model}"
    return model


def _google(
    address: str, parameters: dict[str, str], kinds: Mapping[str, ProviderDefaults]
) -> Place | None:
    """Gemini's own endpoint; takes what it knows out of the query's `parameters`."""
    match = _CONTENT.fullmatch(address)
    if match is None:
        return None
    parameters.pop("alt", None)
    key = parameters.pop("key", None) or None
    base, model = match.groups()
    # Of the versions of Google's API we speak one, which has all of their models.
    own = {} if _GOOGLE.fullmatch(base) else _address(kinds.get(GEMINI), base)
    return Place(GEMINI, own, model, key)


def _other(provider: str, address: str, kinds: Mapping[str, ProviderDefaults]) -> Place | None:
    if match := _RUN.fullmatch(address):
        base, model = match.groups()
        return Place(CLOUDFLARE, _address(kinds.get(CLOUDFLARE), base), unquote(model))
    if _COHERE_URL.fullmatch(address):
        return _COHERE
    if match := _OPENAI.fullmatch(address):
        kind = _openai_kind(provider, match[1], kinds)
        return Place(kind, _address(kinds.get(kind), match[1]))
    return None


def _openai_kind(provider: str, base: str, kinds: Mapping[str, ProviderDefaults]) -> str:
    """The kind that knows what this provider makes of OpenAI's format."""
    if provider == CLOUDFLARE:
        return "cloudflare-openai"
    speakers = {name: kind for name, kind in kinds.items() if name not in _OTHER_FORMATS}
    if provider in speakers:
        return provider
    return next((name for name, kind in speakers.items() if kind.base_url == base), "openai")


def _address(defaults: ProviderDefaults | None, base: str) -> Mapping[str, str]:
    """The kind's settings if `base` is its own address, otherwise the `base_url`."""
    if defaults is not None and defaults.base_url is not None:
        own = _PLACEHOLDER.sub(r"(?P<\1>[^/]+)", re.escape(defaults.base_url))
        if match := re.fullmatch(own, base):
            return match.groupdict()
    return {"base_url": base}
