"""The signatures that Gemini puts on its tool calls and wants to see again with their results.

Since Gemini 3 a request is refused in which the first tool call of a step lacks its signature.
OpenAI's format has no place for it. So it is remembered by the id of the call, and it also goes to
the client where Google's own compatible endpoint puts it: a client that sends its history back as
it came brings it along. For a call of which nothing is known, one that another model made, there is
a word that Google documents for this.

Source: https://ai.google.dev/gemini-api/docs/thought-signatures
"""

import re
from typing import Any

from llm_gateway import faults
from llm_gateway.adapters.contract import Call
from llm_gateway.adapters.conversation import ToolCall
from llm_gateway.adapters.fields import Fields

UNKNOWN = "skip_thought_signature_validator"
"""In place of a signature that is not known."""

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}", re.ASCII)


def keep_signature(call: Call, id: str, signature: str) -> dict[str, Any]:
    """Remember the signature of the tool call ``id``; what of it goes to the client."""
    call.memory.keep(call.label.provider, id, signature)
    return {"extra_content": {"google": {"thought_signature": signature}}}


def signature_of(call: Call, made: ToolCall, where: str, fields: Fields) -> str:
    """The signature of a tool call in a client's history, empty if it is not known.

    ``where`` is the place of the tool call. What was remembered counts more than what the client
    says: it came from this provider. Raises RequestError (400) for what is no signature.
    """
    brought = ""
    where = f"{where}.extra_content"
    match made.extra.get("extra_content"):
        case None:
            pass
        case {"google": {"thought_signature": str(signature)}}:
            brought = _checked(signature, f"{where}.google.thought_signature")
        case other:
            fields.takes("*", where, other)
    return call.memory.recall(call.label.provider, made.id) or brought


def _checked(signature: str, where: str) -> str:
    if not _BASE64.fullmatch(signature):
        raise faults.invalid_value(where, "the signature as it came, in base64")
    return signature
