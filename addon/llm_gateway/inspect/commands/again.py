"""Sending a client's request again, to another model.

The flow that it was is left alone: a copy is sent, which becomes a row of its own, with its own
attempts. Copies are sent at once and side by side. mitmproxy's ``replay.client`` would send one
after the other, and the last would wait for the slowest of those before it.
"""

import hashlib
import uuid
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import orjson
from mitmproxy import ctx, exceptions, http
from mitmproxy import flow as mflow
from mitmproxy.addons.clientplayback import ReplayHandler

from llm_gateway.api import routes
from llm_gateway.errors import GatewayError, shown
from llm_gateway.inspect.kin import Kin
from llm_gateway.inspect.metadata import COMPARE, EXCHANGE, REFUSED, is_client, is_ours
from llm_gateway.tasks import spawn

_OURS = "ai."
MAX_COMPARED = 20
"""Models that one request is sent to at once."""


def clients_of(flows: Iterable[mflow.Flow], kin: Kin) -> list[http.HTTPFlow]:
    """The client flows that these are or belong to, each once.

    Raises CommandError where one of them has none, or none that can be sent again.
    """
    found: dict[str, http.HTTPFlow] = {}
    for flow in flows:
        client = _client_of(flow, kin)
        found[client.id] = client
    if not found:
        raise exceptions.CommandError(
            "No flow is chosen. Expected for example @marked, @shown, @ and a flow's id, or a "
            "filter in quotes, as '~meta req_…'."
        )
    return [*found.values()]


def check_names(models: Sequence[str], known: Iterable[str]) -> None:
    """Raises CommandError where one of these is no name that the gateway answers to."""
    names = {*known}
    for model in models:
        if model not in names:
            close = get_close_matches(model[:60], names, n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise exceptions.CommandError(
                f"No model is called {shown(model)!r} here.{hint} The command ai.models lists them."
            )


def copy_for(client: http.HTTPFlow, model: str) -> http.HTTPFlow:
    """A copy of the client's request that asks for another model; nothing of the answer is left.

    Raises CommandError where the request does not ask for a model.
    """
    body = _body(client)
    copy: http.HTTPFlow = client.copy()
    copy.request.content = orjson.dumps({**body, "model": model})
    copy.response = copy.error = None
    copy.comment = copy.marked = ""
    copy._backup = None  # edits of the original are a part of this one
    for name in [name for name in copy.metadata if name.startswith(_OURS)]:
        del copy.metadata[name]
    # By this it is known as a request that was let in before; it is given another when it begins.
    copy.metadata[EXCHANGE] = f"req_{uuid.uuid4().hex}"
    return copy


def copies_to_compare(client: http.HTTPFlow, models: Sequence[str]) -> list[http.HTTPFlow]:
    """A copy for each of the models. They and the original share their ``ai.compare``."""
    copies = [copy_for(client, model) for model in models]
    group = _group(client)
    for flow in (client, *copies):
        flow.metadata[COMPARE] = group
    return copies


def models_to_compare(models: Iterable[str]) -> list[str]:
    """The names, each once. Raises CommandError where there are none, or too many."""
    names = [*dict.fromkeys(name for name in models if name)]
    if not 0 < len(names) <= MAX_COMPARED:
        raise exceptions.CommandError(
            f"Expected 1 to {MAX_COMPARED} models with commas between them, as BIG,SMALL; "
            f"got {len(names)}."
        )
    return names


def send(copies: Iterable[http.HTTPFlow]) -> None:
    """Send the copies, now, as mitmproxy does it for a flow that is replayed."""
    for copy in copies:
        copy.is_replay = "request"
        spawn(ReplayHandler(copy, ctx.options).replay(), "send a request again")


def _client_of(flow: mflow.Flow, kin: Kin) -> http.HTTPFlow:
    if not isinstance(flow, http.HTTPFlow) or not is_ours(flow):
        raise exceptions.CommandError(
            f"The flow {flow.id} is none of the gateway's: expected a client's request to it, or "
            "an attempt."
        )
    client = kin.client_of(flow)
    if client is None:
        raise exceptions.CommandError(
            f"The client's request of attempt {flow.id} is not in the list any more: expected an "
            f"attempt whose client flow (~meta {flow.metadata[EXCHANGE]}) is still there."
        )
    if not is_client(client):
        asked = REFUSED in client.metadata
        reason = "was refused at the door" if asked else "is none of a client's"
        raise exceptions.CommandError(
            f"The flow {client.id} {reason}: expected a request that was let in."
        )
    return client


def _body(client: http.HTTPFlow) -> Mapping[str, Any]:
    request = client.request
    place = f"{shown(request.method)} {shown(request.path)}"
    try:
        takes_body = routes.find(request.method, request.path).takes_body
        body = orjson.loads(request.raw_content or b"") if takes_body else None
    except (GatewayError, orjson.JSONDecodeError):
        body = None
    if not isinstance(body, dict):
        raise exceptions.CommandError(
            f"The request {client.id} ({place}) asks for no model: expected a chat or an image "
            "request whose body is a JSON object."
        )
    return body


def _group(client: http.HTTPFlow) -> str:
    """The same for requests that are the same but for the model: comparisons add to each other."""
    body = {**_body(client), "model": None}
    said = orjson.dumps([client.request.path, body], option=orjson.OPT_SORT_KEYS)
    return f"cmp_{hashlib.sha256(said).hexdigest()[:12]}"
