"""Names that stand for other names, and the strategy of each name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from llm_gateway.adapters.contract import Listed
from llm_gateway.config import Capability, Model, Provider, Routing, Size, Strategy
from llm_gateway.errors import RequestError
from llm_gateway.routing import Catalogue
from support.fakes import make_config, make_model, make_provider
from support.targets import Targets, whole
from support.virtual_time import run

CREATED = 1_763_700_000
P, Q = make_provider(discover=True), make_provider("q", discover=True)


def catalogue(
    aliases: Mapping[str, str],
    *models: Model,
    providers: Sequence[Provider] = (P, Q),
    strategies: Mapping[str, Strategy] | None = None,
) -> Catalogue:
    config = make_config(providers, models or (make_model(size=Size.SMALL),))
    routing = Routing(strategies=strategies or {}, aliases=aliases)
    return Catalogue(replace(config, routing=routing), CREATED)


def labels(found: Catalogue, name: str, capability: Capability = Capability.CHAT) -> list[str]:
    return [target.label for target in found.targets(name, capability)]


@pytest.mark.parametrize("name", ["m", "p/m", "p/up-model", "SMALL"])
def test_an_alias_is_served_by_the_targets_of_what_it_stands_for(name: str) -> None:
    found = catalogue({"gpt-4o": name})
    assert found.targets("gpt-4o", Capability.CHAT) == found.targets(name, Capability.CHAT)


def test_an_alias_of_a_size_class_stands_for_every_model_of_that_size() -> None:
    models = [
        make_model("a", model="a", size=Size.BIG, priority=2),
        make_model("b", model="b", size=Size.BIG),
        make_model("c", model="c", size=Size.SMALL),
    ]
    assert labels(catalogue({"gpt-4o": "BIG"}, *models), "gpt-4o") == ["p/b", "p/a"]


def test_several_aliases_may_stand_for_one_name_and_one_may_look_like_a_provider_s() -> None:
    found = catalogue({"gpt-4o": "m", "openai/gpt-4o": "m", "p/other": "m"})
    for alias in ("gpt-4o", "openai/gpt-4o", "p/other"):
        assert labels(found, alias) == ["p/up-model"]


def test_an_alias_can_do_what_its_model_can() -> None:
    draws = make_model(capabilities=[Capability.IMAGE])
    found = catalogue({"dall-e-3": "m"}, draws)
    assert labels(found, "dall-e-3", Capability.IMAGE) == ["p/up-model"]
    with pytest.raises(RequestError, match="The model `dall-e-3` makes pictures"):
        found.targets("dall-e-3", Capability.CHAT)
    assert [target.label for target in found.any(Capability.IMAGE)] == ["p/up-model"]


def test_an_alias_of_a_model_that_is_switched_off_says_so() -> None:
    off = make_provider("q", off="no key")
    models = [make_model(), make_model("gone", provider="q")]
    found = catalogue({"gpt-4o": "gone"}, *models, providers=(P, off))
    with pytest.raises(RequestError, match=r"`gpt-4o` does not exist.* switched off\.$"):
        found.targets("gpt-4o", Capability.CHAT)
    assert [entry["id"] for entry in found.listing()["data"]] == ["m"]
    with pytest.raises(RequestError):
        found.entry("gpt-4o")


def test_of_a_name_of_which_one_provider_is_off_the_others_serve_the_alias() -> None:
    off = make_provider("q", off="no key")
    found = catalogue({"gpt-4o": "m"}, make_model(), make_model(provider="q"), providers=(P, off))
    assert labels(found, "gpt-4o") == ["p/up-model"]


def test_an_alias_of_what_nobody_has_is_unknown() -> None:
    with pytest.raises(RequestError, match=r"have access to it\.$"):
        catalogue({"gpt-4o": "p/new"}).targets("gpt-4o", Capability.CHAT)


def test_an_alias_of_a_model_that_a_provider_lists_is_there_once_it_does() -> None:
    found = catalogue({"gpt-4o": "p/new"})
    found.learn("p", [Listed("new", "chat")])
    assert labels(found, "gpt-4o") == ["p/new"]
    found.learn("p", [])
    with pytest.raises(RequestError):
        found.targets("gpt-4o", Capability.CHAT)


def test_an_alias_of_a_learnt_model_goes_over_to_the_next_configuration() -> None:
    old, new = catalogue({}), catalogue({"gpt-4o": "p/new"})
    old.learn("p", [Listed("new", "chat")])
    new.inherit(old)
    assert labels(new, "gpt-4o") == ["p/new"]


def test_what_a_provider_lists_does_not_take_an_alias_s_place() -> None:
    found = catalogue({"gpt-4o": "m"})
    found.learn("q", [Listed("gpt-4o", "chat")])
    assert labels(found, "gpt-4o") == ["p/up-model"]
    assert labels(found, "q/gpt-4o") == ["q/gpt-4o"]


def test_an_alias_is_listed_as_the_gateway_s_and_before_the_size_classes() -> None:
    found = catalogue({"gpt-4o": "m", "small": "SMALL"})
    assert [(entry["id"], entry["owned_by"]) for entry in found.listing()["data"]] == [
        ("m", "p"),
        ("gpt-4o", "llm-gateway"),
        ("small", "llm-gateway"),
        ("SMALL", "llm-gateway"),
    ]
    assert found.entry("gpt-4o") == {
        "id": "gpt-4o",
        "object": "model",
        "created": CREATED,
        "owned_by": "llm-gateway",
    }


def test_a_name_has_its_own_strategy_and_its_aliases_have_it_too() -> None:
    found = catalogue(
        {"gpt-4o": "m", "little": "SMALL"},
        strategies={"m": Strategy.WEIGHTED, "SMALL": Strategy.ROUND_ROBIN},
    )
    assert found.strategy("m") is found.strategy("gpt-4o") is Strategy.WEIGHTED
    assert found.strategy("SMALL") is found.strategy("little") is Strategy.ROUND_ROBIN
    assert found.strategy("p/m") is found.strategy("nobody's") is Strategy.PRIORITY


def test_the_strategy_of_all_other_names_can_be_chosen() -> None:
    routing = Routing(
        strategy=Strategy.LEAST_LATENCY,
        strategies={"m": Strategy.PRIORITY},
        aliases={"gpt-4o": "m"},
    )
    found = Catalogue(replace(make_config(), routing=routing), CREATED)
    names = ("gpt-4o", "m", "p/m")
    chosen = [found.strategy(name) for name in names]
    assert chosen == [Strategy.PRIORITY, Strategy.PRIORITY, Strategy.LEAST_LATENCY]


def test_an_exchange_goes_by_the_strategy_of_its_name() -> None:
    async def main(strategies: Mapping[str, Strategy]) -> str:
        scripts = {name: [whole(name) for _ in range(9)] for name in "ab"}
        targets = Targets(scripts, routing=Routing(strategies=strategies))
        return "".join([await targets.text() for _ in range(4)])

    assert run(main({"m": Strategy.ROUND_ROBIN})) == "abab"
    assert run(main({"other": Strategy.ROUND_ROBIN})) == "aaaa"
