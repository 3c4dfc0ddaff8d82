"""What the headers of a good answer say of limits of which nothing is left."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.adapters.hints import LONGEST, until_reset

NOW = 1_763_700_000.0
"""2025-11-21 04:40:00 UTC."""


def openai(left: str, reset: str, *, limit: str = "100", unit: str = "requests") -> dict[str, str]:
    """As OpenAI, Groq and many others say it."""
    return {
        f"x-ratelimit-limit-{unit}": limit,
        f"x-ratelimit-remaining-{unit}": left,
        f"x-ratelimit-reset-{unit}": reset,
    }


def anthropic(
    left: str, seconds: float, *, limit: str = "50", unit: str = "requests"
) -> dict[str, str]:
    reset = datetime.fromtimestamp(NOW + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        f"anthropic-ratelimit-{unit}-limit": limit,
        f"anthropic-ratelimit-{unit}-remaining": left,
        f"anthropic-ratelimit-{unit}-reset": reset,
    }


def plain(
    left: str, reset: str, *, limit: str = "20", prefix: str = "X-RateLimit"
) -> dict[str, str]:
    """As OpenRouter says it, and in the draft of a standard without the `X-`."""
    return {f"{prefix}-Limit": limit, f"{prefix}-Remaining": left, f"{prefix}-Reset": reset}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (openai("0", "2m59.56s"), 179.56),
        (openai("0", "120ms"), 0.12),
        (openai("0", "7.66s", unit="tokens"), 7.66),
        (openai("0", "33011.382867", unit="requests-day"), 33011.382867),
        (openai("0", "1763700060"), 60),
        (anthropic("0", 90), 90),
        (anthropic("0", 30, unit="input-tokens"), 30),
        (plain("0", "1763700090000"), 90),
        (plain("0", "30", prefix="RateLimit"), 30),
        (plain("0", "2025-11-21T04:41:00+00:00"), 60),
        (plain(" 0 ", " 30 "), 30),
        (plain("0.0", "30"), 30),
    ],
)
def test_a_limit_of_which_nothing_is_left_rests_until_it_begins_anew(
    headers: dict[str, str], seconds: float
) -> None:
    assert until_reset(headers, NOW) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "application/json", "retry-after": "30"},
        openai("1", "30s"),
        openai("14370", "6s") | openai("17997", "7.66s", unit="tokens"),
        anthropic("49", 90) | anthropic("7", 90, unit="tokens"),
        plain("1", "30"),
        plain("-1", "30"),
        plain("", "30"),
        plain("none", "30"),
    ],
)
def test_where_something_is_left_nothing_rests(headers: dict[str, str]) -> None:
    assert until_reset(headers, NOW) is None


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ratelimit-reset-requests": "30s"},
        {"x-ratelimit-remaining-requests": "0"},
        {"x-ratelimit-limit-requests": "100", "x-ratelimit-remaining-requests": "0"},
        {"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-requests": "30s"},
        plain("0", "soon"),
        plain("0", ""),
        plain("0", "0"),
        plain("0", "-5"),
        plain("0", "1763699990"),
        plain("0", "999999999999999999"),
        plain("0", "9" * 400),
        plain("0", "nan"),
        {"RateLimit": '"default";r=0;t=30'},
    ],
)
def test_what_does_not_say_both_how_much_and_until_when_says_nothing(
    headers: dict[str, str],
) -> None:
    assert until_reset(headers, NOW) is None


@pytest.mark.parametrize(
    "headers",
    [
        openai("0", "30s", limit="0"),
        openai("0", "30s", limit="0", unit="tokens"),
        anthropic("0", 90, limit="0", unit="output-tokens"),
        plain("0", "30", limit="0"),
        plain("0", "30", limit=" 0 "),
    ],
)
def test_a_limit_of_nothing_is_no_limit_as_there_was_an_answer(headers: dict[str, str]) -> None:
    assert until_reset(headers, NOW) is None


def test_a_limit_of_nothing_hides_no_other() -> None:
    headers = openai("0", "90s", limit="0", unit="tokens") | openai("0", "30s")
    assert until_reset(headers, NOW) == 30


def test_of_several_the_last_to_begin_anew_counts() -> None:
    minute, day = openai("0", "30s"), openai("0", "3600", unit="requests-day")
    assert until_reset(minute | day, NOW) == 3600
    assert until_reset(minute | openai("9", "3600", unit="requests-day"), NOW) == 30
    assert until_reset(anthropic("0", 20) | anthropic("0", 10, unit="tokens"), NOW) == 20


def test_names_of_headers_may_be_written_anyhow() -> None:
    headers = {name.title(): value for name, value in openai("0", "30s").items()}
    assert until_reset(headers, NOW) == 30


NAMES = st.builds(
    "{}-{}{}".format,
    st.sampled_from(["x-ratelimit", "RateLimit", "a-ratelimit-tokens"]),
    st.sampled_from(["limit", "remaining", "reset"]),
    st.sampled_from(["", "-requests"]),
)
VALUES = st.sampled_from(["0", "30s", "30", "1763700030", "", "9" * 400]) | st.text(max_size=9)


@given(st.dictionaries(NAMES | st.text(max_size=9), VALUES), st.floats(0, 4e9))
def test_whatever_the_headers_are_it_is_a_time_that_can_be_waited_for(
    headers: dict[str, str], now: float
) -> None:
    found = until_reset(headers, now)
    assert found is None or 0 < found <= LONGEST
