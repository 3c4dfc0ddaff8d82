"""What is asked of the gateway when all is over: whether everything that it gave out came back."""

import asyncio

from soak.answers import remaining
from soak.evidence import Evidence, Quota
from soak.load import Crowd
from soak.plan import (
    METERED,
    METERED_MODELS,
    MODEL,
    NARROW,
    NARROW_QUEUE,
    PLACES,
    TRIO,
)
from soak.processes import Providers, Subject

PARKED_SECONDS = 61.0
"""How long a target may rest at most that was limited again and again in the chaos."""
TAKEN_SECONDS = 5.0
"""How long it may take until all places are taken."""
LOOK_AGAIN = 0.02
HELD = "held-ok"
"""The step of a provider that answers when it is let go."""


async def wake_all(crowd: Crowd, gateway: Subject) -> None:
    """Ask every target for one answer, which a breaker may have been waiting for."""
    parked = (await gateway.vitals()).parked
    await asyncio.sleep(min(parked, PARKED_SECONDS))
    for provider in PLACES:
        await crowd.ask_one(f"{provider}/{MODEL}")


async def fill_all_places(crowd: Crowd, providers: Providers, evidence: Evidence) -> None:
    """Ask every provider for as many answers as it has places, all at once.

    The narrow one for as many as may wait as well; alone, as they may not wait for long.
    """
    await providers.switch(**dict.fromkeys(PLACES, HELD))

    async def fill(provider: str, waiting: int = 0) -> None:
        taken = _until_taken(providers, provider, evidence.places)
        await crowd.at_once(f"{provider}/{MODEL}", PLACES[provider] + waiting, taken)

    async with asyncio.TaskGroup() as group:
        for provider in TRIO:
            group.create_task(fill(provider))
    await fill(NARROW, NARROW_QUEUE)


async def _until_taken(providers: Providers, provider: str, most: dict[str, int]) -> None:
    """Note how many calls the provider has at once, and let them go when all places are taken."""
    clock = asyncio.get_running_loop().time
    end = clock() + TAKEN_SECONDS
    most[provider] = 0
    while most[provider] < PLACES[provider] and clock() < end:
        most[provider] = max(most[provider], await providers.busy(provider))
        await asyncio.sleep(LOOK_AGAIN)
    await providers.let_go(provider)


async def what_is_left(crowd: Crowd) -> Quota:
    """How many calls the metered provider's models take in this minute, after one more."""
    entry, head = await crowd.ask_one(f"{METERED}/{METERED_MODELS[-1]}")
    left = 0 if head is None else remaining(head)
    return Quota(left, entry.began)
