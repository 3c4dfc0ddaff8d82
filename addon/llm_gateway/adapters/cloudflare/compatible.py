"""Cloudflare's two endpoints that speak OpenAI's format: Workers AI's and the AI Gateway's.

Both lead to Workers AI's own models, whose names begin with ``@`` (behind the gateway with
``workers-ai/@``), and to those of other providers. Most of the own models take content only as a
string. Errors come in Cloudflare's envelopes, too.
"""

from collections.abc import Mapping
from typing import Any, override

from llm_gateway.adapters.cloudflare.failures import error_in, failure_of
from llm_gateway.adapters.fields import Table, dropped, translated
from llm_gateway.adapters.openai import FIELDS, Dialect, OpenAIAdapter
from llm_gateway.adapters.openai.request import encode
from llm_gateway.wire import UpstreamRequest

_OWN_MODELS = ("@", "workers-ai/@")

GATEWAY_FIELDS: Table = {
    **FIELDS,
    "messages": translated("for Workers AI's own models with a string for content"),
}
WORKERS_FIELDS: Table = {**GATEWAY_FIELDS, "messages[].content[].cache_control": dropped()}

GATEWAY = Dialect(GATEWAY_FIELDS, error=error_in, classify=failure_of)
WORKERS = Dialect(
    WORKERS_FIELDS, roles={"developer": "system"}, error=error_in, classify=failure_of
)


class CompatibleAdapter(OpenAIAdapter):
    """See :class:`~llm_gateway.adapters.contract.Adapter`."""

    @override
    def encode(self) -> UpstreamRequest:
        body, left_out = encode(self.call.body, self.call.model, self.dialect)
        if self.call.model.startswith(_OWN_MODELS):
            body["messages"] = [_flat(message) for message in body["messages"]]
        self.dropped = tuple(left_out)
        return self.call.post("/chat/completions", body)


def _flat(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """The message with a string for content, unless it holds more than text."""
    content = message.get("content")
    if content is None and message.get("role") == "assistant":
        return {**message, "content": ""}
    if not isinstance(content, list):
        return message
    texts = [part["text"] for part in content if _is_text(part)]
    return {**message, "content": "\n".join(texts)} if len(texts) == len(content) else message


def _is_text(part: object) -> bool:
    """Whether a part is text and nothing else; what is malformed, the provider refuses."""
    match part:
        case {"type": "text", "text": str(), **others}:
            return not others
        case _:
            return False
