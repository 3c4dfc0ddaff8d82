"""From a request body to a validated chat request.

Checked is what the gateway itself uses, and what no provider would take; the rest passes to the
provider, which knows best what it takes.
"""

from llm_gateway import faults
from llm_gateway.api import fields
from llm_gateway.api.body import parse_object
from llm_gateway.api.messages import check_messages
from llm_gateway.config import Bounds
from llm_gateway.dispatch import ChatRequest


def parse_chat(body: bytes, bounds: Bounds = Bounds()) -> ChatRequest:
    """The request in ``body``. Raises RequestError (400) that names the field at fault."""
    request = parse_object(body, bounds)
    model = faults.filled(faults.required(request, "model"), "model")
    check_messages(faults.required(request, "messages"), bounds.messages)
    fields.check(request, fields.CHAT)
    faults.at_most(request.get("tools") or (), "tools", bounds.tools)
    return ChatRequest(request, model, bool(request.get("stream")), len(body))
