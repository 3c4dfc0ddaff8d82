"""Phases of connections, in a time that the tests make."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.bridge.phases import Connection, Limit, Reason, Request, Roll
from llm_gateway.config.values import Bounds

BOUNDS = Bounds(head_time=30, body_time=60, body_rate=1000, idle=90)


@dataclass
class Body:
    """A body of which so much is here; None: all of it."""

    so_far: int | None = None

    def received(self) -> int | None:
        return self.so_far

    def over(self) -> bool:
        return False


def one(now: float = 0.0) -> tuple[Roll, Connection]:
    roll = Roll()
    return roll, roll.add("a", ("192.0.2.1", 1), now)


def begin(roll: Roll, connection: Connection, now: float = 0.0, key: str = "r") -> Body:
    body = Body(0)
    roll.request_began(connection, Request(key, now, body))
    return body


def test_a_first_head_has_its_time_from_the_beginning_of_the_connection() -> None:
    _, connection = one(5)
    assert connection.limit(BOUNDS) == Limit(35, Reason.HEAD)


def test_a_first_byte_does_not_begin_the_first_head_anew() -> None:
    roll, connection = one(5)
    roll.head_began(connection, 20)
    assert connection.limit(BOUNDS) == Limit(35, Reason.HEAD)


def test_a_body_has_its_time_from_the_end_of_its_head() -> None:
    roll, connection = one()
    begin(roll, connection, 7)
    assert connection.limit(BOUNDS) == Limit(67, Reason.BODY, "r")


def test_a_body_has_a_second_more_for_so_many_bytes_that_have_come() -> None:
    roll, connection = one()
    begin(roll, connection, 7).so_far = 5000
    assert connection.limit(BOUNDS) == Limit(72, Reason.BODY, "r")


def test_a_connection_that_is_answered_has_no_limit() -> None:
    roll, connection = one()
    begin(roll, connection).so_far = None
    assert connection.limit(BOUNDS) is None


def test_of_several_bodies_the_one_that_is_late_first_counts() -> None:
    roll, connection = one()
    begin(roll, connection, 1, "answered").so_far = None
    begin(roll, connection, 2, "large").so_far = 3000
    begin(roll, connection, 4, "slow")
    assert connection.limit(BOUNDS) == Limit(64, Reason.BODY, "slow")


def test_a_connection_is_idle_from_the_end_of_its_last_request() -> None:
    roll, connection = one()
    begin(roll, connection, key="1")
    begin(roll, connection, key="2")
    assert not roll.request_ended(connection, "1", 10)
    assert roll.request_ended(connection, "2", 12)
    assert connection.limit(BOUNDS) == Limit(102, Reason.IDLE)


def test_the_first_byte_of_another_head_begins_its_time() -> None:
    roll, connection = one()
    begin(roll, connection)
    roll.request_ended(connection, "r", 12)
    roll.head_began(connection, 95)
    roll.head_began(connection, 99)
    assert connection.limit(BOUNDS) == Limit(125, Reason.HEAD)


def test_a_head_beside_requests_under_way_has_no_time() -> None:
    roll, connection = one()
    begin(roll, connection).so_far = None
    roll.head_began(connection, 95)
    assert connection.limit(BOUNDS) is None


def test_the_end_of_an_unknown_request_is_none() -> None:
    roll, connection = one()
    assert not roll.request_ended(connection, "never", 12)


def fill(roll: Roll, *peers: str) -> list[Connection]:
    return [roll.add(str(n), (peer, n), float(n)) for n, peer in enumerate(peers)]


def test_who_has_been_without_a_request_for_longest_makes_room() -> None:
    roll = Roll()
    first, second, third = fill(roll, "192.0.2.1", "192.0.2.2", "192.0.2.3")
    assert not roll.too_many(third, 3, 100)
    assert roll.too_many(third, 2, 100)
    begin(roll, first)
    assert roll.in_the_way(third, 100) is second
    roll.request_ended(first, "r", 9)
    assert roll.in_the_way(third, 100) is second
    roll.remove(second)
    assert roll.in_the_way(third, 100) is third, "first has been used since"


def test_a_head_that_begins_is_a_sign_of_life() -> None:
    roll = Roll()
    first, second = fill(roll, "192.0.2.1", "192.0.2.2")
    begin(roll, first)
    roll.request_ended(first, "r", 5)
    begin(roll, second)
    roll.request_ended(second, "r", 6)
    roll.head_began(first, 7)
    assert roll.in_the_way(second, 100) is second


def test_where_all_have_requests_the_new_one_is_in_the_way() -> None:
    roll = Roll()
    first, second, new = fill(roll, "192.0.2.1", "192.0.2.2", "192.0.2.3")
    begin(roll, first)
    begin(roll, second)
    assert roll.in_the_way(new, 100) is new


def test_an_address_with_too_many_gives_up_one_of_its_own() -> None:
    roll = Roll()
    other, own, new = fill(roll, "192.0.2.1", "192.0.2.2", "192.0.2.2")
    assert not roll.too_many(new, 100, 2)
    assert roll.too_many(new, 100, 1)
    assert roll.in_the_way(new, 1) is own
    assert roll.in_the_way(new, 2) is other


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("192.0.2.1", 1), ("192.0.2.1", 2)),
        (("192.0.2.1", 1), ("::ffff:192.0.2.1", 2, 0, 0)),
        (("2001:db8:0:1::1", 1, 0, 0), ("2001:db8:0:1:ffff::", 2, 0, 0)),
        (("fe80::1%eth0", 1, 0, 2), ("fe80::2%eth0", 2, 0, 2)),
        ("", ""),
        (None, None),
        ((), ()),
    ],
)
def test_these_are_one_address(one: object, other: object) -> None:
    roll = Roll()
    roll.add("one", one, 0)
    assert roll.too_many(roll.add("other", other, 0), 100, 1)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("192.0.2.1", 1), ("192.0.2.2", 1)),
        (("2001:db8:0:1::1", 1, 0, 0), ("2001:db8:0:2::1", 1, 0, 0)),
        (("::1", 1, 0, 0), ("127.0.0.1", 1)),
        ("/run/socket", ""),
    ],
)
def test_these_are_two_addresses(one: object, other: object) -> None:
    roll = Roll()
    roll.add("one", one, 0)
    assert not roll.too_many(roll.add("other", other, 0), 100, 1)


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "head", "begin", "end"]), st.integers(0, 5))
)


@given(STEPS)
def test_nothing_is_kept_of_what_has_ended(steps: list[tuple[str, int]]) -> None:
    """Whatever happens, in whatever order."""
    roll = Roll()
    for now, (what, number) in enumerate(steps):
        key = str(number)
        connection = roll.get(key)
        if connection is None:
            if what == "add":
                roll.add(key, (f"192.0.2.{number % 2}", number), now)
        elif what == "remove":
            roll.remove(connection)
        elif what == "head":
            roll.head_began(connection, now)
        elif what == "begin":
            begin(roll, connection, now)
        elif what == "end":
            roll.request_ended(connection, "r", now)
        assert {*roll._resting} == {each for each in roll if not each.requests}
        assert sum(each.count for each in roll._addresses.values()) == len(roll)
    for connection in [*roll]:
        roll.remove(connection)
        roll.remove(connection)
        begin(roll, connection)
        roll.request_ended(connection, "r", 0)
    assert (roll._all, [*roll._resting], roll._addresses) == ({}, [], {})
