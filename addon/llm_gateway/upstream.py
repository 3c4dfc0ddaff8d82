"""One provider at work: its kind, its address, its wire."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from llm_gateway.adapters.contract import Site, Steps, Whole
from llm_gateway.adapters.kinds import Kind
from llm_gateway.config import Provider
from llm_gateway.patience import Patience
from llm_gateway.wire import UpstreamRequest, Wire, read_whole


@dataclass(frozen=True, slots=True)
class Upstream:
    """What an exchange needs of a provider."""

    provider: Provider
    kind: Kind
    site: Site
    wire: Wire

    async def run[T](
        self,
        steps: Steps[T],
        patience: Patience,
        one_more: Callable[[], Awaitable[None]] | None = None,
    ) -> T:
        """Run an adapter's steps to their result. Raises UpstreamError, its own or the wire's.

        With ``one_more``, requests go one after another, and it is asked before each but the first.
        """
        turns = None if one_more is None else _Turns(one_more)
        try:
            batch = next(steps)
            while True:
                batch = steps.send(await self._send_all(batch, patience, turns))
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            steps.close()

    async def _send_all(
        self, batch: Sequence[UpstreamRequest], patience: Patience, turns: "_Turns | None"
    ) -> Sequence[Whole]:
        if turns is not None:
            return [await turns.take(self._send(each, patience)) for each in batch]
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._send(each, patience)) for each in batch]
        except ExceptionGroup as failures:
            # The others were cancelled because of the first one.
            raise failures.exceptions[0] from None
        return [task.result() for task in tasks]

    async def _send(self, request: UpstreamRequest, patience: Patience) -> Whole:
        response = await self.wire.send(request, patience)
        return Whole(response.status, response.headers, await read_whole(response))


@dataclass(slots=True)
class _Turns:
    """Requests one after another, with leave for each but the first."""

    one_more: Callable[[], Awaitable[None]]
    begun: bool = False

    async def take[T](self, request: Coroutine[Any, Any, T]) -> T:
        """The answer, once there was leave to ask."""
        try:
            if self.begun:
                await self.one_more()
        except BaseException:
            request.close()
            raise
        self.begun = True
        return await request


def site_of(provider: Provider) -> Site:
    """The provider as adapters see it: its credentials in their masked form."""
    masked = tuple((c.header, c.scheme + c.secret.masked) for c in provider.credentials)
    return Site(provider.base_url, (*masked, *provider.headers))
