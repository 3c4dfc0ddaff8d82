"""Steps of adapters over a wire: batches at the same time, and every way in which they end."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from llm_gateway.adapters.contract import Site, Steps, Whole
from llm_gateway.config import Credential
from llm_gateway.errors import UpstreamConnectionError, UpstreamError
from llm_gateway.patience import Patience
from llm_gateway.secret import Secret
from llm_gateway.upstream import Upstream, site_of
from llm_gateway.wire import UpstreamRequest
from support.fakes import KEY, LABEL, FakeResponse, make_provider
from support.scripted import make_kind
from support.waiting import Changes

BROKEN = UpstreamConnectionError("It broke.")


class PathWire:
    """Answers each path in its own way: with a response, an error, or when it is told to.

    ``events`` holds what was sent, answered and given up, in order.
    """

    def __init__(self) -> None:
        self.gates: dict[str, asyncio.Event] = {}
        self.answers: dict[str, FakeResponse | Exception] = {}
        self.events: list[str] = []
        self.patience: list[Patience] = []
        self._changes = Changes()

    async def send(self, request: UpstreamRequest, patience: Patience) -> FakeResponse:
        """See Wire."""
        path = request.url.removeprefix("http://p.invalid/v1/")
        self._note(f"{path} sent")
        self.patience.append(patience)
        try:
            if path in self.gates:
                await self.gates[path].wait()
        except asyncio.CancelledError:
            self._note(f"{path} given up")
            raise
        self._note(f"{path} answered")
        answer = self.answers.get(path) or FakeResponse(path.encode())
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def close(self) -> None:
        """See Wire."""

    async def seen(self, count: int) -> None:
        """Wait until there are so many events."""
        await self._changes.until(lambda: len(self.events) >= count)

    def _note(self, event: str) -> None:
        self.events.append(event)
        self._changes.tell()


def requests(*paths: str) -> list[UpstreamRequest]:
    site = site_of(make_provider())
    return [site.request("GET", f"/{path}", LABEL) for path in paths]


class Recipe:
    """Batches by their paths; keeps the answers, and how the generator ended."""

    def __init__(self, *batches: Sequence[str]) -> None:
        self.batches = batches
        self.answers: list[list[Whole]] = []
        self.closed = False

    def steps(self) -> Steps[str]:
        """Ends with all the bodies in one text."""
        try:
            for batch in self.batches:
                self.answers.append([*(yield requests(*batch))])
            return " ".join(each.body.decode() for batch in self.answers for each in batch)
        finally:
            self.closed = True


async def run(wire: PathWire, recipe: Recipe) -> str:
    provider = make_provider()
    upstream = Upstream(provider, make_kind(), site_of(provider), wire)
    return await upstream.run(recipe.steps(), Patience())


async def test_the_result_is_returned_when_every_batch_was_answered() -> None:
    wire, recipe = PathWire(), Recipe("a", "b")
    assert await run(wire, recipe) == "a b"
    assert wire.events == ["a sent", "a answered", "b sent", "b answered"]
    assert recipe.closed


async def test_steps_that_need_no_request_send_none() -> None:
    wire = PathWire()
    assert await run(wire, Recipe()) == ""
    assert await run(wire, Recipe(())) == ""
    assert wire.events == []


async def test_a_batch_is_sent_at_once_and_its_answers_come_back_in_its_order() -> None:
    wire, recipe = PathWire(), Recipe("abc", "d")
    wire.gates = {path: asyncio.Event() for path in "abc"}
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(run(wire, recipe))
        for number, path in enumerate("cba"):
            await wire.seen(3 + number)
            wire.gates[path].set()
    assert running.result() == "a b c d"
    assert wire.events[:3] == ["a sent", "b sent", "c sent"]
    assert wire.events[3:6] == ["c answered", "b answered", "a answered"]
    assert wire.events[6:] == ["d sent", "d answered"]


async def test_an_answer_is_given_whole_with_its_status_and_headers() -> None:
    wire, recipe = PathWire(), Recipe("a")
    wire.answers["a"] = FakeResponse(b"x", b"y", status=503, headers={"retry-after": "7"})
    assert await run(wire, recipe) == "xy"
    [[answer]] = recipe.answers
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (503, b"xy", "7")


async def test_every_request_runs_under_the_exchange_s_patience() -> None:
    wire, provider, patience = PathWire(), make_provider(), Patience()
    upstream = Upstream(provider, make_kind(), site_of(provider), wire)
    await upstream.run(Recipe("ab").steps(), patience)
    assert wire.patience == [patience, patience]


async def failure(wire: PathWire, recipe: Recipe) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the caller looks at it
        await run(wire, recipe)
    assert recipe.closed
    return caught.value


@pytest.mark.parametrize(
    "answer",
    [lambda: BROKEN, lambda: FakeResponse(b"half", BROKEN)],
    ids=["no answer", "half an answer"],
)
async def test_a_request_that_fails_ends_the_others_and_its_own_error_comes_out(
    answer: Callable[[], FakeResponse | Exception],
) -> None:
    wire, recipe = PathWire(), Recipe("abc", "d")
    wire.gates = {"a": asyncio.Event(), "c": asyncio.Event()}
    wire.answers["b"] = answer()
    assert await failure(wire, recipe) is BROKEN
    assert sorted(wire.events) == [
        "a given up",
        "a sent",
        "b answered",
        "b sent",
        "c given up",
        "c sent",
    ]


async def test_of_two_failures_the_first_comes_out() -> None:
    wire, first = PathWire(), UpstreamConnectionError("The first.")
    wire.answers = {"a": first, "b": BROKEN}
    assert await failure(wire, Recipe("ab")) is first


async def test_a_bug_of_a_wire_comes_out_as_it_is() -> None:
    wire = PathWire()
    wire.answers["a"] = ZeroDivisionError()
    assert isinstance(await failure(wire, Recipe("ab")), ZeroDivisionError)


async def test_the_steps_own_error_comes_out() -> None:
    def refusing() -> Steps[None]:
        [answer] = yield requests("a")
        raise UpstreamError(answer.body.decode())

    provider = make_provider()
    upstream = Upstream(provider, make_kind(), site_of(provider), PathWire())
    with pytest.raises(UpstreamError, match="a"):
        await upstream.run(refusing(), Patience())


async def test_a_client_that_leaves_ends_the_requests_and_the_steps() -> None:
    wire, recipe = PathWire(), Recipe("ab")
    wire.gates = {path: asyncio.Event() for path in "ab"}
    running = asyncio.create_task(run(wire, recipe))
    await wire.seen(2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sorted(wire.events[2:]) == ["a given up", "b given up"]
    assert recipe.closed


async def test_a_time_limit_that_runs_out_ends_the_requests_and_the_steps() -> None:
    wire, recipe, patience = PathWire(), Recipe("a"), Patience()
    wire.gates["a"] = asyncio.Event()
    provider = make_provider()
    upstream = Upstream(provider, make_kind(), site_of(provider), wire)
    with pytest.raises(TimeoutError):
        async with patience.limit(0.01):
            await upstream.run(recipe.steps(), patience)
    assert wire.events == ["a sent", "a given up"]
    assert recipe.closed


def test_a_site_holds_the_address_the_masked_keys_and_the_further_headers() -> None:
    provider = make_provider(
        credentials=(
            Credential("authorization", "Bearer ", Secret(KEY)),
            Credential("x-api-key", "", Secret("canary-second-key")),
        )
    )
    site = site_of(replace(provider, headers=(("x-title", "llm-gateway"),)))
    assert site == Site(
        "http://p.invalid/v1",
        (
            ("authorization", f"Bearer {Secret(KEY).masked}"),
            ("x-api-key", Secret("canary-second-key").masked),
            ("x-title", "llm-gateway"),
        ),
    )
    assert "canary" not in repr(site)
