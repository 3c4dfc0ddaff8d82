"""How long to wait, in every dialect of headers, bodies and sentences."""

import email.utils
import math
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.adapters.hints import (
    LONGEST,
    duration,
    hint,
    retry_after,
    seconds_until_midnight,
    sensible,
)

NOW = 1_763_700_000.0
"""2025-11-21 04:40:00 UTC."""


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "1"}, 1),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": " 20 "}, 20),
        ({"retry-after": "3600"}, 3600),
        ({"Retry-After": "5"}, 5),
        ({"retry-after": "604800"}, 604800),
        ({"retry-after": "604801"}, None),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "NaN"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-inf"}, None),
        ({"retry-after": "1e400"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "\uff13"}, None),
        ({"retry-after": "0x10"}, None),
        ({"retry-after": "1_0"}, None),
        ({"retry-after": "20s"}, None),
        ({"retry-after-ms": "100"}, 0.1),
        ({"retry-after-ms": "250.5"}, 0.2505),
        ({"retry-after-ms": "100", "retry-after": "5"}, 0.1),
        ({"retry-after-ms": "junk", "retry-after": "5"}, 5),
        ({"retry-after-ms": "-5", "retry-after": "5"}, 5),
        ({"retry-after-ms": "9" * 12, "retry-after": "5"}, 5),
        ({"retry-after-ms": "NaN"}, None),
        ({"retry-after": email.utils.formatdate(NOW + 90, usegmt=True)}, 90),
        ({"retry-after": email.utils.formatdate(NOW + 90).replace("-0000", "+0000")}, 90),
        ({"retry-after": email.utils.formatdate(NOW, usegmt=True)}, None),
        ({"retry-after": email.utils.formatdate(NOW - 90, usegmt=True)}, None),
        ({"retry-after": email.utils.formatdate(NOW + LONGEST + 1, usegmt=True)}, None),
        ({"retry-after": "Mon, 99 Foo 2026 25:61:61 GMT"}, None),
        ({"retry-after": "Fri, 21 Nov 99999999 04:40:00 GMT"}, None),
    ],
)
def test_every_form_of_retry_after_is_read_or_ignored(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers, NOW) == seconds
    assert hint(headers, {}, NOW) == seconds


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_the_old_form_of_a_date_is_gmt_whatever_the_zone_here(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asctime = time.asctime(time.gmtime(NOW + 90))
    try:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", zone)
            time.tzset()
            assert retry_after({"retry-after": asctime}, NOW) == 90
    finally:
        time.tzset()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("34s", 34),
        ("57.238747106s", 57.238747106),
        ("200ms", 0.2),
        ("789.6ms", 0.7896),
        ("120ms", 0.12),
        ("1s", 1),
        ("0s", 0),
        ("1h16m0.6s", 3600 + 16 * 60 + 0.6),
        ("6m0s", 360),
        ("2m59.56s", 179.56),
        ("9m38.016s", 578.016),
        ("1h2m3s", 3723),
        ("41.724s", 41.724),
        ("5m", 300),
        ("1h0m0s", 3600),
        ("1m200ms", 60.2),
        ("1d2h", 26 * 3600),
        ("10us", 1e-5),
        ("10µs", 1e-5),
        ("10ns", 1e-8),
    ],
)
def test_a_duration_is_read(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        *("", "34", "s", "-1s", "+1s", "1.s", ".5s", "1e3s", "34 s", "34s ", "1s,", "3x", "٣s"),
        *("NaNs", "1" * 400 + "s", "9" * 308 + "d", "1s" + "9" * 400 + "ns"),
    ],
)
def test_what_is_no_duration_is_none(text: str) -> None:
    assert duration(text) is None


@given(st.text() | st.from_regex(r"[0-9.]{1,30}(h|m|s|ms|us)", fullmatch=True))
def test_no_text_whatever_breaks_the_reading_of_durations(text: str) -> None:
    seconds = duration(text)
    assert seconds is None or 0 <= seconds < math.inf


@given(st.integers(0, 23), st.integers(0, 59), st.integers(0, 59_999))
def test_a_duration_as_go_writes_it_is_its_parts(hours: int, minutes: int, ms: int) -> None:
    text = f"{hours}h{minutes}m{ms / 1000}s"
    assert duration(text) == pytest.approx(hours * 3600 + minutes * 60 + ms / 1000)


