"""Providers are asked for their models in the background, again and again, whatever they answer."""

import asyncio
import logging
from collections.abc import Iterable
from typing import Any

import pytest

from llm_gateway.adapters.contract import Listed, ModelsLister, Site, Steps
from llm_gateway.discovery import (
    AGAIN_AT_MOST,
    AGAIN_SECONDS,
    FRESH_SECONDS,
    PATIENCE_SECONDS,
    Discovery,
)
from llm_gateway.errors import UpstreamAuthError, UpstreamConnectionError, UpstreamError
from llm_gateway.upstream import Upstream, site_of
from llm_gateway.wire import Label
from support import virtual_time
from support.fakes import KEY, FakeResponse, FakeWire, make_provider
from support.scripted import make_kind

MODEL = Listed("up-model", "chat")
PICTURES = Listed("up-pictures", "image")


def listing(site: Site, label: Label) -> Steps[tuple[Listed, ...]]:
    """One request; its answer is the name of a model in each line."""
    [answer] = yield [site.request("GET", "/models", label)]
    if answer.status != 200:
        raise UpstreamAuthError(f"Refused {KEY}.", detail=f"provider answered {answer.status}")
    return tuple(Listed(line, "chat") for line in answer.body.decode().splitlines())


def names(*models: str) -> FakeResponse:
    return FakeResponse("\n".join(models).encode())


class Waits:
    """Keeps how long was to be waited; each wait ends when `pass_` is called."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._over: list[asyncio.Event] = []

    async def __call__(self, seconds: float) -> None:
        over = asyncio.Event()
        self.seconds.append(seconds)
        self._over.append(over)
        await over.wait()

    async def pass_(self) -> None:
        """End the last wait, and let happen what follows."""
        self._over[-1].set()
        await settle()


async def settle() -> None:
    """Let everything happen that needs no more than turns of the loop."""
    for _ in range(20):
        await asyncio.sleep(0)


class Learnt:
    """What a catalogue was told; it can use everything but pictures."""

    def __init__(self) -> None:
        self.lists: list[tuple[str, list[str]]] = []

    def __call__(self, provider: str, listed: Iterable[Listed]) -> int:
        found = [*listed]
        self.lists.append((provider, [each.id for each in found]))
        return sum(each.capability == "chat" for each in found)


def upstream(
    wire: FakeWire,
    *,
    name: str = "p",
    discover: bool = True,
    models: ModelsLister | None = listing,
) -> Upstream:
    provider = make_provider(name, discover=discover)
    return Upstream(provider, make_kind(models=models), site_of(provider), wire)


class Scene:
    """Discovery at one provider that gives these answers."""

    def __init__(self, *answers: FakeResponse | Exception | asyncio.Event, **settings: Any) -> None:
        self.wire = FakeWire(*answers)
        self.learnt = Learnt()
        self.waits = Waits()
        upstreams = [upstream(self.wire, **settings)]
        self.discovery = Discovery(upstreams, self.learnt, self.waits)

    async def start(self) -> None:
        """Begin, and let happen what follows."""
        self.discovery.start()
        await settle()


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "llm_gateway")


def said(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What was logged by the gateway, which holds no secret."""
    assert KEY not in caplog.text
    ours = [each for each in caplog.records if each.name.startswith("llm_gateway")]
    return [(each.levelname, each.getMessage()) for each in ours]


