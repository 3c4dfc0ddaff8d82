"""What a client may ask for, by the name it means; the rest is as if it were not there."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from llm_gateway.adapters.contract import Listed
from llm_gateway.config import Capability, Routing, Size
from llm_gateway.errors import RequestError
from llm_gateway.routing import Catalogue, May
from support.fakes import make_config, make_model, make_provider

DRAWS = [Capability.IMAGE]


def catalogue(others: str = "") -> Catalogue:
    models = [
        make_model("small", model="small", size=Size.SMALL),
        make_model("big", model="big", size=Size.BIG, priority=2),
        make_model("paints", model="paints", capabilities=DRAWS),
        make_model("draws", model="draws", capabilities=DRAWS, priority=3),
        make_model("gone", model="gone", provider="off"),
    ]
    providers = [make_provider(discover=True), make_provider("off", off="no key")]
    routing = Routing(aliases={"gpt-4o": "BIG", "gpt-4o-mini": "small"})
    config = make_config(providers, models)
    found = Catalogue(replace(config, routing=routing, others=others), 0)
    found.learn("p", [Listed("found", "chat")])
    return found


def only(*names: str) -> May:
    return names.__contains__


def error_of(ask: Callable[[], object]) -> dict[str, object]:
    with pytest.raises(RequestError) as refused:
        ask()
    error = refused.value
    assert (error.status, error.headers, error.detail) == (404, (), "")
    return {"message": error.message, "code": error.code, "param": error.param, "type": error.type}


@pytest.mark.parametrize("name", ["small", "gpt-4o-mini"])
def test_an_alias_is_allowed_with_the_name_that_it_stands_for(name: str) -> None:
    [target] = catalogue().targets(name, Capability.CHAT, only("small"))
    assert target.label == "p/small"


@pytest.mark.parametrize(
    "name", ["big", "BIG", "gpt-4o", "p/small", "p/found", "found", "paints", "gone", "nothing"]
)
def test_any_other_name_is_unknown(name: str) -> None:
    may = only("small", "gpt-4o")
    unknown = error_of(lambda: catalogue().targets("x" * len(name), Capability.CHAT, may))
    said = error_of(lambda: catalogue().targets(name, Capability.CHAT, may))
    assert said == {**unknown, "message": str(unknown["message"]).replace("x" * len(name), name)}


@pytest.mark.parametrize("name", ["big", "gpt-4o", "p/small", "found", "gone", "nothing"])
def test_nor_has_it_an_entry(name: str) -> None:
    may = only("small")
    unknown = error_of(lambda: catalogue().entry("x" * len(name), may))
    said = error_of(lambda: catalogue().entry(name, may))
    assert said == {**unknown, "message": str(unknown["message"]).replace("x" * len(name), name)}
    assert catalogue().entry("gpt-4o-mini", may)["id"] == "gpt-4o-mini"


@pytest.mark.parametrize(
    ("may", "names"),
    [
        (only("small"), ["small", "gpt-4o-mini"]),
        (only("BIG"), ["gpt-4o", "BIG"]),
        (only("p/found"), ["p/found"]),
        (only("gpt-4o"), []),
    ],
)
def test_the_list_has_what_may_be_asked_for(may: May, names: list[str]) -> None:
    assert [entry["id"] for entry in catalogue().listing(may)["data"]] == names


def test_without_a_model_the_pictures_come_from_one_that_is_allowed() -> None:
    [target] = catalogue().any(Capability.IMAGE, only("draws", "small"))
    assert target.label == "p/draws"
    assert error_of(lambda: catalogue().any(Capability.IMAGE, only("small")))


def test_a_size_class_that_is_allowed_may_be_asked_though_its_models_may_not() -> None:
    [target] = catalogue().targets("BIG", Capability.CHAT, only("BIG"))
    assert target.label == "p/big"


def test_a_name_that_stands_for_another_because_it_is_unknown_counts_as_it_is_asked_for() -> None:
    found = catalogue(others="small")
    [target] = found.targets("anything", Capability.CHAT, only("anything"))
    assert target.label == "p/small"
    assert error_of(lambda: found.targets("anything", Capability.CHAT, only("small")))
