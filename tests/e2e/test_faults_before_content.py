"""Targets that give no good answer: what the client gets, and how often each target is asked.

Each fault is met in three ways: at the only target, once and then no more, and with a second target
behind the name; and both for whole answers and for streams that fail before their first content.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
import pytest_asyncio

from support.fault_answers import INTERNAL_NAME
from support.fault_scene import FaultScene, Target, open_faults, provider_of
from support.unreachable import (
    REFUSED,
    UNKNOWN_HOST,
    Knocks,
    black_hole,
    no_tls,
    untrusted,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

ATTEMPTS = 3
"""How often one target is asked, where asking again may mend it."""


@dataclass(frozen=True)
class Fault:
    """What a client is told, and who is asked: the same target `again`, and others `elsewhere`."""

    status: int
    code: str
    again: bool = True
    elsewhere: bool = True
    modes: tuple[bool, ...] = (False, True)
    """Whether a stream is asked for."""


WHOLE = (False,)
STREAM = (True,)

BROKEN = Fault(502, "upstream_connection_error")
BROKEN_WHOLE = Fault(502, "upstream_connection_error", modes=WHOLE)
BROKEN_STREAM = Fault(502, "upstream_connection_error", modes=STREAM)
NO_ANSWER = Fault(502, "upstream_invalid_response")
NO_WHOLE_ANSWER = Fault(502, "upstream_invalid_response", modes=WHOLE)
NO_STREAM = Fault(502, "upstream_stream_incomplete", modes=STREAM)
NO_ACCESS = Fault(502, "upstream_auth_error", again=False)

FAULTS: dict[str, Fault] = {
    "rst-before-headers": BROKEN,
    "close-before-headers": BROKEN,
    "eof-after-headers": BROKEN,
    "short-body": BROKEN,
    "rst-in-body": BROKEN_WHOLE,
    "many-headers": BROKEN_WHOLE,
    "huge-header": BROKEN_STREAM,
    "empty-body": NO_ANSWER,
    "html": NO_ANSWER,
    "broken-json": NO_ANSWER,
    "no-choices": NO_ANSWER,
    "no-content": NO_WHOLE_ANSWER,
    "redirect": NO_WHOLE_ANSWER,
    "stream-always": NO_WHOLE_ANSWER,
    "error-in-200-502": Fault(502, "upstream_unavailable"),
    "status-408": Fault(408, "upstream_rejected", modes=WHOLE),
    "status-500": Fault(500, "upstream_unavailable", modes=STREAM),
    "status-502": Fault(502, "upstream_unavailable", modes=WHOLE),
    "status-503": Fault(503, "upstream_unavailable"),
    "status-504": Fault(504, "upstream_unavailable", modes=STREAM),
    "status-524": Fault(503, "upstream_unavailable", modes=WHOLE),
    "status-529": Fault(503, "upstream_unavailable", modes=STREAM),
    "status-401": NO_ACCESS,
    "status-402": Fault(502, "upstream_auth_error", again=False, modes=WHOLE),
    "status-403": Fault(502, "upstream_auth_error", again=False, modes=STREAM),
    "spent": Fault(429, "insufficient_quota", again=False),
    "unknown-model": Fault(404, "model_not_found", again=False),
    "status-413": Fault(413, "upstream_rejected", again=False),
    "status-400": Fault(400, "upstream_rejected", again=False, elsewhere=False),
    "status-422": Fault(422, "upstream_rejected", again=False, elsewhere=False, modes=WHOLE),
    "headers-then-rst": BROKEN_STREAM,
    "headers-then-close": BROKEN_STREAM,
    "headers-then-eof": NO_STREAM,
    "role-then-rst": BROKEN_STREAM,
    "role-then-close": BROKEN_STREAM,
    "role-then-eof": NO_STREAM,
    "error-first-500": Fault(500, "upstream_unavailable", modes=STREAM),
    "error-first-529": Fault(503, "upstream_unavailable", modes=STREAM),
    "error-first-401": Fault(502, "upstream_auth_error", again=False, modes=STREAM),
    "error-first-400": Fault(400, "upstream_rejected", again=False, elsewhere=False, modes=STREAM),
}
CASES = [
    pytest.param(step, stream, id=f"{step}-{'stream' if stream else 'whole'}")
    for step, fault in FAULTS.items()
    for stream in fault.modes
]
faults = pytest.mark.parametrize(("step", "stream"), CASES)

ODD_ANSWERS = ["informed", "trailers"]
"""Whole answers that are good, but for what stands around them."""


def name(way: str, step: str, stream: bool) -> str:
    return f"{way}-{step}-{'stream' if stream else 'whole'}"


def routes() -> Iterator[tuple[str, tuple[Target, ...]]]:
    for step, fault in FAULTS.items():
        for stream in fault.modes:
            yield name("only", step, stream), (Target(step),)
            yield name("once", step, stream), (Target(f"{step}.ok"),)
            yield name("first", step, stream), (Target(step), Target())
    yield "rst-if-reused", (Target("rst-if-reused", provider={"retry": {"attempts": 1}}),)
    yield "headers-to-reflect", (Target("headers-to-reflect"),)
    yield "two-failures", (Target("status-500"), Target("html"))
    for step in ODD_ANSWERS:
        yield step, (Target(step),)


UNREACHABLE = ["refused", "unknown-host", "black-hole", "no-tls", "untrusted"]


@dataclass(frozen=True)
class Faults:
    """The gateway, and the servers that it cannot reach."""

    scene: FaultScene
    no_tls: Knocks
    untrusted: Knocks


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def all_faults(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Faults]:
    async with AsyncExitStack() as stack:
        plain = await stack.enter_async_context(no_tls())
        stranger = await stack.enter_async_context(untrusted(tmp_path_factory.mktemp("tls")))
        addresses = {
            "refused": REFUSED,
            "unknown-host": UNKNOWN_HOST,
            "black-hole": await stack.enter_async_context(black_hole()),
            "no-tls": plain.base_url,
            "untrusted": stranger.base_url,
        }
        table = dict(routes())
        for way, address in addresses.items():
            target = Target(base_url=address, http={"connect": "100ms"})
            table[f"only-{way}"] = (target,)
            table[f"first-{way}"] = (target, Target())
        directory = tmp_path_factory.mktemp("gateway")
        scene = await stack.enter_async_context(open_faults(directory, table))
        yield Faults(scene, plain, stranger)
        assert not scene.server.strays


@pytest.fixture
def scene(all_faults: Faults) -> FaultScene:
    return all_faults.scene


@faults
async def test_a_fault_at_the_only_target(scene: FaultScene, step: str, stream: bool) -> None:
    fault = FAULTS[step]
    route = name("only", step, stream)
    answer = await scene.ask(route, stream=stream)
    calls = ATTEMPTS if fault.again else 1
    assert answer.verdict == (fault.status, fault.code)
    assert len(scene.calls(route)) == calls
    assert answer.attempts == calls
    assert answer.target == f"{provider_of(route)}/{step}"
    useless = fault.elsewhere and not fault.again
    assert answer.head.header("x-should-retry") == ("false" if useless else None)


@pytest.mark.parametrize(
    ("step", "stream"), [case for case in CASES if FAULTS[str(case.values[0])].again]
)
async def test_a_fault_that_passes_is_not_seen(scene: FaultScene, step: str, stream: bool) -> None:
    route = name("once", step, stream)
    answer = await scene.ask(route, stream=stream)
    failed, good = scene.calls(route)
    assert answer.call == good.number
    assert answer.attempts == 2
    assert failed.ended is not None
    assert failed.ended <= good.began


@faults
async def test_a_fault_at_the_first_of_two_targets(
    scene: FaultScene, step: str, stream: bool
) -> None:
    fault = FAULTS[step]
    route = name("first", step, stream)
    answer = await scene.ask(route, stream=stream)
    assert len(scene.calls(route)) == (ATTEMPTS if fault.again else 1)
    others = scene.calls(route, 1)
    if not fault.elsewhere:
        assert answer.verdict == (fault.status, fault.code)
        assert not others
        return
    assert answer.call == others[0].number
    assert len(others) == 1
    assert answer.target == f"{provider_of(route, 1)}/ok"
    assert answer.attempts == len(scene.calls(route)) + 1


@pytest.mark.parametrize("way", UNREACHABLE)
async def test_a_provider_that_cannot_be_reached(all_faults: Faults, way: str) -> None:
    scene = all_faults.scene
    answer = await scene.ask(f"only-{way}")
    # A machine whose resolver is slow, or that has none, learns of the name too late.
    late = way == "black-hole" or (way == "unknown-host" and answer.status == 504)
    assert answer.verdict == (
        (504, "upstream_timeout") if late else (502, "upstream_connection_error")
    )
    assert answer.seconds < 2
    # What is wrong with a certificate will be wrong with it the next time.
    calls = 1 if way == "untrusted" else ATTEMPTS
    assert answer.attempts == calls
    for secret in ("127.0.0.1", "no-such-host"):
        assert secret not in answer.error["message"]
    if way in {"no-tls", "untrusted"}:
        knocks = all_faults.no_tls if way == "no-tls" else all_faults.untrusted
        assert knocks.count == calls

    answer = await scene.ask(f"first-{way}")
    [good] = scene.calls(f"first-{way}", 1)
    assert answer.call == good.number
    assert answer.target == f"{provider_of(f'first-{way}', 1)}/ok"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_connection_that_dies_between_two_calls_is_not_seen(
    scene: FaultScene, stream: bool
) -> None:
    """That a provider has given up an idle connection is found out only by using it.

    It is no attempt, of which there is one.
    """
    before = len(scene.calls("rst-if-reused"))
    answers = [await scene.ask("rst-if-reused", stream=stream) for _ in range(2)]
    calls = scene.calls("rst-if-reused")[before:]
    assert answers[1].call == calls[-1].number
    assert answers[1].attempts == 1
    assert any(call.reused for call in calls)
    assert not calls[-1].reused


async def test_a_redirect_is_not_followed(scene: FaultScene) -> None:
    """Elsewhere the key would be somebody else's."""
    answer = await scene.ask(name("only", "redirect", False))
    assert answer.status == 502
    assert not scene.server.strays


