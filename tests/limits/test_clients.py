"""What a client may still ask for: counted by its token's name, charged once, and put right."""

import asyncio
import contextlib
import re
from collections.abc import Callable

import pytest

from llm_gateway.adapters.contract import Usage
from llm_gateway.config import ClientToken, Limits, Windows
from llm_gateway.errors import InternalError, RequestError, UpstreamTimeout
from llm_gateway.limits.clients import REROUTING, Clients, Visit
from llm_gateway.limits.quota import MemoryStore
from llm_gateway.trace import Trace
from support.virtual_time import run

LIMITS = Limits(Windows(minute=2), Windows(minute=100))
CI = ClientToken("ci", b"1", limits=LIMITS, concurrent=2)
BOSS = ClientToken("boss", b"2")


def make_clients() -> Clients:
    loop = asyncio.get_running_loop()
    return Clients(MemoryStore(loop.time, loop.time))


async def ask(clients: Clients, client: ClientToken | None = CI, tokens: int = 10) -> Trace:
    """One request that a provider has answered, as far as nobody says otherwise."""
    trace = Trace("req_test", sent=True)
    with clients.visit(client, trace) as visit:
        visit.begin()
        await visit.charge(lambda: tokens)
    await asyncio.sleep(0)
    return trace


async def refusal(clients: Clients, client: ClientToken = CI, tokens: int = 10) -> RequestError:
    with pytest.raises(RequestError) as refused:
        await ask(clients, client, tokens)
    return refused.value


def used(clients: Clients, client: ClientToken = CI) -> list[int]:
    """Requests and tokens of the minute."""
    return [reading.used for reading in clients.quota(client)]


def test_a_request_is_charged_and_says_what_is_left() -> None:
    async def main() -> None:
        clients = make_clients()
        trace = await ask(clients)
        assert trace.allowance is not None
        assert trace.allowance.requests is not None
        assert trace.allowance.requests.remaining == 1
        assert used(clients) == [1, 10]

    run(main())


def test_one_too_many_is_told_whose_limit_it_is_and_when_it_ends() -> None:
    async def main() -> None:
        clients = make_clients()
        await ask(clients)
        await ask(clients)
        error = await refusal(clients)
        headers = dict(error.headers)
        wait = int(headers["retry-after"])
        assert (error.status, error.type, error.code) == (429, "requests", "rate_limit_exceeded")
        assert error.message == (
            "Rate limit reached for token `ci`: 2 requests per minute, of which 0 are left. "
            f"Try again in {wait} s."
        )
        assert headers["x-ratelimit-remaining-requests"] == "0"
        assert used(clients) == [2, 20]
        await asyncio.sleep(wait - 1)
        await refusal(clients)
        await asyncio.sleep(1)
        await ask(clients)

    run(main())


def test_tokens_have_a_limit_of_their_own() -> None:
    async def main() -> None:
        clients = make_clients()
        await ask(clients, tokens=95)
        error = await refusal(clients)
        assert error.type == "tokens"
        assert "100 tokens per minute, of which 5 are left" in error.message

    run(main())


def test_an_estimate_alone_is_no_reason_to_refuse_a_request_for_ever() -> None:
    async def main() -> None:
        clients = make_clients()
        await ask(clients, tokens=10**9)
        assert used(clients) == [1, 100]

    run(main())


def test_tokens_are_not_estimated_where_they_have_no_limit() -> None:
    async def main() -> None:
        clients = make_clients()
        only_requests = ClientToken("r", b"3", limits=Limits(Windows(minute=1)))
        trace = Trace("req_test")
        with clients.visit(only_requests, trace) as visit:
            await visit.charge(lambda: pytest.fail("nobody wants to know"))

    run(main())


def answered(trace: Trace) -> None:
    trace.usage = Usage(3, 4)


def failed(trace: Trace) -> None:
    trace.failure = InternalError()


def broke_off(trace: Trace) -> None:
    trace.failure = InternalError()
    trace.first_byte = 1.0


def too_late(trace: Trace) -> None:
    """The provider may have worked all the time."""
    trace.failure = UpstreamTimeout("late")


def left_in_a_stream(trace: Trace) -> None:
    """Before its usage came."""
    streamed(trace)


def left_with_half_a_count(trace: Trace) -> None:
    """Anthropic's first event counts the prompt."""
    streamed(trace)
    trace.usage = Usage(3, 1)


def broke_off_and_said_so(trace: Trace) -> None:
    """An error event, and ``[DONE]``."""
    streamed(trace)
    trace.complete = True
    trace.failure = InternalError()


