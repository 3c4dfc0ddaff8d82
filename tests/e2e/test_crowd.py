"""Many clients at once: no more calls than there may be, an answer for everybody, and soon."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from support.fault_scene import TOKEN, Answer, FaultScene, Target, open_faults

pytestmark = pytest.mark.asyncio(loop_scope="module")

CROWD = 500
QUOTA = 100
BREAKER = {"failures": 5, "ratio": 0.5, "open": "30s"}
RETRY = {"budget": 0.2}

OUTAGE = 200
"""Requests during an outage of all providers, of which REGULARS are under way at a time."""
REGULARS = 15
BUDGET = 10
"""Retries that each provider has whatever its load is."""
SOON = 2.0
"""Seconds within which there is an answer that nobody need be asked for, on a busy machine."""

ROUTES = {
    "limited": (Target(model={"limits": {"minute": QUOTA}}),),
    "outage": tuple(
        Target("status-503", provider={"breaker": BREAKER, "retry": RETRY}) for _ in range(3)
    ),
    "sdk-failing": (Target("status-503"),),
    "sdk-poor": (Target("spent"),),
    "sdk-lucky": (Target("status-503.status-503.status-503.ok"),),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FaultScene]:
    async with open_faults(tmp_path_factory.mktemp("gateway"), ROUTES) as scene:
        yield scene


async def test_of_five_hundred_clients_a_hundred_are_served_and_the_others_are_told(
    scene: FaultScene,
) -> None:
    async with asyncio.timeout(30):
        answers = await asyncio.gather(
            *(scene.ask("limited", stream=number % 2 == 0) for number in range(CROWD))
        )
    assert Counter(answer.status for answer in answers) == {200: QUOTA, 429: CROWD - QUOTA}
    assert len(scene.calls("limited")) == QUOTA
    served = {answer.call for answer in answers if answer.status == 200}
    assert served == {call.number for call in scene.calls("limited")}
    for answer in answers:
        if answer.status == 429:
            assert answer.verdict == (429, "rate_limit_exceeded")
            assert answer.head.header("x-ratelimit-remaining-requests") == "0"
            # The window is a minute, counted in seconds.
            assert 50 <= answer.retry_after <= 61


async def test_an_outage_of_all_providers_is_no_flood_for_them(scene: FaultScene) -> None:
    """Until the breakers know, each client under way may have asked each provider once."""
    answers: list[Answer] = []

    async def regular() -> None:
        while len(answers) < OUTAGE:
            answers.append(await scene.ask("outage"))

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        for _ in range(REGULARS):
            group.create_task(regular())
    verdicts = Counter(answer.verdict for answer in answers)
    assert verdicts.keys() <= {(503, "upstream_unavailable"), (503, "no_healthy_upstream")}
    calls = [len(scene.calls("outage", place)) for place in range(3)]
    assert sum(calls) <= 1.2 * len(answers)
    assert max(calls) <= REGULARS + BUDGET + 1
    refused = [answer for answer in answers if answer.error["code"] == "no_healthy_upstream"]
    assert len(refused) >= OUTAGE - 2 * REGULARS
    assert all(1 <= answer.retry_after <= 36 for answer in refused)
    assert max(answer.seconds for answer in answers) < SOON


async def test_retries_of_the_official_sdk_and_ours_do_not_multiply(scene: FaultScene) -> None:
    """It comes three times, and for a client that comes again each target is asked once."""

    async def ask(model: str) -> Any:
        return await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "hello"}]
        )

    async with AsyncOpenAI(
        base_url=f"{scene.gateway.url}/v1", api_key=TOKEN, max_retries=2, timeout=20
    ) as client:
        outcomes: list[Any] = await asyncio.gather(
            *map(ask, ("sdk-failing", "sdk-poor", "sdk-lucky")), return_exceptions=True
        )
    failing, poor, lucky = outcomes
    assert isinstance(failing, openai.InternalServerError)
    assert came(scene, "sdk-failing") == 3
    assert len(scene.calls("sdk-failing")) == 3 + 1 + 1
    assert isinstance(poor, openai.RateLimitError)
    assert poor.code == "insufficient_quota"
    assert came(scene, "sdk-poor") == len(scene.calls("sdk-poor")) == 1
    assert lucky.choices[0].message.content
    assert came(scene, "sdk-lucky") == 2
    assert len(scene.calls("sdk-lucky")) == 3 + 1


def came(scene: FaultScene, route: str) -> int:
    """How often clients asked for this route, as the log has it."""
    return scene.gateway.output().count(f" {route} -> ")
