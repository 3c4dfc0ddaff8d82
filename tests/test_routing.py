"""From a name to its targets, and the models list."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest

from llm_gateway.config import Capability, Model, Provider, Size
from llm_gateway.errors import RequestError
from llm_gateway.routing import Catalogue
from support.fakes import make_config, make_model, make_provider

CREATED = 1_763_700_000


def catalogue(models: Sequence[Model] = (), providers: Sequence[Provider] = ()) -> Catalogue:
    return Catalogue(make_config(providers, models), CREATED)


def labels(found: Catalogue, name: str, capability: Capability = Capability.CHAT) -> list[str]:
    return [target.label for target in found.targets(name, capability)]


def test_every_name_is_told_with_its_targets() -> None:
    names = catalogue([make_model("m", model="up", size=Size.BIG)]).names
    found = [(name, target.label) for name, targets in names.items() for target in targets]
    assert found == [(name, "p/up") for name in ("m", "p/m", "p/up", "BIG")]


@pytest.mark.parametrize("name", ["m", "p/m", "p/up-model", "SMALL"])
def test_a_model_is_found_by_each_of_its_names(name: str) -> None:
    [target] = catalogue([make_model(size=Size.SMALL)]).targets(name, Capability.CHAT)
    assert (target.provider.name, target.spec.name, target.spec.model) == ("p", "m", "up-model")
    assert target.label == "p/up-model"


@pytest.mark.parametrize(
    "name",
    ["x", "", "M", "up-model", "q/m", "BIG", "small", "p/", "/m", " m", "m ", "p/m/x", "../../x"],
)
def test_any_other_name_is_not_found(name: str) -> None:
    with pytest.raises(RequestError) as caught:
        catalogue([make_model(size=Size.SMALL)]).targets(name, Capability.CHAT)
    error = caught.value
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")


@pytest.mark.parametrize(
    "name", ["a\r\nX: 1", "%2e%2e", "x" * 10_000, "😀", "\0", "\u202ex", "m`", "\uff4d", "\ud800"]
)
def test_a_name_that_is_not_found_is_shown_short_and_safe(name: str) -> None:
    with pytest.raises(RequestError) as caught:
        catalogue().targets(name, Capability.CHAT)
    message = json.loads(caught.value.body())["error"]["message"]
    assert message.isprintable()
    assert len(message) < 200
    assert message.count("`") == 2


def test_targets_come_by_priority_and_then_in_the_file_s_order() -> None:
    models = [
        make_model(model="late", priority=9),
        make_model(model="second"),
        make_model(model="first", priority=-1),
        make_model(model="third"),
    ]
    assert labels(catalogue(models), "m") == ["p/first", "p/second", "p/third", "p/late"]


def test_a_size_class_stands_for_every_model_of_its_size() -> None:
    models = [
        make_model("a", model="a", size=Size.BIG, priority=2),
        make_model("b", model="b", size=Size.SMALL),
        make_model("c", model="c", size=Size.BIG),
        make_model("d", model="d"),
    ]
    found = catalogue(models)
    assert labels(found, "BIG") == ["p/c", "p/a"]
    assert labels(found, "SMALL") == ["p/b"]


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (make_model("p/up-model"), "p/up-model"),
        (make_model("SMALL", size=Size.SMALL), "SMALL"),
        (make_model("m", model="m"), "p/m"),
    ],
)
def test_a_target_is_listed_once_under_a_name(model: Model, name: str) -> None:
    assert len(catalogue([model]).targets(name, Capability.CHAT)) == 1


def test_models_of_a_provider_that_is_off_cannot_be_asked_for() -> None:
    providers = [make_provider(), make_provider("q", off="no key")]
    models = [make_model(), make_model(provider="q"), make_model("gone", provider="q")]
    found = catalogue(models, providers)
    assert labels(found, "m") == ["p/up-model"]
    with pytest.raises(RequestError, match=r"Its provider is switched off\.$"):
        found.targets("gone", Capability.CHAT)
    with pytest.raises(RequestError, match=r"have access to it\.$"):
        found.targets("never", Capability.CHAT)
    assert [entry["id"] for entry in found.listing()["data"]] == ["m"]


def test_the_list_has_each_name_once_and_the_size_classes_last() -> None:
    models = [
        make_model("b", size=Size.BIG),
        make_model("a", size=Size.SMALL, model="a1"),
        make_model("a", size=Size.SMALL, model="a2"),
    ]
    listing = catalogue(models).listing()
    assert listing["object"] == "list"
    assert [(entry["id"], entry["owned_by"]) for entry in listing["data"]] == [
        ("b", "p"),
        ("a", "p"),
        ("BIG", "llm-gateway"),
        ("SMALL", "llm-gateway"),
    ]


def test_every_entry_of_the_list_is_openai_s() -> None:
    found = catalogue([make_model(size=Size.BIG)])
    for entry in found.listing()["data"]:
        assert entry.keys() == {"id", "object", "created", "owned_by"}
        assert (entry["object"], entry["created"]) == ("model", CREATED)
        assert found.entry(entry["id"]) == entry


def test_a_name_that_can_be_asked_for_but_is_not_listed_has_an_entry() -> None:
    assert catalogue().entry("p/up-model") == {
        "id": "p/up-model",
        "object": "model",
        "created": CREATED,
        "owned_by": "p",
    }


def test_an_unknown_name_has_no_entry() -> None:
    with pytest.raises(RequestError) as caught:
        catalogue().entry("x")
    assert caught.value.status == 404


def test_a_model_is_owned_by_the_provider_of_its_best_target() -> None:
    providers = [make_provider(), make_provider("q")]
    models = [make_model(priority=2), make_model(provider="q", priority=1)]
    assert catalogue(models, providers).entry("m")["owned_by"] == "q"


BOTH = (Capability.CHAT, Capability.IMAGE)
DRAWS = (Capability.IMAGE,)


@pytest.mark.parametrize("capability", [Capability.CHAT, Capability.IMAGE])
def test_only_targets_that_can_do_it_are_given(capability: Capability) -> None:
    models = [
        make_model(model="talks"),
        make_model(model="draws", capabilities=DRAWS),
        make_model(model="both", capabilities=BOTH),
    ]
    expected = "talks" if capability is Capability.CHAT else "draws"
    assert labels(catalogue(models), "m", capability) == [f"p/{expected}", "p/both"]


def test_a_size_class_stands_for_every_model_of_its_size_that_can_do_it() -> None:
    models = [
        make_model("talks", model="talks", size=Size.BIG),
        make_model("draws", model="draws", size=Size.BIG, capabilities=DRAWS),
        make_model("small", model="small", size=Size.SMALL),
    ]
    found = catalogue(models)
    assert labels(found, "BIG") == ["p/talks"]
    assert labels(found, "BIG", Capability.IMAGE) == ["p/draws"]
    with pytest.raises(RequestError):
        found.targets("SMALL", Capability.IMAGE)


@pytest.mark.parametrize(
    ("model", "capability", "said"),
    [
        (
            make_model(),
            Capability.IMAGE,
            "The model `m` makes no pictures, as far as the configuration says.",
        ),
        (
            make_model(capabilities=DRAWS),
            Capability.CHAT,
            "The model `m` makes pictures. Use /v1/images/generations.",
        ),
    ],
)
def test_what_a_model_cannot_do_is_told_in_words(
    model: Model, capability: Capability, said: str
) -> None:
    with pytest.raises(RequestError) as caught:
        catalogue([model]).targets("m", capability)
    error = caught.value
    assert (error.status, error.code, error.param) == (404, "model_not_found", "model")
    assert error.message == said


def test_a_target_knows_what_its_model_does_not_take() -> None:
    [target] = catalogue([make_model(omit=("top_p", "user"))]).targets("m", Capability.CHAT)
    assert target.spec.omit == {"top_p", "user"}


def test_any_is_every_model_that_can_do_it() -> None:
    models = [
        make_model("late", model="late", capabilities=BOTH, priority=9),
        make_model("talks", model="talks"),
        make_model("draws", model="draws", capabilities=DRAWS),
        make_model("both", model="both", capabilities=BOTH, priority=5),
    ]
    found = catalogue(models)
    assert [each.label for each in found.any(Capability.CHAT)] == ["p/talks", "p/both", "p/late"]
    assert [each.label for each in found.any(Capability.IMAGE)] == ["p/draws", "p/both", "p/late"]


def test_a_model_of_a_provider_that_is_off_is_not_any() -> None:
    providers = [make_provider(off="no key"), make_provider("q")]
    models = [make_model(), make_model("second", provider="q")]
    [target] = catalogue(models, providers).any(Capability.CHAT)
    assert target.label == "q/up-model"


def test_where_no_model_can_do_it_there_is_none_of_any() -> None:
    with pytest.raises(RequestError) as caught:
        catalogue().any(Capability.IMAGE)
    error = caught.value
    assert (error.status, error.code) == (404, "model_not_found")
    assert error.message == "No model here has the capability image."


def test_an_unknown_name_may_stand_for_a_known_model() -> None:
    config = replace(make_config(models=[make_model("known")]), others="known")
    found = Catalogue(config, 1)
    for name in ("known", "unknown"):
        [target] = found.targets(name, Capability.CHAT)
        assert target.spec.name == "known"
    assert [each["id"] for each in found.listing()["data"]] == ["known"]