async def test_a_provider_is_asked_once_at_the_start(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(names("a", "b"))
    await scene.start()
    assert scene.learnt.lists == [("p", ["a", "b"])]
    [request] = scene.wire.requests
    assert (request.method, request.url) == ("GET", "http://p.invalid/v1/models")
    assert request.label == Label("models-p", 1, "p", "*")
    assert scene.waits.seconds == [FRESH_SECONDS]
    assert said(caplog) == [("INFO", "p lists 2 models, 2 usable.")]


async def test_a_list_is_asked_for_again_when_it_is_old() -> None:
    scene = Scene(names("a"), names("b"), names("c"))
    await scene.start()
    await scene.waits.pass_()
    await scene.waits.pass_()
    assert scene.learnt.lists == [("p", ["a"]), ("p", ["b"]), ("p", ["c"])]
    assert scene.waits.seconds == [FRESH_SECONDS] * 3


FAILURES: dict[str, tuple[FakeResponse | Exception, str]] = {
    "no connection": (
        UpstreamConnectionError(f"Broke {KEY}.", detail="ServerDisconnectedError"),
        "ServerDisconnectedError",
    ),
    "refused": (FakeResponse(KEY.encode(), status=401), "provider answered 401"),
    "no words": (UpstreamError(f"With {KEY}."), "upstream_error"),
    "too slow": (TimeoutError(), "no answer in time."),
}


@pytest.mark.parametrize("name", FAILURES)
async def test_a_list_that_cannot_be_had_is_asked_for_sooner(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    failure, reason = FAILURES[name]
    scene = Scene(failure, names("a"))
    await scene.start()
    assert scene.learnt.lists == []
    assert said(caplog) == [("WARNING", f"The models of p are not known: {reason}")]
    await scene.waits.pass_()
    assert scene.learnt.lists == [("p", ["a"])]
    assert scene.waits.seconds == [AGAIN_SECONDS, FRESH_SECONDS]


async def test_who_fails_again_and_again_is_asked_ever_more_rarely_until_it_answers() -> None:
    failures = [UpstreamError("No.")] * 6
    scene = Scene(*failures, names("a"), UpstreamError("No."))
    await scene.start()
    for _ in range(7):
        await scene.waits.pass_()
    rarely = [60, 120, 240, 480, AGAIN_AT_MOST, AGAIN_AT_MOST]
    assert scene.waits.seconds == [*rarely, FRESH_SECONDS, AGAIN_SECONDS]


async def test_even_after_a_bug_it_is_asked_for_again(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(ZeroDivisionError(), names("a"))
    await scene.start()
    assert said(caplog) == [("ERROR", "The models of p could not be listed.")]
    await scene.waits.pass_()
    assert scene.learnt.lists == [("p", ["a"])]


async def test_a_catalogue_that_cannot_learn_is_told_again() -> None:
    scene = Scene(names("a"), names("b"))
    scene.discovery._learn = lambda *_: 1 // 0
    await scene.start()
    assert scene.waits.seconds == [AGAIN_SECONDS]
    scene.discovery._learn = scene.learnt
    await scene.waits.pass_()
    assert scene.learnt.lists == [("p", ["b"])]


async def test_what_cannot_be_used_is_counted_apart(caplog: pytest.LogCaptureFixture) -> None:
    def both(_site: Site, _label: Label) -> Steps[tuple[Listed, ...]]:
        yield from ()
        return (MODEL, PICTURES)

    await Scene(models=both).start()
    assert said(caplog) == [("INFO", "p lists 2 models, 1 usable.")]


def test_an_answer_that_does_not_come_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        waits = Waits()
        discovery = Discovery([upstream(FakeWire(asyncio.Event()))], Learnt(), waits)
        discovery.start()
        await asyncio.sleep(PATIENCE_SECONDS - 1)
        assert waits.seconds == []
        await asyncio.sleep(2)
        assert waits.seconds == [AGAIN_SECONDS]
        discovery.stop()

    virtual_time.run(main())
    assert said(caplog) == [("WARNING", "The models of p are not known: no answer in time.")]


def test_the_real_waits_are_an_hour_and_after_a_failure_a_minute() -> None:
    async def main() -> None:
        wire = FakeWire(names("a"), UpstreamError("No."), names("b"))
        discovery = Discovery([upstream(wire)], Learnt())
        discovery.start()
        for seconds, count in ((3599, 1), (2, 2), (58, 2), (2, 3)):
            await asyncio.sleep(seconds)
            assert len(wire.requests) == count
        discovery.stop()

    virtual_time.run(main())


async def test_nothing_is_asked_of_a_provider_that_is_not_to_be_discovered() -> None:
    scene = Scene(discover=False)
    await scene.start()
    assert scene.wire.requests == []
    assert scene.waits.seconds == []


async def test_a_kind_that_lists_nothing_is_asked_for_nothing() -> None:
    scene = Scene(models=None)
    await scene.start()
    assert scene.wire.requests == []
    assert scene.learnt.lists == [("p", [])]


async def test_each_provider_is_asked_on_its_own() -> None:
    broken, good = FakeWire(UpstreamError("No.")), FakeWire(names("a"))
    learnt, waits = Learnt(), Waits()
    upstreams = [upstream(broken, name="broken"), upstream(good, name="good")]
    Discovery(upstreams, learnt, waits).start()
    await settle()
    assert learnt.lists == [("good", ["a"])]
    assert sorted(waits.seconds) == [AGAIN_SECONDS, FRESH_SECONDS]


async def test_when_it_is_stopped_nothing_is_asked_any_more() -> None:
    scene = Scene(names("a"), names("b"))
    await scene.start()
    scene.discovery.stop()
    await scene.waits.pass_()
    assert len(scene.wire.requests) == 1


async def test_stopping_ends_a_request_that_is_under_way(caplog: pytest.LogCaptureFixture) -> None:
    response = FakeResponse(asyncio.Event())
    scene = Scene(response)
    await scene.start()
    assert response.waiting.is_set()
    scene.discovery.stop()
    await settle()
    assert response.closed
    assert (scene.learnt.lists, said(caplog)) == ([], [])
