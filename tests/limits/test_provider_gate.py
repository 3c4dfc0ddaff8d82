"""What the targets of one provider share."""

from dataclasses import replace

from llm_gateway.config import BreakerPolicy, Http, ThrottlePolicy
from llm_gateway.limits.provider_gate import ProviderGate
from support.fakes import make_provider
from support.manual_clock import ManualClock
from support.virtual_time import run

ONCE_BROKEN = BreakerPolicy(failures=1, open=5.0, jitter=0.0)
PROVIDER = replace(make_provider(http=Http(connect=3.0)), breaker=ONCE_BROKEN)


def test_a_probe_is_taken_for_connected_when_connecting_would_have_failed() -> None:
    clock = ManualClock()
    gate = ProviderGate(PROVIDER, clock)
    first = gate.breaker.acquire()
    assert first is not None
    first.fail("upstream_connection_error")
    clock.now += 5
    assert gate.breaker.acquire() is not None
    clock.now += 3.5
    assert gate.breaker.acquire() is None
    clock.now += 0.5
    assert all(gate.breaker.acquire() for _ in range(3))


def test_a_new_configuration_changes_the_rules_and_not_what_was_counted() -> None:
    async def main() -> None:
        gate = ProviderGate(PROVIDER, ManualClock())
        await gate.throttle.acquire()
        breaker, budget, throttle = gate.breaker, gate.budget, gate.throttle
        gate.adopt(replace(PROVIDER, throttle=ThrottlePolicy(max_concurrent=1)))
        assert (gate.breaker, gate.budget, gate.throttle) == (breaker, budget, throttle)
        assert gate.throttle.busy

    run(main())
