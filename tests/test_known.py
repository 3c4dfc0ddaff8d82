"""A known secret is found in a text in every form."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.known import Known, in_base64, without_credentials
from llm_gateway.secret import Secret

KEY = "canary+key/of~the=test"
SECRET = Secret(KEY)
KNOWN = Known([SECRET])
FORMS = {
    "raw": KEY,
    "URL": quote(KEY, safe=""),
    "URL in lower case": quote(KEY, safe="").lower(),
    "JSON": json.dumps(KEY)[1:-1].replace("/", "\\/"),
    "base64": base64.b64encode(KEY.encode()).decode(),
    "basic": base64.b64encode(f"user:{KEY}".encode()).decode(),
    "URL-safe base64": base64.urlsafe_b64encode(f"1{KEY}2".encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_every_form_is_masked(form: str) -> None:
    assert KNOWN.hide(f"<{form}> and <{form}>") == f"<{SECRET.masked}> and <{SECRET.masked}>"


def test_a_text_without_secrets_is_the_same_object() -> None:
    text = "x" * 2000
    assert KNOWN.hide(text) is text


def test_short_words_are_no_secrets() -> None:
    assert Known([Secret("ollama")]).hide("ollama") == "ollama"


def test_a_secret_that_begins_like_another_is_masked_as_itself() -> None:
    longer = Secret(KEY + "-and-more")
    assert Known([SECRET, longer]).hide(longer.reveal()) == longer.masked


@given(before=st.binary(max_size=9), after=st.binary(max_size=9))
def test_base64_is_found_wherever_the_secret_begins(before: bytes, after: bytes) -> None:
    text = base64.b64encode(before + KEY.encode() + after).decode()
    assert KNOWN.hide(text) == SECRET.masked


@given(st.text(st.characters(codec="utf-8"), min_size=12, max_size=40))
def test_the_forms_in_base64_hold_nothing_of_what_is_around(secret: str) -> None:
    assert all(len(each) >= len(secret) for each in in_base64(secret))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sk-canary-0123456789", "***"),
        ("(gsk_canary0123456789", "(***"),
        ("Authorization: Bearer canary, then", "Authorization: Bearer *** then"),
        ("https://user:canary@proxy.example/?key=canary", "https://***@proxy.example/?key=***"),
        ("AKIAIOSFODNN7EXAMPLE", "***"),
    ],
)
def test_what_looks_like_a_credential_is_masked(text: str, shown: str) -> None:
    assert without_credentials(text) == shown


@pytest.mark.parametrize("text", ["", "a key", "api_key", "task-0123456789", "https://a.example/"])
def test_other_texts_stay_the_same_objects(text: str) -> None:
    assert without_credentials(text) is text
