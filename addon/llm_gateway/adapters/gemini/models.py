"""Which models there are.

Source: https://ai.google.dev/api/models
"""

import re
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from llm_gateway.adapters.contract import Listed, Site, Steps, Whole
from llm_gateway.adapters.failures import error_object
from llm_gateway.adapters.gemini.failures import failure_of, raise_error_in
from llm_gateway.adapters.gemini.families import bare_name
from llm_gateway.adapters.translating import objects, parse_object, text_in
from llm_gateway.wire import Label

_MAX_PAGES = 20
_METHOD = "generateContent"
_DRAWS = re.compile(r"(?:^|-)(?:image|nano-banana)(?:-|$)")
_SOUNDS_OR_MOVES = re.compile(r"(?:^|-)(?:tts|audio|lyria|omni)(?:-|$)")


def list_models(site: Site, label: Label) -> Steps[tuple[Listed, ...]]:
    """The models that answer in text, and those that draw, page by page. Raises UpstreamError."""
    found: dict[str, Listed] = {}
    path = "/models?pageSize=1000"
    page = path
    for _ in range(_MAX_PAGES):
        (answer,) = yield [site.request("GET", page, label)]
        reply = _reply(answer)
        for model in objects(reply.get("models")):
            name = bare_name(text_in(model, "name"))
            if name and _is_offered(name, model):
                found[name] = Listed(name, "image" if _DRAWS.search(name) else "chat")
        token = text_in(reply, "nextPageToken")
        if not token:
            break
        page = f"{path}&pageToken={quote(token, safe='')}"
    return tuple(found.values())


def _is_offered(name: str, model: dict[str, Any]) -> bool:
    methods = model.get("supportedGenerationMethods")
    answers = isinstance(methods, list) and _METHOD in methods
    # Speech, music and films alone are nothing that OpenAI's chat could carry.
    return answers and not _SOUNDS_OR_MOVES.search(name)


def _reply(answer: Whole) -> dict[str, Any]:
    if answer.status != HTTPStatus.OK:
        raise failure_of(answer.status, answer.headers, error_object(answer.body))
    reply = parse_object(answer.body, "The provider's list of models")
    raise_error_in(reply)
    return reply