def streamed(trace: Trace) -> None:
    trace.first_byte = 1.0
    assert trace.told is not None
    for word in (b"a", b"bcd", b"twelve words"):
        trace.told.add(b'data: {"x": "%s"}\n\n' % word)


def never_left(trace: Trace) -> None:
    trace.sent = False
    trace.failure = InternalError()


def left(trace: Trace) -> None:
    """Its client did."""


@pytest.mark.parametrize(
    ("end", "spent"),
    [
        (answered, [1, 7]),
        (failed, [1, 0]),
        (broke_off, [1, 10]),
        (left, [1, 10]),
        (too_late, [1, 10]),
        (left_in_a_stream, [1, 16]),
        (left_with_half_a_count, [1, 16]),
        (broke_off_and_said_so, [1, 16]),
        (never_left, [0, 0]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
@pytest.mark.parametrize("raises", [False, True])
def test_the_end_puts_it_right(
    end: Callable[[Trace], None], spent: list[int], raises: bool
) -> None:
    async def main() -> None:
        clients = make_clients()
        trace = Trace("req_test", sent=True)
        with contextlib.suppress(ZeroDivisionError), clients.visit(CI, trace) as visit:
            visit.begin()
            await visit.charge(lambda: 10)
            end(trace)
            if raises:
                raise ZeroDivisionError
        await asyncio.sleep(0)
        assert used(clients) == spent
        assert not clients.running

    run(main())


def test_only_so_many_requests_are_under_way_and_a_place_is_free_again() -> None:
    async def main() -> None:
        clients = make_clients()
        with contextlib.ExitStack() as stack:
            for _ in range(2):
                stack.enter_context(clients.visit(CI, Trace("req_test"))).begin()
            late = stack.enter_context(clients.visit(CI, Trace("req_test")))
            with pytest.raises(RequestError) as refused:
                late.begin()
            assert clients.running == {"ci": 2}
            stack.enter_context(clients.visit(BOSS, Trace("req_test"))).begin()
        assert not clients.running
        error = refused.value
        assert (error.status, error.type, error.code) == (429, "requests", "rate_limit_exceeded")
        assert error.message.startswith("Rate limit reached for token `ci`: 2 requests at a time.")
        assert dict(error.headers)["retry-after"] == "1"

    run(main())


@pytest.mark.parametrize("client", [None, BOSS], ids=["the operator", "a client without limits"])
def test_who_has_no_limits_is_not_counted(client: ClientToken | None) -> None:
    async def main() -> None:
        clients = make_clients()
        for _ in range(100):
            assert (await ask(clients, client)).allowance is None
        assert not clients.running

    run(main())


def test_tokens_of_one_name_share_what_the_name_has() -> None:
    async def main() -> None:
        clients = make_clients()
        await ask(clients)
        await ask(clients, ClientToken("ci", b"new", limits=LIMITS))
        await refusal(clients)
        await ask(clients, ClientToken("other", b"1", limits=LIMITS))

    run(main())


def test_other_limits_know_what_was_spent_before() -> None:
    async def main() -> None:
        clients = make_clients()
        for _ in range(5):
            await ask(clients, ClientToken("ci", b"1", limits=Limits(Windows(minute=5))))
        error = await refusal(clients)
        assert "2 requests per minute, of which 0 are left" in error.message

    run(main())


@pytest.mark.parametrize(
    ("client", "allowed"),
    [(None, True), (BOSS, True), (ClientToken("n", b"4", models=()), False)],
)
def test_a_visit_knows_what_may_be_asked_for(client: ClientToken | None, allowed: bool) -> None:
    assert Visit(Clients(MemoryStore()), client, Trace("req_test")).may("m") is allowed


CHEAP = ClientToken("cheap", b"4", models=(re.compile("cheap"),))


@pytest.mark.parametrize("field", REROUTING)
def test_who_may_ask_for_some_models_cannot_have_a_provider_take_another(field: str) -> None:
    async def main() -> None:
        visit = make_clients().visit(CHEAP, Trace("req_test"))
        visit.check({"model": "cheap", field: None})
        with pytest.raises(RequestError, match=f"`cheap`.*'{field}'") as refused:
            visit.check({"model": "cheap", field: ["dear"]})
        assert (refused.value.status, refused.value.param) == (400, field)

    run(main())


@pytest.mark.parametrize("client", [None, BOSS])
def test_who_may_ask_for_all_models_may_name_more_of_them(client: ClientToken | None) -> None:
    async def main() -> None:
        make_clients().visit(client, Trace("req_test")).check({"models": ["dear"]})

    run(main())
