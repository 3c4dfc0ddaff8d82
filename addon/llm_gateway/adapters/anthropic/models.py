"""Anthropic's own list of its models, which comes in pages."""

from http import HTTPStatus
from urllib.parse import quote

from llm_gateway.adapters.anthropic.failures import failure
from llm_gateway.adapters.contract import Listed, Site, Steps
from llm_gateway.adapters.translating import objects, parse_object, text_in
from llm_gateway.wire import Label

_PAGE = "/models?limit=1000"
_MAX_PAGES = 20
"""A list that does not end by then is broken."""


def list_models(site: Site, label: Label) -> Steps[tuple[Listed, ...]]:
    """All models. Raises UpstreamError."""
    listed: list[Listed] = []
    path = _PAGE
    for _ in range(_MAX_PAGES):
        [answer] = yield [site.request("GET", path, label)]
        if answer.status != HTTPStatus.OK:
            raise failure(answer.status, answer.headers, answer.body)
        page = parse_object(answer.body, "The provider's list of models")
        ids = [text_in(model, "id") for model in objects(page.get("data"))]
        listed += [Listed(id, "chat") for id in ids if id]
        last = text_in(page, "last_id")
        if page.get("has_more") is not True or not last:
            break
        path = f"{_PAGE}&after_id={quote(last, safe='')}"
    return tuple(listed)
