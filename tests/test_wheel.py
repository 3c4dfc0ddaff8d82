"""A timetable, held against the simplest one that there is."""

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.wheel import Wheel

TICK = 0.5


def taken(wheel: Wheel[str], now: float, most: int = 1000) -> list[str]:
    return [*wheel.take(now, most)]


def test_nothing_is_due_in_an_empty_one() -> None:
    wheel: Wheel[str] = Wheel(TICK)
    assert wheel.next() is None
    assert taken(wheel, 1e9) == []


def test_what_is_due_is_taken_at_the_end_of_its_tick() -> None:
    wheel: Wheel[str] = Wheel(TICK)
    assert wheel.by("a", 1.2)
    assert wheel.next() == 1.5
    assert taken(wheel, 1.4) == []
    assert taken(wheel, 1.5) == ["a"]
    assert len(wheel) == 0


def test_an_earlier_time_takes_the_place_of_a_later_one_and_not_the_reverse() -> None:
    wheel: Wheel[str] = Wheel(TICK)
    wheel.by("a", 9)
    assert wheel.by("a", 2)
    assert not wheel.by("a", 5)
    assert taken(wheel, 2) == ["a"]
    assert taken(wheel, 9) == []


def test_no_more_is_taken_than_was_asked_for_and_the_earliest_first() -> None:
    wheel: Wheel[str] = Wheel(TICK)
    for number, name in enumerate("abcd"):
        wheel.by(name, 4.0 - number)
    assert taken(wheel, 10, 3) == ["d", "c", "b"]
    assert taken(wheel, 10) == ["a"]


def test_nothing_remains_of_what_was_taken_out() -> None:
    wheel: Wheel[str] = Wheel(TICK)
    for number in range(1000):
        wheel.by(str(number), number)
        wheel.remove(str(number))
    assert wheel.next() is None
    assert (wheel._due, wheel._ticks, wheel._place) == ({}, [], {})


steps = st.lists(
    st.tuples(
        st.sampled_from(["by", "remove", "take"]), st.sampled_from("abcd"), st.integers(0, 20)
    )
)


@given(steps)
def test_it_does_what_a_dictionary_of_times_does(steps: list[tuple[str, str, int]]) -> None:
    wheel: Wheel[str] = Wheel(1.0)
    times: dict[str, int] = {}
    for what, name, number in steps:
        match what:
            case "by":
                wheel.by(name, number)
                times[name] = min(times.get(name, number), number)
            case "remove":
                wheel.remove(name)
                times.pop(name, None)
            case _:
                due = {each for each, when in times.items() if when <= number}
                assert set(taken(wheel, number)) == due
                for each in due:
                    del times[each]
        assert len(wheel) == len(times)
        assert wheel.next() == (min(times.values()) if times else None)
