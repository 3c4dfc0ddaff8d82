"""What is believed of the headers in which an SDK tells of itself."""

import pytest

from llm_gateway.manner import Manner, manner_of

TIMEOUT = "x-stainless-read-timeout"
RETRIES = "x-stainless-retry-count"


def test_a_client_that_says_nothing_is_patient_and_asks_for_the_first_time() -> None:
    assert manner_of({}) == Manner(patience=None, retries=False)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("600", 600.0),
        ("600.0", 600.0),
        ("2", 2.0),
        ("0.5", 0.5),
        ("7.25", 7.25),
        ("999999", 999999.0),
        ("0.000000001", 1e-9),
        ("0600", 600.0),
    ],
)
def test_its_time_limit_is_read_in_seconds(value: str, seconds: float) -> None:
    assert manner_of({TIMEOUT: value}) == Manner(patience=seconds)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "0",
        "0.0",
        "000000",
        "-1",
        "+1",
        "nan",
        "NaN",
        "inf",
        "Infinity",
        "1e9",
        "1E2",
        "1_000",
        "1,5",
        "0x10",
        "5s",
        " 5",
        "5 ",
        "5\n",
        ".5",
        "5.",
        "1.2.3",
        "600, 600",
        "None",
        "not_given",
        "1000000",
        "9" * 400,
        "0." + "1" * 400,
        "٣",
        "\uff15",
        "²",
        "\u0967\u0968",
    ],
)
def test_a_time_limit_that_is_none_is_as_if_it_were_not_there(value: str) -> None:
    assert manner_of({TIMEOUT: value}) == Manner()


@pytest.mark.parametrize(
    ("value", "retries"),
    [("0", False), ("00", False), ("1", True), ("2", True), ("0001", True), ("9999", True)],
)
def test_whether_it_tries_again_is_read_from_its_count(value: str, retries: bool) -> None:
    assert manner_of({RETRIES: value}) == Manner(retries=retries)


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "-1",
        "+1",
        "1.0",
        "1e3",
        "nan",
        "yes",
        "1, 1",
        "1\n",
        "10000",
        "9" * 400,
        "\u0661",
        "\uff11",
    ],
)
def test_a_count_that_is_none_is_as_if_it_were_not_there(value: str) -> None:
    assert manner_of({RETRIES: value}) == Manner()


def test_the_two_are_read_apart() -> None:
    assert manner_of({TIMEOUT: "60", RETRIES: "1"}) == Manner(patience=60.0, retries=True)
    assert manner_of({TIMEOUT: "nonsense", RETRIES: "1"}) == Manner(retries=True)
    assert manner_of({TIMEOUT: "60", RETRIES: "nonsense"}) == Manner(patience=60.0)
