"""A head is one request, byte for byte, or it is refused; and it never grows past its bounds."""

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.bridge.heads import HeadBuffer, body_size, check_fields, read_head
from llm_gateway.config.values import Bounds
from llm_gateway.errors import RequestError

LINE = b"GET /v1/models HTTP/1.1"
BOUNDS = Bounds(headers=5, header_bytes=4096, path_bytes=100)


def refusal(head: bytes, bounds: Bounds = BOUNDS) -> RequestError:
    with pytest.raises(RequestError) as caught:
        read_head(head, bounds)
    return caught.value


def begin(*pieces: bytes, bounds: Bounds = BOUNDS) -> bytes | None:
    buffer = HeadBuffer()
    head = None
    for piece in pieces:
        buffer += piece
        head = buffer.take_head(bounds)
    return head


def bytewise(data: bytes) -> list[bytes]:
    return [data[n : n + 1] for n in range(len(data))]


def test_a_head_is_read() -> None:
    request = read_head(LINE + b"\r\nHost: a\r\nX-A:  b c \r\nX-B:", BOUNDS)
    assert (request.method, request.path, request.http_version) == ("GET", "/v1/models", "HTTP/1.1")
    assert request.headers.fields == ((b"Host", b"a"), (b"X-A", b"b c"), (b"X-B", b""))


@pytest.mark.parametrize("field", [b"X: \xff\xfe", b"X: a\tb", "X: ä".encode()], ids=repr)
def test_values_may_have_any_bytes_but_controls(field: bytes) -> None:
    assert read_head(LINE + b"\r\n" + field, BOUNDS).headers.fields == (
        (b"X", field.removeprefix(b"X: ")),
    )


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"GET",
        b"GET /",
        b"GET  / HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b" GET / HTTP/1.1",
        b"GET\t/\tHTTP/1.1",
        b"G\xc3\x89T / HTTP/1.1",
        b"GET /a b HTTP/1.1",
        b"GET /\x0b HTTP/1.1",
        b"GET / HTTP/1",
        b"GET / HTTP/1.10",
        b"GET / http/1.1",
        b"GET no-target HTTP/1.1",
        b"GET http:///x HTTP/1.1",
        b"CONNECT evil HTTP/1.1",
    ],
)
def test_a_request_line_of_another_form_is_refused(line: bytes) -> None:
    assert refusal(line + b"\r\nHost: a").status == 400


@pytest.mark.parametrize("version", [b"0.9", b"1.2", b"2.0", b"9.9"])
def test_a_version_that_we_do_not_speak_is_refused(version: bytes) -> None:
    assert refusal(b"GET / HTTP/" + version).status == 505


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_the_versions_that_we_speak_are_taken(version: bytes) -> None:
    assert read_head(b"GET / HTTP/" + version, BOUNDS).data.http_version == b"HTTP/" + version


@pytest.mark.parametrize(
    "fields",
    [
        b"X: a\r\n b",
        b"X: a\r\n\tb",
        b" X: a",
        b"X: a\nY: b",
        b"X: a\rY: b",
        b"X: a\x00",
        b"X: a\x7f",
        b"X: \x1b[31m",
        b"no colon",
        b": no name",
        b"X : a",
        b"X Y: a",
        b"X@: a",
        b"X\xff: a",
    ],
    ids=repr,
)
def test_a_field_that_may_be_read_in_two_ways_is_refused(fields: bytes) -> None:
    error = refusal(LINE + b"\r\n" + fields)
    assert error.status == 400
    assert "no valid HTTP/1.1" in error.message


def test_a_refusal_does_not_repeat_the_head() -> None:
    assert "secret" not in refusal(LINE + b"\r\nBearer secret-token").message


def test_more_fields_than_the_bound_are_refused() -> None:
    fields = b"\r\nX: a" * BOUNDS.headers
    assert len(read_head(LINE + fields, BOUNDS).headers.fields) == BOUNDS.headers
    error = refusal(LINE + fields + b"\r\nX: a")
    assert error.status == 431
    assert "(gateway.bounds.headers)" in error.message


def test_a_target_longer_than_the_bound_is_refused() -> None:
    target = b"/" + b"a" * (BOUNDS.path_bytes - 1)
    assert read_head(b"GET " + target + b" HTTP/1.1", BOUNDS).data.path == target
    error = refusal(b"GET " + target + b"a HTTP/1.1")
    assert error.status == 414
    assert "(gateway.bounds.path_bytes)" in error.message


@pytest.mark.parametrize(
    ("field", "size"),
    [
        (b"Content-Length: 5", 5),
        (b"Transfer-Encoding: chunked", None),
        (b"Transfer-Encoding: Chunked", None),
        (b"X: a", 0),
    ],
)
def test_the_size_of_the_body_stands_in_the_head(field: bytes, size: int | None) -> None:
    assert body_size(read_head(LINE + b"\r\n" + field, BOUNDS)) == size


@pytest.mark.parametrize(
    "field",
    [
        b"Content-Length: -1",
        b"Content-Length: 5, 5",
        b"Content-Length: " + b"9" * 5000,
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding: gzip, chunked",
    ],
    ids=lambda field: field[:40].decode(),
)
def test_a_body_whose_size_is_not_clear_is_refused(field: bytes) -> None:
    bounds = Bounds()
    with pytest.raises(RequestError) as caught:
        body_size(read_head(LINE + b"\r\n" + field, bounds))
    assert caught.value.status == 400


