"""Which models an account has.

Source: https://developers.cloudflare.com/api/resources/ai/subresources/models/methods/list/.
"""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus

from llm_gateway.adapters.cloudflare.failures import error_in, failure_in, failure_of
from llm_gateway.adapters.contract import Listed, Site, Steps, Whole
from llm_gateway.adapters.translating import object_in, objects, parse_object, text_in
from llm_gateway.wire import Label

_PER_PAGE = 100
_MAX_PAGES = 50
_CAPABILITIES: Mapping[str, str] = {"Text Generation": "chat", "Text-to-Image": "image"}
"""By the name of the models' task."""


def list_models(site: Site, label: Label) -> Steps[tuple[Listed, ...]]:
    """The models that chat and that draw. Raises UpstreamError."""
    found: list[Listed] = []
    for page in range(1, _MAX_PAGES + 1):
        path = f"/models/search?per_page={_PER_PAGE}&page={page}"
        (answer,) = yield [site.request("GET", path, label)]
        models = _models(answer)
        found += [Listed(text_in(model, "name"), _capability(model)) for model in models]
        if len(models) < _PER_PAGE:
            break
    return tuple(dict.fromkeys(model for model in found if model.id and model.capability))


def list_chat_models(site: Site, label: Label) -> Steps[tuple[Listed, ...]]:
    """The models that chat, for the compatible endpoint, which has no list of its own."""
    models = yield from list_models(
        replace(site, base_url=site.base_url.removesuffix("/v1")), label
    )
    return tuple(model for model in models if model.capability == "chat")


def _models(answer: Whole) -> list[dict[str, object]]:
    if answer.status != HTTPStatus.OK:
        raise failure_in(answer.status, answer.headers, answer.body)
    reply = parse_object(answer.body, "The provider's list of models")
    error = error_in(reply)
    if error is not None:
        raise failure_of(HTTPStatus.OK, answer.headers, error)
    return objects(reply.get("result"))


def _capability(model: Mapping[str, object]) -> str:
    return _CAPABILITIES.get(text_in(object_in(model, "task"), "name"), "")
