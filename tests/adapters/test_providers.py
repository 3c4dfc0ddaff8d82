"""The table of known providers."""

import operator
from typing import cast

import pytest

from llm_gateway.adapters import FORMATS
from llm_gateway.adapters.providers import PROVIDERS
from llm_gateway.config import ProviderDefaults
from llm_gateway.config.hosts import base_url


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_row_is_of_a_format_that_there_is(name: str) -> None:
    assert PROVIDERS[name].kind in FORMATS


@pytest.mark.parametrize("name", PROVIDERS)
def test_every_address_is_one_that_a_configuration_could_hold(name: str) -> None:
    address = PROVIDERS[name].base_url
    assert address is None or base_url(address) == address


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_provider_out_in_the_world_wants_a_key_and_is_reached_by_https(name: str) -> None:
    row = PROVIDERS[name]
    assert row.needs_key == (row.base_url is not None)
    assert row.base_url is None or row.base_url.startswith("https://")


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("openai", "https://api.openai.com/v1"),
        ("openrouter", "https://openrouter.ai/api/v1"),
        ("groq", "https://api.groq.com/openai/v1"),
        ("echo", None),
    ],
)
def test_the_addresses_are_those_of_the_providers_references(
    name: str, address: str | None
) -> None:
    assert PROVIDERS[name].base_url == address


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        operator.setitem(cast(dict[str, ProviderDefaults], PROVIDERS), "x", PROVIDERS["openai"])
