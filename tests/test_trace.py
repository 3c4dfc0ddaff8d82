"""What is known of an exchange before anything has happened."""

from llm_gateway.trace import Trace


def test_at_first_nothing_is_known_but_the_exchange() -> None:
    trace = Trace("req_test")
    assert trace.exchange == "req_test"
    assert (trace.model, trace.target, trace.attempts) == (None, None, 0)
    assert (trace.dropped, trace.usage, trace.failure) == ((), None, None)
