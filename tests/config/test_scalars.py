from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.config import scalars
from llm_gateway.config.values import Size, Strategy

DURATION = "a duration such as 500ms, 30s, 10m or 1h30m"
POSITIVE = "a duration of more than 0 and at most 168h"
BYTES = "a positive number of bytes such as 33554432, 32MiB, 512KiB or 1MB"
MODEL = (
    "a model name of 1 to 200 letters, digits and ._:/@+- that starts with a letter, a digit or @"
)
PROVIDER = (
    "a provider name of lower-case letters, digits, _ and - that starts with a letter or a digit"
)


def complaint(parse: Callable[[str], object], text: str) -> str:
    """What `parse` says of a text that it refuses; empty if it does not refuse."""
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("0.5s", 0.5),
        ("10m", 600),
        ("1h", 3600),
        ("1h30m", 5400),
        ("1h30m5s250ms", 5405.25),
        ("1.5h", 5400),
        ("600", 600),
        ("0.25", 0.25),
        ("168h", 604800),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert scalars.duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "s", "5 s", "-1s", "+1s", "1:30", "1d", "30m1h", "1s1s", "1e3", ".5s", "5.s", "\u0661s"],
)
def test_other_texts_are_no_durations(text: str) -> None:
    assert complaint(scalars.duration, text) == DURATION


@pytest.mark.parametrize("text", ["0", "0s", "0h0m", "0.0", "168h1ms", "9" * 400, "9" * 400 + "h"])
def test_durations_have_bounds(text: str) -> None:
    assert complaint(scalars.duration, text) == POSITIVE


def test_a_duration_may_be_zero_where_that_is_said() -> None:
    assert [scalars.duration_or_zero(text) for text in ("0", "0s", "0.5s", "168h")] == [
        0.0,
        0.0,
        0.5,
        604800.0,
    ]
    assert complaint(scalars.duration_or_zero, "-1s") == DURATION
    assert complaint(scalars.duration_or_zero, "169h") == "a duration of at most 168h"


@given(st.timedeltas(timedelta(milliseconds=1), timedelta(days=6)))
def test_a_duration_written_in_units_is_the_sum_of_its_parts(span: timedelta) -> None:
    total = max(1, span // timedelta(milliseconds=1))
    minutes, rest = divmod(total, 60_000)
    hours, minutes = divmod(minutes, 60)
    seconds, milliseconds = divmod(rest, 1000)
    text = f"{hours}h{minutes}m{seconds}s{milliseconds}ms"
    assert scalars.duration(text) == pytest.approx(total / 1000)


@given(st.text("0123456789.hms -:e") | st.text())
def test_any_text_is_a_duration_within_bounds_or_a_value_error(text: str) -> None:
    message = complaint(scalars.duration, text)
    assert message in {"", DURATION, POSITIVE}
    assert message or 0 < scalars.duration(text) <= scalars.MAX_DURATION


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("33554432", 33554432),
        ("7B", 7),
        ("32MiB", 32 * 1024 * 1024),
        ("32 MiB", 32 * 1024 * 1024),
        ("512KiB", 512 * 1024),
        ("2GiB", 2 * 1024**3),
        ("1KB", 1000),
        ("1MB", 1_000_000),
        ("1GB", 1_000_000_000),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert scalars.size_in_bytes(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "1.5MiB",
        "1mib",
        "1M",
        "1iB",
        "1  MB",
        "1MB ",
        "0777",
        "1_000",
        "\u0663",
        "9" * 16,
    ],
)
def test_other_texts_are_no_sizes(text: str) -> None:
    assert complaint(scalars.size_in_bytes, text) == BYTES


@given(st.text("0123456789KMGiB ") | st.text())
def test_any_text_is_a_positive_size_or_a_value_error(text: str) -> None:
    message = complaint(scalars.size_in_bytes, text)
    assert message in {"", BYTES}
    assert message or scalars.size_in_bytes(text) > 0


@given(st.integers(-(10**15) + 1, 10**15 - 1))
def test_integers_are_read_as_written(number: int) -> None:
    assert scalars.integer(str(number)) == number


@pytest.mark.parametrize(
    "text", ["", "1.0", "true", "0777", "0x1f", "1_0", "+1", " 1", "\u0663", "1e3"]
)
def test_other_texts_are_no_integers(text: str) -> None:
    assert complaint(scalars.integer, text) == "an integer"


def test_an_integer_may_have_a_least_value() -> None:
    assert scalars.integer_from(1)("1") == 1
    for text in ("0", "-5", "x"):
        assert complaint(scalars.integer_from(1), text) == "an integer of at least 1"


@pytest.mark.parametrize(
    ("text", "zero", "one", "valid"),
    [
        ("0.2", False, False, True),
        ("0", True, False, True),
        ("0.0", False, True, False),
        ("1", False, True, True),
        ("1.0", True, False, False),
        ("1.01", True, True, False),
        ("-0.1", True, True, False),
        (".5", True, True, False),
        ("50%", True, True, False),
        ("1e-1", True, True, False),
        ("nan", True, True, False),
        ("9" * 400, True, True, False),
    ],
)
def test_shares_have_ends_that_may_be_left_out(
    text: str, zero: bool, one: bool, valid: bool
) -> None:
    least = "of at least 0" if zero else "above 0"
    most = "at most 1" if one else "below 1"
    expected = "" if valid else f"a number {least} and {most}"
    assert complaint(scalars.share(zero=zero, one=one), text) == expected


