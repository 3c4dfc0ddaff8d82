"""Request bodies of unknown length are kept up to a limit; unwanted ones are not kept at all."""

from llm_gateway.upload import Upload, discard


class Calls:
    """Counts how often it is called."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def test_an_unwanted_body_goes_nowhere() -> None:
    assert discard(b"data") == []
    assert discard(b"") == []


def test_a_body_up_to_the_limit_is_kept_and_not_passed_on() -> None:
    excess = Calls()
    upload = Upload(5, excess)
    assert [upload(piece) for piece in (b"ab", b"", b"cde", b"")] == [[], [], [], []]
    assert upload.body == b"abcde"
    assert excess.count == 0


def test_an_excess_is_told_once_and_leaves_nothing() -> None:
    excess = Calls()
    upload = Upload(5, excess)
    upload(b"abc")
    upload(b"def")
    assert excess.count == 1
    upload(b"ghi")
    upload(b"")
    assert excess.count == 1
    assert upload.body == b""


def test_a_limit_of_nothing_allows_an_empty_body() -> None:
    excess = Calls()
    upload = Upload(0, excess)
    upload(b"")
    assert (upload.body, excess.count) == (b"", 0)
    upload(b"x")
    assert excess.count == 1
