"""Asking providers which models they have, in the background, for those with ``discover: true``.

A list that cannot be had is asked for again later; until then what was known stays. The requests
are published like any other, as the exchange ``models-<provider>``.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence

from llm_gateway.adapters.contract import Listed
from llm_gateway.errors import GatewayError
from llm_gateway.patience import Patience
from llm_gateway.tasks import spawn
from llm_gateway.upstream import Upstream
from llm_gateway.wire import Label

FRESH_SECONDS = 3600.0
AGAIN_SECONDS = 60.0
AGAIN_AT_MOST = 600.0
PATIENCE_SECONDS = 60.0
"""How long a list is good; how soon, after a failure, it is asked for again, which is twice as long
after each further one; how long an answer may take."""

logger = logging.getLogger(__name__)

type Learn = Callable[[str, Iterable[Listed]], int]


class Discovery:
    """Keeps the lists of some providers fresh."""

    def __init__(
        self,
        upstreams: Iterable[Upstream],
        learn: Learn,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """``learn`` takes a provider's name and its models, and says how many it can use."""
        self._upstreams = [each for each in upstreams if each.provider.discover]
        self._learn = learn
        self._wait = wait
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to ask."""
        for upstream in self._upstreams:
            task = spawn(self._keep_fresh(upstream), f"list models of {upstream.provider.name}")
            self._tasks.append(task)

    def stop(self) -> None:
        """Ask no more."""
        for task in self._tasks:
            task.cancel()

    async def _keep_fresh(self, upstream: Upstream) -> None:
        again = AGAIN_SECONDS
        while True:
            if await self._ask(upstream):
                again = AGAIN_SECONDS
                await self._wait(FRESH_SECONDS)
            else:
                await self._wait(again)
                again = min(again * 2, AGAIN_AT_MOST)

    async def _ask(self, upstream: Upstream) -> bool:
        name = upstream.provider.name
        try:
            listed = await _models(upstream)
            usable = self._learn(name, listed)
        except GatewayError as error:
            logger.warning("The models of %s are not known: %s", name, error.detail or error.code)
        except TimeoutError:
            logger.warning("The models of %s are not known: no answer in time.", name)
        except Exception:
            logger.exception("The models of %s could not be listed.", name)
        else:
            logger.info("%s lists %d models, %d usable.", name, len(listed), usable)
            return True
        return False


async def _models(upstream: Upstream) -> Sequence[Listed]:
    lister = upstream.kind.models
    if lister is None:
        return ()
    name = upstream.provider.name
    patience = Patience()
    async with patience.limit(PATIENCE_SECONDS):
        steps = lister(upstream.site, Label(f"models-{name}", 1, name, "*"))
        return await upstream.run(steps, patience)