@pytest.mark.parametrize("text", ["true", "True", "TRUE"])
def test_true(text: str) -> None:
    assert scalars.boolean(text) is True


@pytest.mark.parametrize("text", ["false", "False", "FALSE"])
def test_false(text: str) -> None:
    assert scalars.boolean(text) is False


@pytest.mark.parametrize("text", ["yes", "no", "on", "off", "y", "n", "1", "0", "tRUE", ""])
def test_the_booleans_of_yaml_1_1_are_refused(text: str) -> None:
    assert complaint(scalars.boolean, text) == "true or false"


def test_a_choice_is_one_of_its_options() -> None:
    assert scalars.choice(("a", "b"))("b") == "b"
    assert complaint(scalars.choice(("a", "b")), "c") == "one of: a, b"


def test_a_member_is_one_of_the_words_of_its_kind() -> None:
    read = scalars.member(Strategy)
    assert read("weighted") is Strategy.WEIGHTED
    assert complaint(read, "x") == "one of: priority, round_robin, least_latency, weighted"


def test_size_classes() -> None:
    assert [scalars.size_class("SMALL"), scalars.size_class("BIG")] == [Size.SMALL, Size.BIG]
    assert complaint(scalars.size_class, "small") == "SMALL or BIG"


@pytest.mark.parametrize(
    "text",
    [
        "a",
        "no",
        "1.10",
        "qwen/qwen3-coder:free",
        "@cf/meta/llama",
        "a+b",
        "a..b",
        "Small",
        "x" * 200,
    ],
)
def test_model_names(text: str) -> None:
    assert scalars.model_name(text) == text
    assert scalars.upstream_model(text) == text


@pytest.mark.parametrize(
    "text", ["", "/a", ".a", "a b", "a\n", "a?b", "a#b", "é", "a%2e", "x" * 201]
)
@pytest.mark.parametrize("parse", [scalars.model_name, scalars.upstream_model])
def test_other_texts_are_no_model_names(parse: Callable[[str], str], text: str) -> None:
    assert complaint(parse, text) == MODEL


@pytest.mark.parametrize("text", ["a/..", "a/../b"])
def test_a_model_name_does_not_climb(text: str) -> None:
    assert complaint(scalars.upstream_model, text) == "a model name without '..' between slashes"


@pytest.mark.parametrize("text", ["SMALL", "BIG"])
def test_size_classes_are_no_names_for_clients_but_may_be_upstream(text: str) -> None:
    assert scalars.upstream_model(text) == text
    assert (
        complaint(scalars.model_name, text)
        == "a model name other than SMALL and BIG, which name the size classes"
    )


@pytest.mark.parametrize(
    ("text", "valid"),
    [("groq", True), ("0-a_b", True), ("", False), ("-a", False), ("Groq", False), ("a\n", False)],
)
def test_provider_names(text: str, valid: bool) -> None:
    if valid:
        assert scalars.provider_name(text) == text
    else:
        assert complaint(scalars.provider_name, text) == PROVIDER


@pytest.mark.parametrize("text", ["UTC", "America/Los_Angeles", "Etc/GMT+1"])
def test_time_zones(text: str) -> None:
    assert scalars.time_zone(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "Mars/Base", "America", "zone.tab", "../UTC", "/UTC", "UTC\x00", "\ud800", "x" * 999],
)
def test_other_texts_are_no_time_zones(text: str) -> None:
    assert (
        complaint(scalars.time_zone, text) == "an IANA time zone such as UTC or America/Los_Angeles"
    )


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("a", True),
        ("aZ0-._~+/==", True),
        ("", False),
        ("=", False),
        ("a=b", False),
        ("a b", False),
        ("a\n", False),
        ("é", False),
    ],
)
def test_bearer_tokens(text: str, valid: bool) -> None:
    assert scalars.is_bearer_token(text) is valid


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("a", True),
        ("sk-a b!~", True),
        ("", False),
        (" a", False),
        ("a ", False),
        ("a\tb", False),
        ("a\r\nx: y", False),
        ("a\n", False),
        ("é", False),
        ("a\x7f", False),
    ],
)
def test_header_values(text: str, valid: bool) -> None:
    assert scalars.is_header_value(text) is valid


PARSERS: list[Callable[[str], Any]] = [
    scalars.integer,
    scalars.integer_from(0),
    scalars.boolean,
    scalars.choice(("a",)),
    scalars.member(Strategy),
    scalars.share(),
    scalars.duration_or_zero,
    scalars.time_zone,
    scalars.size_class,
    scalars.model_name,
    scalars.provider_name,
]


@given(st.sampled_from(PARSERS), st.text(min_size=4))
def test_no_message_repeats_what_was_found(parse: Callable[[str], Any], text: str) -> None:
    canary = f"{text}\x00canary"
    message = complaint(parse, canary)
    assert message
    assert "canary" not in message
