"""Targets that are left alone, broken, limited or busy: who is asked instead, and who is told."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.fault_scene import Answer, FaultScene, Target, chat_request, open_faults, provider_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

AT_ONCE = 1.0
"""Seconds within which an answer comes for which nobody is asked, on a busy machine."""
OPEN = 0.3
"""Seconds for which the breakers of the tests about probes are open."""
CROWD = 50

SOON = {"failures": 1, "open": f"{OPEN}s", "jitter": 0}
LONG = {"failures": 2, "open": "30s", "jitter": 0}
ONE_AT_A_TIME = {"max_concurrent": 1, "queue": 1}

ROUTES = {
    "breaker": (Target("status-503", provider={"breaker": {**LONG, "failures": 5}}),),
    "breaker-first": (Target("status-503", provider={"breaker": LONG}), Target()),
    "breaker-unmoved": (Target("status-400", provider={"breaker": SOON}),),
    "minute": (Target("status-500.ok", provider={"breaker": "minute"}), Target()),
    "probe": (
        Target("status-503.held-ok.ok", provider={"breaker": SOON, "retry": {"attempts": 1}}),
    ),
    "lost-probe": (
        Target("status-503.hang.ok", provider={"breaker": SOON, "retry": {"attempts": 1}}),
    ),
    "all-limited": (Target("limited-ms-200", provider={"retry": {"budget": 0.2}}),),
    "three-failures": (Target("status-500"), Target("status-502"), Target("status-503")),
    "different-reasons": (
        Target("limited-3600"),
        Target("status-503", provider={"breaker": LONG}),
    ),
    "queue": (
        Target("held-ok", provider={"throttle": ONE_AT_A_TIME}, model={"limits": {"minute": 3}}),
    ),
    "queue-first": (
        Target("held-ok", provider={"throttle": {**ONE_AT_A_TIME, "queue": 0}}),
        Target(),
    ),
    "queue-timeout": (
        Target("held-ok", provider={"throttle": {**ONE_AT_A_TIME, "queue_timeout": "200ms"}}),
    ),
    "one-place": (Target("hang.ok", provider={"throttle": ONE_AT_A_TIME}),),
    "interval": (Target(provider={"throttle": {"min_interval": "100ms"}}),),
    "quota": (Target(model={"limits": {"minute": 2}}),),
    "quota-first": (Target(model={"limits": {"minute": 1}}), Target()),
    "quota-of-the-day": (Target(model={"limits": {"minute": 5, "day": 1}}),),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FaultScene]:
    async with open_faults(tmp_path_factory.mktemp("gateway"), ROUTES) as scene:
        yield scene


def count(scene: FaultScene, route: str) -> list[int]:
    """How often each target of a route was asked."""
    return [len(scene.calls(route, place)) for place in range(len(ROUTES[route]))]


async def test_a_broken_target_is_left_alone_after_five_failures(scene: FaultScene) -> None:
    for calls in (3, 5):
        answer = await scene.ask("breaker")
        assert answer.verdict == (503, "upstream_unavailable")
        assert count(scene, "breaker") == [calls]
    for _ in range(3):
        answer = await scene.ask("breaker")
        assert answer.verdict == (503, "no_healthy_upstream")
        assert 1 <= answer.retry_after <= 30
        assert answer.seconds < AT_ONCE
        assert answer.attempts == 0
    assert count(scene, "breaker") == [5]


async def test_a_broken_target_is_passed_over(scene: FaultScene) -> None:
    for calls in ([2, 1], [2, 2], [2, 3]):
        answer = await scene.ask("breaker-first")
        assert answer.call == scene.calls("breaker-first", 1)[-1].number
        assert count(scene, "breaker-first") == calls
    assert f"{provider_of('breaker-first')}/status-503=breaker" in (
        answer.head.header("x-ai-proxy-route") or ""
    )


async def test_requests_that_are_at_fault_themselves_break_nothing(scene: FaultScene) -> None:
    for number in range(1, 4):
        answer = await scene.ask("breaker-unmoved")
        assert answer.verdict == (400, "upstream_rejected")
        assert count(scene, "breaker-unmoved") == [number]


async def test_with_the_rule_of_the_minute_one_failure_is_enough(scene: FaultScene) -> None:
    for number in (1, 2):
        answer = await scene.ask("minute")
        assert answer.call == scene.calls("minute", 1)[-1].number
        assert count(scene, "minute") == [1, number]


async def test_of_fifty_requests_one_probes_a_broken_target(scene: FaultScene) -> None:
    assert (await scene.ask("probe")).verdict == (503, "upstream_unavailable")
    await asyncio.sleep(OPEN)
    crowd = [asyncio.ensure_future(scene.ask("probe")) for _ in range(CROWD)]
    await scene.call("probe", 2)
    refused: list[Answer] = []
    for each in asyncio.as_completed(crowd):
        refused.append(await each)
        if len(refused) == CROWD - 1:
            break
    assert {answer.verdict for answer in refused} == {(503, "no_healthy_upstream")}
    assert count(scene, "probe") == [2]
    scene.let_go("probe")
    [good] = [answer for answer in await asyncio.gather(*crowd) if answer.status == 200]
    assert good.call == scene.calls("probe")[1].number
    assert (await scene.ask("probe")).status == 200


async def test_a_probe_whose_client_leaves_is_made_again(scene: FaultScene) -> None:
    assert (await scene.ask("lost-probe")).verdict == (503, "upstream_unavailable")
    await asyncio.sleep(OPEN)
    async with scene.connect() as client:
        await client.send(chat_request("lost-probe"))
        lost = await scene.call("lost-probe", 2)
        client.abort()
        assert await scene.server.ended(lost) == "left"
    answer = await scene.ask("lost-probe")
    assert answer.call == scene.calls("lost-probe")[2].number


async def test_retries_of_a_crowd_stay_within_their_budget(scene: FaultScene) -> None:
    """Each is told to come again in a moment; if all did, that would be three times the load."""
    crowd = await asyncio.gather(*(scene.ask("all-limited") for _ in range(CROWD)))
    assert {answer.verdict for answer in crowd} == {(429, "rate_limit_exceeded")}
    assert {answer.retry_after for answer in crowd} == {1}
    [calls] = count(scene, "all-limited")
    assert calls <= CROWD * 1.2


async def test_there_is_a_most_of_calls_over_all_targets(scene: FaultScene) -> None:
    answer = await scene.ask("three-failures")
    assert answer.verdict == (503, "upstream_unavailable")
    assert count(scene, "three-failures") == [3, 2, 1]
    assert answer.attempts == 6


async def test_the_reason_that_passes_the_soonest_is_told(scene: FaultScene) -> None:
    assert (await scene.ask("different-reasons")).verdict == (503, "upstream_unavailable")
    answer = await scene.ask("different-reasons")
    assert answer.verdict == (503, "no_healthy_upstream")
    assert 1 <= answer.retry_after <= 30
    assert count(scene, "different-reasons") == [1, 2]
    for place, reason in enumerate(("limited-3600=parked", "status-503=breaker")):
        assert f"{provider_of('different-reasons', place)}/{reason}" in answer.error["message"]


async def test_a_queue_is_bounded_and_who_leaves_it_costs_nothing(scene: FaultScene) -> None:
    """The quota is three requests, which are the three that are answered."""
    first = asyncio.ensure_future(scene.ask("queue"))
    await scene.call("queue")
    crowd = [asyncio.ensure_future(scene.ask("queue")) for _ in range(2)]
    [refused], [queued] = await asyncio.wait(crowd, return_when=asyncio.FIRST_COMPLETED)
    full = refused.result()
    assert full.verdict == (503, "queue_full")
    assert full.retry_after >= 1
    assert full.seconds < AT_ONCE
    queued.cancel()
    await scene.gateway.wait_output("queue-a/held-ok=queue] 499")
    scene.let_go("queue")
    answers = [await first, await scene.ask("queue"), await scene.ask("queue")]
    assert [answer.call for answer in answers] == [call.number for call in scene.calls("queue")]
    assert (await scene.ask("queue")).verdict == (429, "rate_limit_exceeded")
    assert count(scene, "queue") == [3]


async def test_who_waits_too_long_in_a_queue_is_told(scene: FaultScene) -> None:
    first = asyncio.ensure_future(scene.ask("queue-timeout"))
    await scene.call("queue-timeout")
    answer = await scene.ask("queue-timeout")
    assert answer.verdict == (503, "queue_timeout")
    assert answer.seconds >= 0.2
    scene.let_go("queue-timeout")
    assert (await first).status == 200
    assert count(scene, "queue-timeout") == [1]


async def test_a_full_queue_is_gone_round(scene: FaultScene) -> None:
    first = asyncio.ensure_future(scene.ask("queue-first"))
    await scene.call("queue-first")
    answer = await scene.ask("queue-first")
    assert answer.call == scene.calls("queue-first", 1)[0].number
    scene.let_go("queue-first")
    assert (await first).status == 200


async def test_a_client_that_leaves_gives_its_place_back(scene: FaultScene) -> None:
    async with scene.connect() as client:
        await client.send(chat_request("one-place"))
        lost = await scene.call("one-place")
        client.abort()
        assert await scene.server.ended(lost) == "left"
    answer = await scene.ask("one-place")
    assert answer.call == scene.calls("one-place")[1].number


async def test_calls_of_a_throttled_provider_begin_apart(scene: FaultScene) -> None:
    answers = await asyncio.gather(*(scene.ask("interval") for _ in range(4)))
    assert {answer.status for answer in answers} == {200}
    began = [call.began for call in scene.calls("interval")]
    assert began[-1] - began[0] >= 0.28


async def test_a_quota_is_counted_and_its_end_is_told(scene: FaultScene) -> None:
    for left in (1, 0):
        answer = await scene.ask("quota")
        assert answer.status == 200
        assert rate_limit(answer) == ("2", str(left))
    answer = await scene.ask("quota")
    assert answer.verdict == (429, "rate_limit_exceeded")
    assert answer.error["type"] == "requests"
    assert rate_limit(answer) == ("2", "0")
    assert 1 <= answer.retry_after <= 62
    assert answer.seconds < AT_ONCE
    assert count(scene, "quota") == [2]


def rate_limit(answer: Answer) -> tuple[str | None, str | None]:
    header = answer.head.header
    return header("x-ratelimit-limit-requests"), header("x-ratelimit-remaining-requests")


async def test_a_target_without_quota_is_passed_over(scene: FaultScene) -> None:
    targets = [(await scene.ask("quota-first")).target for _ in range(3)]
    wanted = [f"{provider_of('quota-first', place)}/ok" for place in (0, 1, 1)]
    assert targets == wanted


async def test_the_quota_of_a_day_ends_at_midnight(scene: FaultScene) -> None:
    assert (await scene.ask("quota-of-the-day")).status == 200
    answer = await scene.ask("quota-of-the-day")
    assert answer.verdict == (429, "rate_limit_exceeded")
    assert "per day" in answer.error["message"]
    assert 1 <= answer.retry_after <= 24 * 3600
    assert count(scene, "quota-of-the-day") == [1]
