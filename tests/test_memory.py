"""What is remembered comes back, to its own provider and id, and only so much of it is kept."""

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.memory import Memory


def test_what_was_kept_is_recalled() -> None:
    memory = Memory()
    memory.keep("p", "call_1", "signed")
    assert memory.recall("p", "call_1") == "signed"
    assert memory.recall("p", "call_1") == "signed"


def test_an_empty_text_is_remembered_too() -> None:
    memory = Memory()
    memory.keep("p", "call_1", "")
    assert memory.recall("p", "call_1") == ""


def test_each_provider_has_its_own() -> None:
    memory = Memory()
    memory.keep("p", "call_1", "signed")
    assert memory.recall("q", "call_1") is None
    assert memory.recall("p", "call_2") is None


def test_the_last_text_under_an_id_counts() -> None:
    memory = Memory(max_entries=2)
    memory.keep("p", "a", "first")
    memory.keep("p", "b", "other")
    memory.keep("p", "a", "second")
    assert memory.recall("p", "a") == "second"
    assert memory.recall("p", "b") == "other"


def test_the_least_recently_used_is_forgotten_first() -> None:
    memory = Memory(max_entries=2)
    memory.keep("p", "a", "1")
    memory.keep("p", "b", "2")
    memory.recall("p", "a")
    memory.keep("p", "c", "3")
    assert [memory.recall("p", id) for id in "abc"] == ["1", None, "3"]


def test_long_texts_leave_room_for_fewer() -> None:
    memory = Memory(max_characters=10)
    memory.keep("p", "a", "1234")
    memory.keep("p", "b", "1234")
    assert memory.recall("p", "a") == "1234"
    memory.keep("p", "c", "1")
    assert [memory.recall("p", id) for id in "abc"] == ["1234", None, "1"]


def test_what_is_too_long_costs_nothing_that_was_kept() -> None:
    memory = Memory(max_characters=10)
    memory.keep("p", "a", "x")
    memory.keep("p", "b", "y" * 20)
    assert (memory.recall("p", "a"), memory.recall("p", "b")) == ("x", None)


def test_what_is_too_long_for_all_of_it_is_not_kept() -> None:
    memory = Memory(max_characters=10)
    memory.keep("p", "a", "x" * 11)
    assert memory.recall("p", "a") is None
    memory.keep("p", "x" * 11, "a")
    assert memory.recall("p", "x" * 11) is None
    memory.keep("p", "b", "y" * 9)
    assert memory.recall("p", "b") == "y" * 9


@given(st.lists(st.tuples(st.sampled_from("abc"), st.text(max_size=6)), max_size=20))
def test_it_never_holds_more_than_it_may_and_the_last_that_fits(
    kept: list[tuple[str, str]],
) -> None:
    memory = Memory(max_entries=2, max_characters=10)
    for id, text in kept:
        memory.keep("p", id, text)
        assert memory.recall("p", id) == text
    recalled = {id: memory.recall("p", id) for id in "abc"}
    held = {id: text for id, text in recalled.items() if text is not None}
    assert len(held) <= 2
    assert sum(len(id) + len(text) for id, text in held.items()) <= 10
