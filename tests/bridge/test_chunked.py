"""A chunked body is read to the letter; extensions and trailers are bounded and forgotten."""

import h11
import pytest
from h11._receivebuffer import ReceiveBuffer
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.bridge.chunked import ChunkedBody
from llm_gateway.errors import RequestError

BOUND = 1000


def read(*pieces: bytes, rest: bytes = b"") -> tuple[bytes, bool]:
    """What was read of a body that comes in these pieces, and whether it has ended."""
    buffer, body = ReceiveBuffer(), ChunkedBody(BOUND)
    data = b""
    for piece in pieces:
        buffer += piece
        while (event := body(buffer)) is not None:
            if isinstance(event, h11.EndOfMessage):
                assert bytes(buffer) == rest
                return data, True
            data += event.data
    return data, False


def bytewise(data: bytes) -> list[bytes]:
    return [data[n : n + 1] for n in range(len(data))]


WHOLE = [
    (b"0\r\n\r\n", b""),
    (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
    (b"000005\r\nhello\r\n00\r\n\r\n", b"hello"),
    (b"a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n", b"0123456789" * 2),
    (b"2\r\n\r\n\r\n0\r\n\r\n", b"\r\n"),
    (b"5;a=b\r\nhello\r\n0;c\r\n\r\n", b"hello"),
    (b'5 ; a="b c"\r\nhello\r\n0\r\n\r\n', b"hello"),
    (b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nContent-Length: 9\r\n\r\n", b"hello"),
]


@pytest.mark.parametrize(("sent", "data"), WHOLE)
def test_a_body_is_read_whole_and_no_further(sent: bytes, data: bytes) -> None:
    assert read(sent) == (data, True)
    assert read(sent + b"GET / ", rest=b"GET / ") == (data, True)


@pytest.mark.parametrize(("sent", "data"), WHOLE)
def test_a_body_is_read_byte_by_byte(sent: bytes, data: bytes) -> None:
    assert read(*bytewise(sent)) == (data, True)
    assert read(*bytewise(sent[:-1])) == (data, False)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8), st.integers(1, 30))
def test_what_was_cut_into_chunks_is_put_together(chunks: list[bytes], step: int) -> None:
    sent = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    pieces = [sent[n : n + step] for n in range(0, len(sent), step)]
    assert read(*pieces) == (b"".join(chunks), True)


def test_many_small_chunks_are_one_piece() -> None:
    buffer = ReceiveBuffer()
    buffer += b"1\r\na\r\n" * 1000
    event = ChunkedBody(BOUND)(buffer)
    assert isinstance(event, h11.Data)
    assert event.data == b"a" * 1000


@pytest.mark.parametrize(
    "sent",
    [
        b"\r\n",
        b"zz\r\n",
        b"-1\r\n",
        b"+5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b" 5\r\nhello\r\n",
        b"5 5\r\nhello\r\n",
        b"f" * 16 + b"\r\n",
        b"5\nhello\n0\n\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhelloX\r\n0\r\n\r\n",
        b"5\r\nhello\rX",
        b"5;a\nb\r\nhello\r\n",
        b"5;\x00\r\nhello\r\n",
        b"0\r\n\n",
        b"0\r\nno colon\r\n\r\n",
        b"0\r\n folded: a\r\n\r\n",
        b"0\r\nX: a\n\r\n",
    ],
    ids=repr,
)
@pytest.mark.parametrize("one_by_one", [False, True])
def test_what_is_no_chunk_is_refused_at_once(sent: bytes, *, one_by_one: bool) -> None:
    with pytest.raises(RequestError, match="no valid HTTP") as caught:
        read(*(bytewise(sent) if one_by_one else [sent]))
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "sent",
    [
        b"0" * 2000,
        b"5;" + b"a" * 2000,
        b"1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n" * 100,
        b"0\r\nX: " + b"a" * 2000,
        b"0\r\n" + b"X: a\r\n" * 500,
    ],
    ids=lambda sent: repr(sent)[:20],
)
def test_extensions_and_trailers_without_end_are_refused(sent: bytes) -> None:
    with pytest.raises(RequestError, match="too long"):
        read(sent)


def test_a_body_that_is_cut_short_is_refused() -> None:
    with pytest.raises(RequestError, match="before the request was complete"):
        ChunkedBody(BOUND).read_eof()
