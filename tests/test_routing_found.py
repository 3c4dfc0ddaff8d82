"""Models that the providers themselves list, beside those of the configuration."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from llm_gateway.adapters.contract import Listed
from llm_gateway.config import Capability, Model, Provider, Size
from llm_gateway.errors import RequestError
from llm_gateway.routing import MAX_FOUND, Catalogue
from support.fakes import make_config, make_model, make_provider

CREATED = 1_763_700_000
P, Q = make_provider(discover=True), make_provider("q", discover=True)


def catalogue(*models: Model, providers: Sequence[Provider] = (P, Q)) -> Catalogue:
    return Catalogue(make_config(providers, models or (make_model(),)), CREATED)


def chat(*names: str) -> list[Listed]:
    return [Listed(name, "chat") for name in names]


def label(found: Catalogue, name: str, capability: Capability = Capability.CHAT) -> str:
    [target] = found.targets(name, capability)
    return target.label


def listed(found: Catalogue) -> list[tuple[str, str]]:
    return [(entry["id"], entry["owned_by"]) for entry in found.listing()["data"]]


def is_known(found: Catalogue, name: str) -> bool:
    try:
        found.targets(name, Capability.CHAT)
    except RequestError:
        return False
    return True


@pytest.mark.parametrize("id", ["new", "vendor/new", "a/b/c", "qwen3:free", "@cf/meta/llama"])
def test_a_listed_model_is_found_by_its_id_with_and_without_its_provider(id: str) -> None:
    found = catalogue()
    assert found.learn("p", chat(id)) == 1
    for name in (id, f"p/{id}"):
        [target] = found.targets(name, Capability.CHAT)
        assert (target.provider, target.spec.model, target.spec.omit) == (P, id, frozenset())
        assert target.label == f"p/{id}"


def test_a_listed_model_can_do_what_its_provider_says() -> None:
    found = catalogue()
    found.learn("p", [Listed("painter", "image"), Listed("talker", "chat")])
    assert label(found, "painter", Capability.IMAGE) == "p/painter"
    assert label(found, "talker") == "p/talker"
    with pytest.raises(RequestError):
        found.targets("painter", Capability.CHAT)
    assert [target.label for target in found.any(Capability.IMAGE)] == ["p/painter"]


@pytest.mark.parametrize(
    "id",
    ["", " ", "a b", "a\n", "../../x", "a?b", "SMALL", "BIG", "x" * 10_000, "é", "a#b", "a\0"],
)
def test_a_name_that_cannot_be_used_is_skipped_and_not_counted(id: str) -> None:
    found = catalogue()
    assert found.learn("p", [*chat("good"), *chat(id)]) == 1
    assert is_known(found, "good")
    assert not is_known(found, id)
    assert not is_known(found, f"p/{id}")


def test_what_can_do_nothing_that_is_known_is_skipped_and_spoils_nothing() -> None:
    found = catalogue()
    assert found.learn("p", [Listed("hears", "audio"), *chat("good")]) == 1
    assert not is_known(found, "hears")
    assert found.learn("q", chat("other")) == 1
    assert is_known(found, "q/other")


def test_what_the_configuration_names_comes_first() -> None:
    configured = make_model("new", provider="q", model="theirs", omit=("top_p",))
    found = catalogue(configured, make_model(omit=("user",)))
    found.learn("p", chat("new", "up-model", "m"))
    found.learn("q", chat("theirs"))
    assert label(found, "new") == "q/theirs"
    assert label(found, "p/new") == "p/new"
    # Under its full name it is the configured one, with what is known of it.
    for name in ("p/up-model", "p/m"):
        [target] = found.targets(name, Capability.CHAT)
        assert (target.spec.name, target.spec.model, target.spec.omit) == (
            "m",
            "up-model",
            frozenset({"user"}),
        )
    [target] = found.targets("q/theirs", Capability.CHAT)
    assert target.spec.omit == {"top_p"}


def test_the_same_id_at_two_providers_is_that_of_the_first_in_the_configuration() -> None:
    for order in ("pq", "qp"):
        found = catalogue()
        for name in order:
            found.learn(name, chat("same"))
        assert label(found, "same") == "p/same"
        assert label(found, "q/same") == "q/same"


@pytest.mark.parametrize("order", ["pq", "qp"])
def test_one_provider_s_id_does_not_stand_in_for_another_provider(order: str) -> None:
    """OpenRouter lists `openai/gpt-5`, which is not what the provider openai calls `gpt-5`."""
    found = catalogue()
    for name in order:
        found.learn(name, chat("q/model") if name == "p" else chat("model"))
    assert label(found, "q/model") == "q/model"
    assert label(found, "p/q/model") == "p/q/model"


def test_an_endless_list_is_cut() -> None:
    found = catalogue()
    assert found.learn("p", chat(*(f"m{number}" for number in range(MAX_FOUND + 1)))) == MAX_FOUND
    assert not is_known(found, f"m{MAX_FOUND}")


def test_learning_again_replaces_what_was_learnt_of_that_provider() -> None:
    found = catalogue()
    found.learn("p", chat("old", "stays"))
    found.learn("q", chat("other"))
    assert found.learn("p", chat("stays", "new")) == 2
    names = ("old", "p/old", "stays", "p/new", "q/other", "m")
    assert [is_known(found, name) for name in names] == [False, False, True, True, True, True]
    assert found.learn("p", []) == 0
    assert not is_known(found, "stays")
    assert is_known(found, "m")


def test_the_list_shows_them_once_by_their_full_names_before_the_size_classes() -> None:
    found = catalogue(make_model(size=Size.SMALL))
    found.learn("q", chat("new"))
    found.learn("p", [*chat("new", "new", "up-model"), Listed("new", "image")])
    assert listed(found) == [
        ("m", "p"),
        ("p/new", "p"),
        ("q/new", "q"),
        ("SMALL", "llm-gateway"),
    ]


def test_every_name_of_a_listed_model_has_an_entry() -> None:
    found = catalogue()
    found.learn("q", chat("new"))
    for name in ("q/new", "new"):
        assert found.entry(name) == {
            "id": name,
            "object": "model",
            "created": CREATED,
            "owned_by": "q",
        }


def test_without_models_of_its_own_a_configuration_serves_what_is_listed() -> None:
    config = replace(make_config([P]), models=())
    found = Catalogue(config, CREATED)
    with pytest.raises(RequestError):
        found.any(Capability.CHAT)
    found.learn("p", chat("a", "b"))
    assert [target.label for target in found.any(Capability.CHAT)] == ["p/a", "p/b"]
    assert listed(found) == [("p/a", "p"), ("p/b", "p")]


def test_what_was_learnt_is_inherited_where_the_provider_is_the_same() -> None:
    old, new = catalogue(), catalogue(make_model("another"))
    old.learn("p", chat("a"))
    old.learn("q", chat("b"))
    new.inherit(old)
    assert [is_known(new, name) for name in ("p/a", "a", "q/b")] == [True, True, True]
    assert ("p/a", "p") in listed(new)


@pytest.mark.parametrize(
    "changed",
    [
        make_provider(discover=False),
        make_provider(discover=True, key="another-key"),
        make_provider(discover=True, base_url="http://other.invalid/v1"),
        make_provider(discover=True, off="no key"),
    ],
    ids=["no longer discovered", "key", "address", "off"],
)
def test_of_a_provider_that_changed_nothing_is_inherited(changed: Provider) -> None:
    old = catalogue()
    old.learn("p", chat("a"))
    old.learn("q", chat("b"))
    new = catalogue(make_model(provider="q"), providers=(changed, Q))
    new.inherit(old)
    assert [is_known(new, name) for name in ("p/a", "a", "q/b")] == [False, False, True]


def test_of_a_provider_that_is_gone_nothing_is_inherited() -> None:
    old = catalogue()
    old.learn("q", chat("b"))
    new = catalogue(providers=(P,))
    new.inherit(old)
    assert not is_known(new, "q/b")
    assert listed(new) == [("m", "p")]


def test_what_is_learnt_anew_replaces_what_was_inherited() -> None:
    old, new = catalogue(), catalogue()
    old.learn("p", chat("a"))
    new.inherit(old)
    new.learn("p", chat("b"))
    assert [is_known(new, name) for name in ("p/a", "p/b")] == [False, True]
    assert is_known(old, "p/a")