def test_a_head_is_taken_when_its_end_is_there_and_not_before() -> None:
    buffer = HeadBuffer()
    whole = LINE + b"\r\nHost: a\r\n\r\n"
    for piece in bytewise(whole)[:-1]:
        buffer += piece
        assert buffer.take_head(BOUNDS) is None
    buffer += whole[-1:] + b"body"
    assert buffer.take_head(BOUNDS) == whole[:-4]
    assert bytes(buffer) == b"body"


@given(st.lists(st.integers(0, 120), max_size=6))
def test_how_a_head_comes_in_makes_no_difference(cuts: list[int]) -> None:
    data = b"\r\n" + LINE + b"\r\nHost: a\r\nX: " + b"y" * 50 + b"\r\n\r\n"
    places = sorted({0, *(cut % len(data) for cut in cuts), len(data)})
    pieces = [data[a:b] for a, b in pairwise(places)]
    assert begin(*pieces) == data[2:-4]


@pytest.mark.parametrize("count", [1, 3, 8])
def test_a_few_empty_lines_before_a_head_are_passed_over(count: int) -> None:
    assert begin(*bytewise(b"\r\n" * count + LINE + b"\r\n\r\n")) == LINE


@pytest.mark.parametrize(
    ("beginning", "status"),
    [
        (b"\r\n" * 9, 400),
        (b"\n", 400),
        (b"\x16\x03\x01", 400),
        (b"GET / HTTP/1.1\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\n", 400),
        (b"GET / HTTP/1.1\r\nHost: \x00", 400),
        (b"GET /\r\n", 400),
        (b"SSH-2.0-OpenSSH\r\n", 400),
        (b"GET / HTTP/2.0\r\n", 505),
        (b"GET /" + b"a" * 100 + b" HTTP/1.1\r\n", 414),
        (b"GET /" + b"a" * 5000, 414),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 5000, 431),
        (b"GET / HTTP/1.1\r\n" + b"X: a\r\n" * 1000, 431),
    ],
    ids=lambda value: repr(value)[:40],
)
@pytest.mark.parametrize("one_by_one", [False, True])
def test_what_can_be_no_head_is_refused_before_its_end(
    beginning: bytes, status: int, *, one_by_one: bool
) -> None:
    with pytest.raises(RequestError) as caught:
        begin(*(bytewise(beginning) if one_by_one else [beginning]))
    assert caught.value.status == status


def test_a_head_that_is_there_whole_is_no_longer_than_its_bound() -> None:
    def head(length: int) -> bytes:
        return LINE + b"\r\nX: " + b"a" * (length - len(LINE) - len(b"\r\nX: "))

    longest = head(BOUNDS.header_bytes)
    assert begin(longest + b"\r\n\r\n") == longest
    with pytest.raises(RequestError) as caught:
        begin(head(BOUNDS.header_bytes + 1) + b"\r\n\r\n")
    assert caught.value.status == 431
    assert "(gateway.bounds.header_bytes)" in caught.value.message


@pytest.mark.parametrize("over", [-1, 0, 1, 2, 3, 4])
def test_where_it_is_cut_makes_no_difference_to_a_head_of_the_longest(over: int) -> None:
    """The bound does not count the end, which may come in four pieces."""
    head = LINE + b"\r\nX: "
    head += b"a" * (BOUNDS.header_bytes + over - len(head)) + b"\r\n\r\n"
    if over <= 0:
        assert begin(*bytewise(head)) == begin(head) == head[:-4]
        return
    for pieces in ([head], bytewise(head)):
        with pytest.raises(RequestError) as caught:
            begin(*pieces)
        assert caught.value.status == 431


def test_a_head_of_single_bytes_is_not_read_again_and_again() -> None:
    """32 times the length may take 32 times the time, and not a thousand times."""

    def took(length: int) -> float:
        buffer, bounds = HeadBuffer(), Bounds(header_bytes=1_000_000)
        buffer += LINE + b"\r\nX: "
        began = time.thread_time()
        for _ in range(length):
            buffer += b"a"
            buffer.take_head(bounds)
        return time.thread_time() - began

    assert took(64_000) < 250 * took(2_000)


def fields(**extra: str) -> list[tuple[bytes, bytes]]:
    head = {":method": "GET", ":path": "/v1/models", **extra}
    return [(name.encode(), value.encode()) for name, value in head.items()]


def test_an_http2_head_within_bounds_passes() -> None:
    check_fields(fields(x="a"), BOUNDS)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (fields(**{":path": "/" + "a" * 100}), 414),
        (fields(x="a" * 5000), 431),
        (fields(**{str(n): "" for n in range(6)}), 431),
        (fields(**{":path": "@evil.example/"}), 400),
        (fields(**{":path": "http://evil.example/"}), 400),
        (fields(**{":path": ""}), 400),
    ],
    ids=["path", "bytes", "count", "no slash", "absolute", "empty"],
)
def test_an_http2_head_has_the_same_bounds_and_a_path(
    head: list[tuple[bytes, bytes]], status: int
) -> None:
    with pytest.raises(RequestError) as caught:
        check_fields(head, BOUNDS)
    assert caught.value.status == status
