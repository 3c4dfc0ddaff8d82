"""Each row of the table of kinds says all there is to say."""

from urllib.parse import urlsplit

import pytest

from llm_gateway.adapters import KINDS
from llm_gateway.adapters.contract import Adapter, ImageAdapter
from support.calls import make_call, make_image_call

every_kind = pytest.mark.parametrize("kind", KINDS)
HI = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


@every_kind
def test_a_kind_has_a_title_and_pages_for_people(kind: str) -> None:
    row = KINDS[kind]
    assert row.title
    for page in (row.reference, row.keys):
        assert not page or urlsplit(page).scheme == "https"


@every_kind
def test_a_key_that_is_needed_can_be_got_somewhere(kind: str) -> None:
    row = KINDS[kind]
    needed = any(credential.required for credential in row.defaults.credentials)
    assert bool(row.keys) >= needed


@every_kind
def test_a_kind_makes_adapters(kind: str) -> None:
    row = KINDS[kind]
    first, second = (row.chat(make_call(HI)) for _ in range(2))
    assert isinstance(first, Adapter)
    assert first is not second
    if row.images is not None:
        assert isinstance(row.images(make_image_call({"prompt": "A cat"})), ImageAdapter)


@every_kind
def test_a_kind_that_draws_says_what_becomes_of_the_fields(kind: str) -> None:
    assert (KINDS[kind].images is None) == (KINDS[kind].image_fields is None)


@every_kind
def test_names_of_kinds_are_plain_and_rules_name_what_they_rename_to(kind: str) -> None:
    assert kind.replace("_", "").replace("-", "").isalnum()
    assert kind == kind.lower()
    for table in (KINDS[kind].fields, KINDS[kind].image_fields or {}):
        for rule in table.values():
            assert (rule.fate == "renamed") == bool(rule.to)
            assert rule.note or rule.fate != "translated"
