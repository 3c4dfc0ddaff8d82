"""Which models a provider has: ``GET /models``, in the shapes that it comes in."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from http import HTTPStatus
from typing import Any

from llm_gateway.adapters.contract import Listed, ModelsLister, Site, Steps, Whole
from llm_gateway.adapters.failures import error_object
from llm_gateway.adapters.openai.failures import classify
from llm_gateway.adapters.translating import object_in, objects, read_json, text_in
from llm_gateway.config import Capability
from llm_gateway.errors import UpstreamInvalidResponse
from llm_gateway.wire import Label

type Judge = Callable[[Mapping[str, Any]], Capability | None]
"""What a model of a list is for, None if it is for nothing that the gateway serves."""

_DRAWS = re.compile(r"(?:^|/)(?:dall-e|(?:chat)?gpt-image|grok[\w.-]*-image|grok-imagine)")
_SERVES_OTHERS = re.compile(
    r"(?:^|[-_/.:])(?:text-)?(?:babbage|davinci|embed\w*|moderation|realtime|rerank\w*|sora|tts"
    r"|transcribe|whisper)(?:$|[-_/.:])",
    re.IGNORECASE,
)


def list_models(site: Site, label: Label, judge: Judge) -> Steps[tuple[Listed, ...]]:
    """The models that ``judge`` has a use for. Raises UpstreamError."""
    [answer] = yield [site.request("GET", "/models", label)]
    capabilities = {
        name: judge(model) for model in _models(answer) if (name := text_in(model, "id"))
    }
    return tuple(Listed(name, use) for name, use in capabilities.items() if use)


def _models(answer: Whole) -> list[dict[str, Any]]:
    """The objects of a list, which is bare or under ``data``."""
    if answer.status != HTTPStatus.OK:
        raise classify(answer.status, answer.headers, error_object(answer.body))
    reply, _ = read_json(answer.body, "The provider's list of models")
    models = reply.get("data") if isinstance(reply, dict) else reply
    if not isinstance(models, list):
        raise UpstreamInvalidResponse("The provider's list of models is none.")
    return objects(models)


def by_name(model: Mapping[str, Any]) -> Capability | None:
    """For lists that tell no more than names."""
    name = text_in(model, "id")
    if _DRAWS.search(name):
        return Capability.IMAGE
    return None if _SERVES_OTHERS.search(name) else Capability.CHAT


_TYPES = {
    "chat": Capability.CHAT,
    "code": Capability.CHAT,
    "language": Capability.CHAT,
    "image": Capability.IMAGE,
}


def by_type(model: Mapping[str, Any]) -> Capability | None:
    """For lists with a ``type``, as Together's are."""
    kind = text_in(model, "type")
    return _TYPES.get(kind) if kind else by_name(model)


def by_abilities(model: Mapping[str, Any]) -> Capability | None:
    """For Mistral's, which say what each model can do."""
    can_chat = object_in(model, "capabilities").get("completion_chat")
    return None if can_chat is False else by_name(model)


def if_active(model: Mapping[str, Any]) -> Capability | None:
    """For Groq's, where models stay listed that are no longer served."""
    return None if model.get("active") is False else by_name(model)


def by_modalities(model: Mapping[str, Any]) -> Capability | None:
    """For OpenRouter's, which say what comes out of each model. One that draws is for that."""
    modalities = object_in(model, "architecture").get("output_modalities")
    if not isinstance(modalities, list):
        return by_name(model)
    if "image" in modalities:
        return Capability.IMAGE
    return Capability.CHAT if "text" in modalities else None


def lists(judge: Judge) -> ModelsLister:
    """The lister that judges this way."""
    return partial(list_models, judge=judge)
