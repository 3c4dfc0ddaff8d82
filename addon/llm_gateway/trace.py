"""What happened to one exchange, filled in on the way; the log line and the headers read it."""

from dataclasses import dataclass

from llm_gateway.adapters.contract import Usage
from llm_gateway.errors import GatewayError


@dataclass(slots=True)
class Trace:
    """One exchange.

    ``model`` is what the client asked for, ``target`` the ``provider/model`` that was asked last,
    ``dropped`` the places of the request that it was not told.
    """

    exchange: str
    model: str | None = None
    target: str | None = None
    attempts: int = 0
    dropped: tuple[str, ...] = ()
    usage: Usage | None = None
    failure: GatewayError | None = None
