"""Targets that are late, or ask to be left alone for a while: how long is waited, and for whom.

These stories take their time, so all are under way at once, and each test sees how its own ended.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import pytest
import pytest_asyncio

from support.fault_answers import ODD_HINTS
from support.fault_scene import FaultScene, Target, chat_request, open_faults, provider_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

SHORT = 0.4
"""Seconds that targets of the stories about silence are given."""
APART = 0.02
"""Seconds between the beginnings of two stories: not all calls can be made in the same moment."""
SLACK = 2.0
"""Seconds that a busy machine may add to anything that must not take for ever."""
HOUR = 3600
GROUP = 20

IMPATIENT = {"first_event": f"{SHORT}s", "answer": f"{SHORT}s"}
TWICE = {"retry": {"attempts": 2}}
ONCE = {"retry": {"attempts": 1}}

SILENT = {
    "hang-whole": ("hang", False),
    "hang-stream": ("hang", True),
    "headers-then-silence": ("headers-then-silence", True),
    "comments-forever": ("comments-forever", True),
    "role-then-silence": ("role-then-silence", True),
}
"""Steps that never come to a first content, and whether a stream is asked for."""

UNTIMED = {
    **{f"limited-odd-{hint}": False for hint in ODD_HINTS},
    "limited": False,
    "error-in-200-429": False,
    "error-first-429": True,
}
"""Rate limits that name no time to wait, and whether a stream is asked for."""

ROUTES = {
    **{
        f"only-{name}": (Target(f"{step}", http=IMPATIENT, provider=TWICE),)
        for name, (step, _) in SILENT.items()
    },
    **{
        f"once-{name}": (Target(f"{step}.ok", http=IMPATIENT),)
        for name, (step, _) in SILENT.items()
    },
    **{
        f"first-{name}": (Target(step, http=IMPATIENT, provider=ONCE), Target())
        for name, (step, _) in SILENT.items()
    },
    **{f"once-{step}": (Target(f"{step}.ok"),) for step in UNTIMED},
    **{f"first-{step}": (Target(step), Target()) for step in UNTIMED},
    "limited-for-a-second": (Target("limited-1.ok"),),
    "limited-for-an-hour": (Target(f"limited-{HOUR}.ok"),),
    "limited-for-an-hour-first": (Target(f"limited-{HOUR}.ok"), Target()),
    "busy-for-a-second": (Target("limited-1.ok"),),
    "limited-together": (Target(f"limited-ms-500:{GROUP}.ok"),),
    "deadline-while-failing": (Target("late-1100-status-500"),),
    "deadline-while-silent": (Target("hang"),),
    "deadline-at-the-second": (
        Target("late-1100-status-500", provider=TWICE),
        Target("late-1100-status-500"),
    ),
    "client-that-retries": (Target("status-503"), Target("status-503")),
    "client-that-retries-limited": (Target("limited-1.ok"),),
    "client-that-leaves": (Target("limited-1.ok"),),
    "overtaken": (Target("hang", model={"hedge": "100ms"}), Target()),
    "race-without-end": (Target("hang", model={"hedge": "100ms"}), Target("hang")),
}

type Story = Callable[[FaultScene], Awaitable[None]]


async def silence_at_the_only_target(name: str, scene: FaultScene) -> None:
    step, stream = SILENT[name]
    route = f"only-{name}"
    answer = await scene.ask(route, stream=stream)
    assert answer.verdict == (504, "upstream_timeout")
    assert f"{SHORT:g} s" in answer.error["message"]
    assert 2 * SHORT <= answer.seconds < 2 * SHORT + SLACK
    calls = scene.calls(route)
    assert [call.step for call in calls] == [step, step]
    assert [await scene.server.ended(call) for call in calls] == ["left", "left"]
    assert calls[0].left is not None
    assert calls[0].left <= calls[1].began


async def silence_that_passes(name: str, scene: FaultScene) -> None:
    route = f"once-{name}"
    answer = await scene.ask(route, stream=SILENT[name][1])
    silent, good = scene.calls(route)
    assert answer.call == good.number
    assert answer.seconds >= SHORT
    assert silent.ending == "left"


async def silence_at_the_first_of_two_targets(name: str, scene: FaultScene) -> None:
    route = f"first-{name}"
    answer = await scene.ask(route, stream=SILENT[name][1])
    [silent], [good] = scene.calls(route), scene.calls(route, 1)
    assert answer.call == good.number
    assert answer.target == f"{provider_of(route, 1)}/ok"
    assert answer.seconds >= SHORT
    assert await scene.server.ended(silent) == "left"


async def a_limit_without_a_time_is_waited_for_a_second(name: str, scene: FaultScene) -> None:
    route = f"once-{name}"
    answer = await scene.ask(route, stream=UNTIMED[name])
    limited, good = scene.calls(route)
    assert answer.call == good.number
    assert 1.0 <= good.began - limited.began < 1.1 + SLACK


async def a_limit_without_a_time_is_not_waited_for_where_there_is_another_target(
    name: str, scene: FaultScene
) -> None:
    route = f"first-{name}"
    answer = await scene.ask(route, stream=UNTIMED[name])
    [limited], [good] = scene.calls(route), scene.calls(route, 1)
    assert answer.call == good.number
    assert good.began - limited.began < 1.0


async def the_time_that_a_limit_names_is_waited_for_once(scene: FaultScene) -> None:
    answer = await scene.ask("limited-for-a-second")
    limited, good = scene.calls("limited-for-a-second")
    assert answer.call == good.number
    assert 1.0 <= good.began - limited.began < 1.9


async def a_long_limit_is_told_and_not_waited_for(scene: FaultScene) -> None:
    route = "limited-for-an-hour"
    for _ in range(2):
        answer = await scene.ask(route)
        assert answer.verdict == (429, "rate_limit_exceeded")
        assert answer.error["type"] == "requests"
        assert HOUR - 10 <= answer.retry_after <= HOUR
        assert answer.seconds < SLACK
        # The second request finds the target parked.
        assert len(scene.calls(route)) == 1


async def a_long_limit_is_gone_round(scene: FaultScene) -> None:
    route = "limited-for-an-hour-first"
    for number, attempts in ((1, 2), (2, 1)):
        answer = await scene.ask(route)
        assert answer.call == scene.calls(route, 1)[-1].number
        assert answer.attempts == attempts
        assert answer.seconds < SLACK
        assert [len(scene.calls(route, place)) for place in (0, 1)] == [1, number]
    assert f"{provider_of(route)}/limited-{HOUR}.ok=parked" in (
        answer.head.header("x-ai-proxy-route") or ""
    )


async def who_comes_during_a_rest_is_told_how_long_it_takes(scene: FaultScene) -> None:
    """The one that met the limit waits; for others it would be longer than they know."""
    route = "busy-for-a-second"
    waiting = asyncio.ensure_future(scene.ask(route))
    limited = await scene.call(route)
    await scene.server.ended(limited)
    while (answer := await scene.ask(route)).status == 200:
        pass
    assert answer.verdict == (429, "rate_limit_exceeded")
    assert answer.retry_after == 1
    assert answer.attempts == 0
    await waiting


async def those_who_met_a_limit_together_wait_together(scene: FaultScene) -> None:
    """Each of them hears of it a moment after another, and is told the same time."""
    route = "limited-together"
    answers = await asyncio.gather(*(scene.ask(route) for _ in range(GROUP)))
    assert [answer.status for answer in answers] == [200] * GROUP
    calls = scene.calls(route)
    assert len(calls) == 2 * GROUP
    assert {answer.call for answer in answers} == {call.number for call in calls[GROUP:]}


async def no_try_is_begun_that_the_deadline_would_end(scene: FaultScene) -> None:
    """Two calls have taken 2.2 s of its 2.85, and a try is given a second at least."""
    await has_its_answer_after_two_calls("deadline-while-failing", scene)


async def no_target_is_asked_that_the_deadline_would_end(scene: FaultScene) -> None:
    await has_its_answer_after_two_calls("deadline-at-the-second", scene)
    assert not scene.calls("deadline-at-the-second", 1)


async def has_its_answer_after_two_calls(route: str, scene: FaultScene) -> None:
    answer = await scene.ask(route, headers=[("x-stainless-read-timeout", "3")])
    now = asyncio.get_running_loop().time()
    assert answer.verdict == (504, "upstream_timeout")
    _, last = scene.calls(route)
    assert last.ended is not None
    assert now - last.ended < 0.5


async def the_clients_own_time_limit_is_kept(scene: FaultScene) -> None:
    headers = [("x-stainless-read-timeout", "0.5")]
    route = "deadline-while-silent"
    for stream in (False, True):
        answer = await scene.ask(route, stream=stream, headers=headers)
        assert answer.verdict == (504, "upstream_timeout")
        assert 0.4 <= answer.seconds < 0.5 + SLACK
        assert await scene.server.ended(scene.calls(route)[-1]) == "left"
    assert len(scene.calls(route)) == 2


async def a_client_that_retries_itself_is_not_retried_for(scene: FaultScene) -> None:
    headers = [("x-stainless-retry-count", "2")]
    answer = await scene.ask("client-that-retries", headers=headers)
    assert answer.verdict == (503, "upstream_unavailable")
    assert [len(scene.calls("client-that-retries", place)) for place in (0, 1)] == [1, 1]
    answer = await scene.ask("client-that-retries-limited", headers=headers)
    assert answer.verdict == (429, "rate_limit_exceeded")
    assert answer.retry_after == 1
    assert len(scene.calls("client-that-retries-limited")) == 1


async def nobody_is_called_for_a_client_that_left_while_it_waited(scene: FaultScene) -> None:
    route = "client-that-leaves"
    async with scene.connect() as client:
        await client.send(chat_request(route))
        limited = await scene.call(route)
        await scene.server.ended(limited)
        client.abort()
    # Longer than the wait that the client did not wait for.
    await asyncio.sleep(1.3)
    assert len(scene.calls(route)) == 1
    answer = await scene.ask(route)
    assert answer.call == scene.calls(route)[-1].number


async def a_target_that_is_slow_is_overtaken(scene: FaultScene) -> None:
    for stream in (False, True):
        answer = await scene.ask("overtaken", stream=stream)
        slow, good = scene.calls("overtaken")[-1], scene.calls("overtaken", 1)[-1]
        assert answer.call == good.number
        assert 0.1 <= answer.seconds < SLACK
        assert await scene.server.ended(slow) == "left"


async def a_client_that_leaves_a_race_ends_it(scene: FaultScene) -> None:
    route = "race-without-end"
    async with scene.connect() as client:
        await client.send(chat_request(route, stream=True))
        calls = [await scene.call(route, place=place) for place in (0, 1)]
        client.abort()
        assert [await scene.server.ended(call) for call in calls] == ["left", "left"]


OF_SILENCE = (
    silence_at_the_only_target,
    silence_that_passes,
    silence_at_the_first_of_two_targets,
)
OF_UNTIMED_LIMITS = (
    a_limit_without_a_time_is_waited_for_a_second,
    a_limit_without_a_time_is_not_waited_for_where_there_is_another_target,
)
OTHERS = (
    the_time_that_a_limit_names_is_waited_for_once,
    a_long_limit_is_told_and_not_waited_for,
    a_long_limit_is_gone_round,
    who_comes_during_a_rest_is_told_how_long_it_takes,
    those_who_met_a_limit_together_wait_together,
    no_try_is_begun_that_the_deadline_would_end,
    no_target_is_asked_that_the_deadline_would_end,
    the_clients_own_time_limit_is_kept,
    a_client_that_retries_itself_is_not_retried_for,
    nobody_is_called_for_a_client_that_left_while_it_waited,
    a_target_that_is_slow_is_overtaken,
    a_client_that_leaves_a_race_ends_it,
)
STORIES: dict[str, Story] = {
    **{each.__name__: each for each in OTHERS},
    **{f"{each.__name__}-{n}": partial(each, n) for each in OF_SILENCE for n in SILENT},
    **{f"{each.__name__}-{n}": partial(each, n) for each in OF_UNTIMED_LIMITS for n in UNTIMED},
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def under_way(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
    async with open_faults(tmp_path_factory.mktemp("gateway"), ROUTES) as scene:

        async def tell(number: int, story: Story) -> None:
            await asyncio.sleep(APART * number)
            await story(scene)

        tasks = {
            name: asyncio.ensure_future(tell(number, story))
            for number, (name, story) in enumerate(STORIES.items())
        }
        yield tasks
        await asyncio.gather(*tasks.values(), return_exceptions=True)


@pytest.mark.parametrize("story", STORIES)
async def test_how_long_is_waited(under_way: dict[str, asyncio.Task[None]], story: str) -> None:
    await under_way[story]
