"""Request bodies of unknown length are kept up to a limit; unwanted ones are not kept at all."""

import tracemalloc

from llm_gateway.errors import GatewayError, InternalError, RequestError
from llm_gateway.upload import Upload, discard


class Limit:
    """Lets so many bytes through, and counts what is refused."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.refused: list[GatewayError] = []

    def check(self, received: int) -> None:
        if received > self._most:
            raise RequestError(413, "too much")


def upload_to(limit: Limit) -> Upload:
    return Upload(limit.check, limit.refused.append)


def test_an_unwanted_body_goes_nowhere() -> None:
    assert discard(b"data") == []
    assert discard(b"") == []


def test_a_body_up_to_the_limit_is_kept_and_not_passed_on() -> None:
    limit = Limit(5)
    upload = upload_to(limit)
    assert [upload(piece) for piece in (b"ab", b"", b"cde", b"")] == [[], [], [], []]
    assert upload.body == b"abcde"
    assert limit.refused == []


def test_an_excess_is_told_once_and_leaves_nothing() -> None:
    limit = Limit(5)
    upload = upload_to(limit)
    upload(b"abc")
    upload(b"def")
    assert [error.status for error in limit.refused] == [413]
    upload(b"ghi")
    upload(b"")
    assert len(limit.refused) == 1
    assert upload.body == b""


def test_a_limit_of_nothing_allows_an_empty_body() -> None:
    limit = Limit(0)
    upload = upload_to(limit)
    upload(b"")
    assert (upload.body, limit.refused) == (b"", [])
    upload(b"x")
    assert len(limit.refused) == 1


def test_tiny_pieces_take_no_more_memory_than_large_ones() -> None:
    upload = upload_to(Limit(100_000))
    tracemalloc.start()
    try:
        for n in range(50_000):
            upload(b"%02d" % (n % 100))
        assert tracemalloc.get_traced_memory()[0] < 200_000
    finally:
        tracemalloc.stop()
    assert len(upload.body) == 100_000


def test_what_was_given_up_takes_no_more_and_is_refused_once() -> None:
    limit = Limit(10)
    upload = upload_to(limit)
    upload(b"abc")
    upload.give_up(InternalError())
    upload(b"d" * 100)
    assert (upload.body, [error.status for error in limit.refused]) == (b"", [500])
