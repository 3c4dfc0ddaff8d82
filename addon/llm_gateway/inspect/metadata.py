"""What the gateway writes on flows: the names of their metadata.

All values are plain (text, numbers, lists of those), so that a flow can be saved and loaded, and
flat, so that mitmproxy's ``~meta`` finds them: ``~meta 'ai.provider: groq'``. A *client flow* is
what a client asked and got; an *attempt flow* is one call to a provider on its behalf; both carry
the exchange's id.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from mitmproxy import http
from mitmproxy.flow import Flow

from llm_gateway.trace import Step

EXCHANGE = "ai.exchange"
"""Both: the exchange's id, ``req_…``, which is also the answer's ``x-request-id``."""
REFUSED = "ai.refused"
"""Client: True where the request was refused before its body was read."""
CLIENT = "ai.client"
"""Client: the name of the token that it came with; absent where the operator asked."""
MODEL = "ai.model"
"""Client: the name that was asked for. Attempt: the provider's name of the model."""
TARGET = "ai.target"
"""Both: ``provider/model`` that answered, or was asked last."""
ATTEMPTS = "ai.attempts"
"""Both, once the exchange is over: how many attempts it took."""
ATTEMPT = "ai.attempt"
"""Attempt: its number, from 1."""
PROVIDER = "ai.provider"
"""Attempt: the provider's name in the configuration."""
KIND = "ai.kind"
"""Attempt: the provider's wire format, a key of ``adapters.KINDS``."""
URL_SENT = "ai.url"
"""Attempt: where it was sent."""
RESUMES = "ai.resumes"
"""Attempt: True where it goes on with an answer that broke off."""
ERROR = "ai.error"
"""Both: the code, or else the type, of the error; absent where all is well."""
REASON = "ai.reason"
"""Both: the error in a sentence."""
PROMPT_TOKENS = "ai.tokens_prompt"
COMPLETION_TOKENS = "ai.tokens_completion"
CACHED_TOKENS = "ai.tokens_cached"
"""Both: as the provider counted them; the cached are among the prompt's."""
COST_USD = "ai.cost_usd"
"""Both: what the answer cost, a float; absent where that is not known."""
TTFT = "ai.ttft"
"""Both: seconds to the first content of a stream."""
SECONDS = "ai.seconds"
"""Both: seconds from the request to the end."""
DROPPED = "ai.dropped"
"""Both: a list of the places of the request that the provider was not told."""
ROUTE = "ai.route"
"""Client: a list of steps, each a list: target, outcome, reason, attempt or None, began, ended,
queued, retry_in or None; the fields of :class:`~llm_gateway.trace.Step`."""
ARRIVALS = "ai.arrivals"
"""Both, streams: a list of integers, by twos: a piece's end in bytes of the body, and when it came
in milliseconds since the request."""
MARK = "ai.mark"
"""Both: the marker that the gateway set. A flow with another one was marked by a person."""
COMMENT = "ai.comment"
"""Both: the comment that the gateway set. Where the flow's is another, it is a person's."""
CUT = "ai.cut"
"""Both: a sentence, where not all of a streamed body is kept."""
FAULT = "ai.fault"
"""Attempt: the injected fault that answered in the provider's place."""
COMPARE = "ai.compare"
"""Client: the id that replays made for comparison share."""

_STEP = tuple(each.name for each in fields(Step))


def is_attempt(flow: http.HTTPFlow) -> bool:
    """Whether the flow, perhaps loaded from a file, once was a call to a provider."""
    return ATTEMPT in flow.metadata


def is_client(flow: http.HTTPFlow) -> bool:
    """Whether the flow, perhaps loaded from a file, is a client's request that was admitted."""
    return is_ours(flow) and not is_attempt(flow) and REFUSED not in flow.metadata


def is_ours(flow: http.HTTPFlow) -> bool:
    """Whether the flow is one of the gateway's."""
    return EXCHANGE in flow.metadata


def marked_by_hand(flow: Flow) -> bool:
    """Whether a person has marked it."""
    return bool(flow.marked) and flow.marked != flow.metadata.get(MARK)


def plain_route(steps: Sequence[Step]) -> list[list[Any]]:
    """Steps as plain values, for ``ROUTE``."""
    # dataclasses.astuple() would take longer than all the rest of a row.
    return [[getattr(step, name) for name in _STEP] for step in steps]


def steps(flow: http.HTTPFlow) -> list[Step]:
    """A client flow's route; empty where it has none. What is no step is left out."""
    route = flow.metadata.get(ROUTE)
    if not isinstance(route, (list, tuple)):
        return []
    known = (each for each in route if isinstance(each, (list, tuple)))
    return [Step(*each) for each in known if len(each) == len(_STEP)]
