"""The configuration by which recordings are served."""

from dataclasses import replace

import pytest

from llm_gateway.config import Capability, ClientToken, Gateway
from llm_gateway.errors import RequestError
from llm_gateway.recordings.offline import offline
from llm_gateway.routing import Catalogue
from llm_gateway.secret import Secret
from support.fakes import make_config, make_model, make_provider

REAL = make_config([make_provider("openai")], [make_model("gpt-4o", provider="openai")])


def test_one_provider_without_keys_takes_the_place_of_all() -> None:
    config = offline(REAL, ["gpt-4o", "openai/gpt-4o", "BIG"])
    [provider] = config.providers.values()
    assert (provider.name, provider.credentials, provider.off) == ("recording", (), None)
    assert [model.name for model in config.models] == ["gpt-4o", "openai/gpt-4o", "BIG"]
    assert {model.provider for model in config.models} == {"recording"}


def test_the_front_door_stays_but_nothing_passes() -> None:
    gateway = Gateway(
        tokens=(ClientToken.of("t", Secret("a-token-of-the-team")),), passthrough=True, drain=1.0
    )
    config = offline(replace(REAL, gateway=gateway), ["m"])
    assert config.gateway == replace(gateway, passthrough=False)
    assert (config.source, config.watched) == (REAL.source, REAL.watched)


def test_warnings_of_providers_are_no_matter() -> None:
    said = ("gateway.tokens[0] is skipped: T is not set", "provider openai is switched off")
    assert offline(replace(REAL, warnings=said), ["m"]).warnings == said[:1]


def test_sizes_are_listed_if_they_were_asked_for() -> None:
    listing = Catalogue(offline(REAL, ["BIG", "gpt-4o"]), 1).listing()
    assert [each["id"] for each in listing["data"]] == ["gpt-4o", "BIG"]


@pytest.mark.parametrize("capability", [Capability.CHAT, Capability.IMAGE])
def test_any_name_is_served_so_that_it_is_told_what_was_recorded(capability: Capability) -> None:
    catalogue = Catalogue(offline(REAL, ["gpt-4o"]), 1)
    for name in ("gpt-4o", "recording/gpt-4o", "gpt-5", "SMALL"):
        [target] = catalogue.targets(name, capability)
        assert target.label == "recording/gpt-4o"
    assert catalogue.any(capability)[0].label == "recording/gpt-4o"


def test_an_unknown_name_is_not_listed() -> None:
    catalogue = Catalogue(offline(REAL, ["gpt-4o"]), 1)
    with pytest.raises(RequestError):
        catalogue.entry("gpt-5")


@pytest.mark.parametrize("names", [[], ["bad name\n"], [""]])
def test_where_no_name_can_be_shown_there_is_one_that_can(names: list[str]) -> None:
    assert [model.name for model in offline(REAL, names).models] == ["recorded"]


def test_a_target_is_asked_once_and_never_left_alone() -> None:
    [model] = offline(REAL, ["m"]).models
    assert model.retry.attempts == 1
    assert not model.retry.fallback_on
    assert model.breaker.failures > 10**6
