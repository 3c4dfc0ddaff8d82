"""The user of a request becomes a header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.adapters.gigachat.client import MAX_USER, client_headers
from llm_gateway.errors import RequestError


@pytest.mark.parametrize("body", [{}, {"user": None}, {"user": ""}])
def test_without_a_user_there_is_no_header(body: dict[str, object]) -> None:
    assert client_headers(body) == ()


@pytest.mark.parametrize(
    ("user", "value"),
    [
        ("alice@example.com", "alice@example.com"),
        ("b5f9d3c2-1f40-4f4a-9a56-0a1d7a3f2f11", "b5f9d3c2-1f40-4f4a-9a56-0a1d7a3f2f11"),
        ("Анна", "%D0%90%D0%BD%D0%BD%D0%B0"),
        ("a b\r\nx: y", "a%20b%0D%0Ax:%20y"),
        ("100%", "100%25"),
    ],
)
def test_the_user_is_quoted_as_in_a_url(user: str, value: str) -> None:
    assert client_headers({"user": user}) == (("x-client-id", value),)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=MAX_USER))
def test_any_user_is_fit_for_a_header(user: str) -> None:
    ((_, value),) = client_headers({"user": user})
    assert value.isascii()
    assert value.isprintable()
    assert " " not in value


def test_a_user_is_a_string() -> None:
    with pytest.raises(RequestError) as caught:
        client_headers({"user": 7})
    assert caught.value.param == "user"


def test_a_user_fits_into_a_header() -> None:
    assert client_headers({"user": "x" * MAX_USER})
    with pytest.raises(RequestError) as caught:
        client_headers({"user": "x" * (MAX_USER + 1)})
    assert (caught.value.status, caught.value.param) == (400, "user")