async def test_a_refusal_of_our_key_does_not_count_against_the_clients(scene: FaultScene) -> None:
    answer = await scene.ask(name("only", "status-401", False))
    assert answer.head.header("www-authenticate") is None
    assert "Failure of call" not in answer.error["message"]


async def test_a_models_name_at_its_provider_is_not_told(scene: FaultScene) -> None:
    route = name("only", "unknown-model", False)
    answer = await scene.ask(route)
    assert INTERNAL_NAME not in answer.body.decode()
    assert f"`{route}`" in answer.error["message"]


async def test_a_rejection_says_why_in_the_providers_words(scene: FaultScene) -> None:
    route = name("only", "status-400", False)
    answer = await scene.ask(route)
    assert answer.error["message"].startswith(
        f"Failure of call {scene.calls(route)[-1].number} with the key "
    )


async def test_when_all_targets_fail_the_last_failure_is_told_and_the_way_there(
    scene: FaultScene,
) -> None:
    answer = await scene.ask("two-failures")
    assert answer.verdict == (502, "upstream_invalid_response")
    assert answer.attempts == 2 * ATTEMPTS
    message = answer.error["message"]
    way = answer.head.header("x-ai-proxy-route") or ""
    for place, (steps, outcome) in enumerate(
        [("status-500", "upstream_unavailable"), ("html", "upstream_invalid_response")]
    ):
        tried = f"{provider_of('two-failures', place)}/{steps}={outcome}"
        assert f"{tried} x{ATTEMPTS}" in message
        assert f"{tried} x{ATTEMPTS}" in way
    assert "Failure of call" not in message


@pytest.mark.parametrize("step", ODD_ANSWERS)
async def test_what_stands_around_a_good_answer_does_no_harm(scene: FaultScene, step: str) -> None:
    answer = await scene.ask(step)
    [call] = scene.calls(step)
    assert answer.call == call.number


async def test_nothing_of_a_provider_gets_into_our_headers(scene: FaultScene) -> None:
    answer = await scene.ask("headers-to-reflect")
    names = [field.lower() for field, _ in answer.head.headers]
    assert "set-cookie" not in names
    assert "x-evil" not in names
    assert answer.target == f"{provider_of('headers-to-reflect')}/headers-to-reflect"
    assert answer.head.header("x-request-id") != "of-the-provider"
    assert json.loads(answer.body)["id"].startswith("id")
