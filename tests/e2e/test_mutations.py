"""A thousand requests that chance has spoiled: each gets an answer, and none does any harm.

`MUTATIONS=50000 MUTATION_SEED=7 pytest tests/e2e/test_mutations.py` looks further.
"""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.bad_input.case import chat
from support.bad_input.stage import SECRETS, Stage, open_stage
from support.mutant import judge
from support.mutations import mutation
from support.raw_http import RawConnection

COUNT = int(os.environ.get("MUTATIONS", "1000"))
SEED = int(os.environ.get("MUTATION_SEED", "1"))
BATCH = 250
AT_ONCE = 24

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(60 + COUNT // 10)]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path_factory.mktemp("gateway")) as it:
        yield it


@pytest.mark.parametrize("first", range(0, COUNT, BATCH))
async def test_whatever_is_sent_is_answered_and_harms_nobody(stage: Stage, first: int) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> tuple[int, list[str]]:
        async with turns:
            return number, await judge(stage.gateway.port, mutation(SEED, number), SECRETS)

    numbers = range(first, min(first + BATCH, COUNT))
    judged = await asyncio.gather(*(one(number) for number in numbers))
    found = [(number, faults, mutation(SEED, number)) for number, faults in judged if faults]
    assert not found, f"seed {SEED}: {found[:3]}"
    async with RawConnection(stage.gateway.port) as client:
        head, _ = await client.exchange(chat().bytes())
    assert head.status == 200
    assert not stage.complaints()