def retry_info(delay: object) -> dict[str, Any]:
    return {
        "details": [
            "junk",
            {"@type": "type.googleapis.com/google.rpc.Help", "retryDelay": "1s"},
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay},
        ]
    }


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [
        ("34s", 34),
        ("57.238747106s", 57.238747106),
        ("200ms", 0.2),
        ("1h16m0.6s", 4560.6),
        ("0s", None),
        ("999999s", None),
        ("soon", None),
        (34, None),
        (None, None),
        ({}, None),
    ],
)
def test_the_delay_in_the_details_is_read(delay: object, seconds: float | None) -> None:
    assert hint({}, retry_info(delay), NOW) == seconds


@pytest.mark.parametrize(
    ("sentence", "seconds"),
    [
        ("You exceeded your current quota… Please retry in 34.074824224s.", 34.074824224),
        ("Limit 8000, Used 5536, Requested 5599. Please try again in 23.5125s. Need", 23.5125),
        ("Please try again in 789.6ms. Visit", 0.7896),
        ("Please try again in 9m38.016s.", 578.016),
        ("Please try again in 1h2m3s", 3723),
        ("Please retry after 26 seconds.", 26),
        ("Please retry after 1 second.", 1),
        ("Try again in 1 minute and 30 seconds.", 90),
        ("try again in about 2 minutes", 120),
        ("Please wait 20 seconds before trying again", 20),
        ("Please wait at least 20 seconds before retrying", 20),
        ("wait for 5 secs", 5),
        ("Try again in 2 hours, 5 mins", 7500),
        ("Please retry shortly, or add your own key", None),
        ("Please try again in 3 attempts", None),
        ("Please try again in 30 days", None),
        ("Please try again in 20", None),
        ("retry 3 times", None),
        ("retrying 3s", None),
        ("", None),
    ],
)
def test_the_time_in_a_sentence_is_read(sentence: str, seconds: float | None) -> None:
    assert hint({}, {"message": sentence}, NOW) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1763700090000"}, 90),
        ({"X-RateLimit-Reset": "1763700090000"}, 90),
        ({"X-RateLimit-Reset": 1763700090000}, 90),
        ({"X-RateLimit-Reset": "1763700090"}, 90),
        ({"X-RateLimit-Reset": "90"}, 90),
        ({"X-RateLimit-Remaining": "3", "X-RateLimit-Reset": "1763700090000"}, None),
        ({"X-RateLimit-Remaining": 0, "X-RateLimit-Reset": "1763699990000"}, None),
        ({"X-RateLimit-Reset": None}, None),
        ({"X-RateLimit-Reset": []}, None),
        ({"Content-Type": "text/plain"}, None),
        ("X-RateLimit-Reset: 90", None),
    ],
)
def test_the_reset_in_quoted_headers_is_read(headers: object, seconds: float | None) -> None:
    error = {"message": "Rate limit exceeded", "metadata": {"headers": headers}}
    assert hint({}, error, NOW) == seconds


def rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(NOW + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2m59.56s"}, 179.56),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "7.66s"}, 7.66),
        ({"X-RateLimit-Remaining-Tokens": "0", "X-RateLimit-Reset-Tokens": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "1s"}, None),
        ({"x-ratelimit-reset-requests": "1s"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1763700090000"}, 90),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "6m0s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "1s",
            },
            360,
        ),
        (
            {
                "x-ratelimit-remaining-requests": "14370",
                "x-ratelimit-reset-requests": "6m0s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "1s",
            },
            1,
        ),
        (
            {
                "anthropic-ratelimit-requests-remaining": "0",
                "anthropic-ratelimit-requests-reset": rfc3339(90),
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": rfc3339(30),
                "anthropic-ratelimit-tokens-remaining": "7",
                "anthropic-ratelimit-tokens-reset": rfc3339(600),
            },
            90,
        ),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "2025-11-21T04:41:00"}, 60),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": rfc3339(-90)}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "0001-01-01T00:00:00+23:59"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "tomorrow"}, None),
        ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": ""}, None),
    ],
)
def test_the_reset_of_a_limit_of_which_nothing_remains_is_read(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert hint(headers, {}, NOW) == seconds


SAID = [
    ({"retry-after-ms": "1000"}, {}),
    ({"retry-after": "2"}, {}),
    ({}, retry_info("3s")),
    ({}, {"message": "Please try again in 4s."}),
    ({}, {"metadata": {"headers": {"X-RateLimit-Reset": "5"}}}),
    ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": "6s"}, {}),
]


@pytest.mark.parametrize("first", range(len(SAID)))
def test_of_several_hints_the_most_exact_one_counts(first: int) -> None:
    headers: dict[str, str] = {}
    error: dict[str, Any] = {}
    for each in SAID[first:]:
        headers |= each[0]
        error |= each[1]
    assert hint(headers, error, NOW) == first + 1


def test_the_hint_of_an_error_inside_comes_first() -> None:
    error = {
        "message": "Provider returned error. Please retry in 9s.",
        "metadata": {"raw": '{"error":{"message":"Please try again in 2s."}}'},
    }
    assert hint({}, error, NOW) == 2


def test_the_hint_of_the_error_outside_counts_where_the_one_inside_says_none() -> None:
    error = {
        "message": "Please retry in 9s.",
        "metadata": {"raw": "limited upstream", "headers": {"X-RateLimit-Reset": "5"}},
    }
    assert hint({}, error, NOW) == 9


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.001, 0.001),
        (LONGEST, LONGEST),
        (LONGEST + 1, None),
        (0.0, None),
        (-1.0, None),
        (float("inf"), None),
        (float("-inf"), None),
        (float("nan"), None),
    ],
)
def test_only_a_time_that_can_be_waited_for_is_a_hint(
    seconds: float, expected: float | None
) -> None:
    assert sensible(seconds) == expected


@pytest.mark.parametrize(
    ("zone", "now", "seconds"),
    [
        ("UTC", "2025-11-21T04:40:00+00:00", 19 * 3600 + 20 * 60),
        ("UTC", "2025-11-21T00:00:00+00:00", 24 * 3600),
        ("UTC", "2025-11-21T23:59:59.500+00:00", 0.5),
        ("America/Los_Angeles", "2025-11-21T04:40:00+00:00", 3 * 3600 + 20 * 60),
        ("America/Los_Angeles", "2025-11-02T07:00:00+00:00", 25 * 3600),
        ("America/Los_Angeles", "2025-03-09T08:00:00+00:00", 23 * 3600),
        ("America/Los_Angeles", "2025-12-31T23:00:00-08:00", 3600),
    ],
)
def test_midnight_is_where_the_provider_is(zone: str, now: str, seconds: float) -> None:
    assert seconds_until_midnight(zone, datetime.fromisoformat(now).timestamp()) == seconds


def test_without_the_zone_s_data_midnight_is_utc_s() -> None:
    assert seconds_until_midnight("Nowhere/At_All", NOW) == seconds_until_midnight("UTC", NOW)


@given(st.floats(0, 4e9), st.sampled_from(["UTC", "America/Los_Angeles", "Asia/Kolkata"]))
def test_midnight_is_always_ahead_and_never_far(now: float, zone: str) -> None:
    assert 0 < seconds_until_midnight(zone, now) <= 25 * 3600


NAMES = st.sampled_from(
    [
        "retry-after",
        "retry-after-ms",
        "x-ratelimit-reset",
        "x-ratelimit-remaining",
        "a-ratelimit-b-reset",
        "a-ratelimit-b-remaining",
    ]
)
VALUES = (
    st.text()
    | st.integers().map(str)
    | st.datetimes().map(str)
    | st.floats(0, 1e9).map(email.utils.formatdate)
    | st.sampled_from(["0", "1s", "9" * 400])
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES | st.text(), inner),
    max_leaves=6,
)
ERRORS = st.dictionaries(st.sampled_from(["message", "details", "metadata", "detail"]), JSON)


@given(st.dictionaries(NAMES, VALUES), ERRORS, st.floats(0, 4e9))
def test_no_reply_whatever_breaks_the_reading_of_hints(
    headers: dict[str, str], error: dict[str, Any], now: float
) -> None:
    found = hint(headers, error, now)
    assert found is None or 0 < found <= LONGEST


@given(st.dictionaries(NAMES, JSON))
def test_no_quoted_headers_whatever_break_the_reading(headers: dict[str, Any]) -> None:
    found = hint({}, {"metadata": {"headers": headers}}, NOW)
    assert found is None or 0 < found <= LONGEST
