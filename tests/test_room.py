"""All bodies together have a bound, nobody has all of it, and nothing of it is ever lost."""

import gc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.errors import GatewayError
from llm_gateway.room import Room


class Asked:
    """A request."""

    over = False


def room() -> Room[Asked]:
    return Room(lambda request: request.over)


def takes(of: Room[Asked], request: Asked, owner: str, size: int, most: int = 100) -> bool:
    try:
        of.take(request, owner, size, most)
    except GatewayError:
        return False
    return True


def test_who_finds_no_room_is_told_to_come_again() -> None:
    with pytest.raises(GatewayError, match=r"gateway\.bounds\.all_bodies") as refused:
        room().take(Asked(), "a", 101, 100)
    assert (refused.value.status, refused.value.code) == (503, "bodies_full")
    assert ("retry-after", "1") in refused.value.headers


def test_one_body_may_take_all_that_there_is() -> None:
    assert takes(room(), Asked(), "a", 100)
    assert not takes(room(), Asked(), "a", 101)


def test_a_client_has_at_most_what_is_left() -> None:
    of, requests = room(), [Asked() for _ in range(8)]
    assert [takes(of, each, "a", 10) for each in requests] == [True] * 5 + [False] * 3
    assert takes(of, requests[7], "b", 25)
    assert not takes(of, requests[6], "b", 5)
    assert takes(of, requests[5], "c", 10)


def test_a_body_that_grows_is_counted_once() -> None:
    of, request = room(), Asked()
    assert all(takes(of, request, "a", size) for size in range(101))
    assert not takes(of, request, "a", 101)
    assert takes(of, Asked(), "a", 100)


def test_what_is_given_back_is_free_however_often_that_is_told() -> None:
    of, request, other = room(), Asked(), Asked()
    assert takes(of, request, "a", 30)
    assert takes(of, other, "a", 20)
    of.give_back(request)
    of.give_back(request)
    assert takes(of, request, "a", 60)
    assert not takes(of, Asked(), "a", 1)


@pytest.mark.parametrize("how", ["is over", "is forgotten"])
def test_a_request_whose_end_nobody_told_of_takes_no_room_for_ever(how: str) -> None:
    of, request = room(), Asked()
    assert takes(of, request, "a", 100)
    if how == "is over":
        request.over = True
    else:
        del request
        gc.collect()
    assert takes(of, Asked(), "b", 100)


ENDS = ("told", "told twice", "silent", "forgotten")


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5),
            st.sampled_from("abc"),
            st.integers(0, 60),
            st.sampled_from((None, *ENDS)),
        )
    )
)
def test_whatever_happens_the_bound_holds_and_all_is_given_back(
    steps: list[tuple[int, str, int, str | None]],
) -> None:
    of = room()
    under_way: dict[int, Asked] = {}
    had: dict[int, tuple[str, int]] = {}
    for number, owner, size, end in steps:
        request = under_way.setdefault(number, Asked())
        if end is None:
            had.pop(number, None)
            taken = sum(each for _, each in had.values())
            own = sum(each for whose, each in had.values() if whose == owner)
            fits = taken + own + size <= 100
            assert takes(of, request, owner, size) == fits
            if fits:
                had[number] = owner, size
            continue
        had.pop(number, None)
        del under_way[number]
        _end(of, request, end)
        del request
    for request in under_way.values():
        of.give_back(request)
    assert takes(of, Asked(), "d", 100)
    assert len(of._by_owner) <= 1


def _end(of: Room[Asked], request: Asked, how: str) -> None:
    if how.startswith("told"):
        of.give_back(request)
    if how == "told twice":
        of.give_back(request)
    request.over = how != "forgotten"
