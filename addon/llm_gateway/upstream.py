"""One provider at work: its kind, its address, its wire."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

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

    async def run[T](self, steps: Steps[T], patience: Patience) -> T:
        """Run an adapter's steps to their result. Raises UpstreamError, its own or the wire's."""
        try:
            batch = next(steps)
            while True:
                batch = steps.send(await self._send_all(batch, patience))
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            steps.close()

    async def _send_all(
        self, batch: Sequence[UpstreamRequest], patience: Patience
    ) -> Sequence[Whole]:
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


def site_of(provider: Provider) -> Site:
    """The provider as adapters see it: its credentials in their masked form."""
    masked = tuple((c.header, c.scheme + c.secret.masked) for c in provider.credentials)
    return Site(provider.base_url, (*masked, *provider.headers))
