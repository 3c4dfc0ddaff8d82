"""The headers say what OpenAI's say, in its forms."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_gateway.adapters.hints import duration
from llm_gateway.limits.quota import Level, Standing
from llm_gateway.limits.ratelimit_headers import headers, together


def reset(seconds: float) -> str:
    standing = Standing(Level(500, 499, seconds, "minute"), None)
    return dict(headers(standing))["x-ratelimit-reset-requests"]


REQUESTS, TOKENS = Level(1, 1, 0.0, "day"), Level(2, 2, 0.0, "day")


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        (None, None, None),
        (None, Standing(REQUESTS, None), Standing(REQUESTS, None)),
        (Standing(REQUESTS, None), None, Standing(REQUESTS, None)),
        (Standing(REQUESTS, None), Standing(TOKENS, TOKENS), Standing(REQUESTS, TOKENS)),
        (Standing(None, REQUESTS), Standing(TOKENS, TOKENS), Standing(TOKENS, REQUESTS)),
    ],
)
def test_of_each_unit_the_first_that_has_a_limit_is_told(
    first: Standing | None, second: Standing | None, told: Standing | None
) -> None:
    assert together(first, second) == told


def test_each_unit_has_its_three() -> None:
    standing = Standing(Level(500, 499, 0.12, "minute"), Level(30_000, 0, 360.0, "day"))
    assert headers(standing) == (
        ("x-ratelimit-limit-requests", "500"),
        ("x-ratelimit-remaining-requests", "499"),
        ("x-ratelimit-reset-requests", "120ms"),
        ("x-ratelimit-limit-tokens", "30000"),
        ("x-ratelimit-remaining-tokens", "0"),
        ("x-ratelimit-reset-tokens", "6m0s"),
    )


@pytest.mark.parametrize(
    ("standing", "unit"),
    [
        (Standing(Level(1, 0, 1.0, "hour"), None), "requests"),
        (Standing(None, Level(1, 0, 1.0, "hour")), "tokens"),
    ],
)
def test_a_unit_without_a_limit_has_none(standing: Standing, unit: str) -> None:
    assert [name for name, _ in headers(standing)] == [
        f"x-ratelimit-{what}-{unit}" for what in ("limit", "remaining", "reset")
    ]
    assert headers(Standing(None, None)) == ()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0s"),
        (0.0001, "1ms"),
        (0.12, "120ms"),
        (0.9991, "1s"),
        (1.0, "1s"),
        (1.1, "1.1s"),
        (8.6401, "8.641s"),
        (59.999, "59.999s"),
        (59.9991, "1m0s"),
        (60.0, "1m0s"),
        (360.0, "6m0s"),
        (61.25, "1m1.25s"),
        (3599.9999, "1h0m0s"),
        (3660.0, "1h1m0s"),
        (86_399.5, "23h59m59.5s"),
        (90_000.0, "25h0m0s"),
        # What a clock that counts from 1970 makes of 0.13 s.
        (1_800_000_000.13 - 1_800_000_000.0, "130ms"),
    ],
)
def test_times_are_written_as_go_does(seconds: float, text: str) -> None:
    assert reset(seconds) == text


@given(st.floats(0, 100_000))
@example(0.0)
def test_a_time_is_never_too_short_nor_a_millisecond_too_long(seconds: float) -> None:
    read = duration(reset(seconds))
    assert read is not None
    assert seconds - 1e-6 <= read <= seconds + 0.001 + 1e-6
