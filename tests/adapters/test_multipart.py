"""Forms with files are what RFC 7578 says, and the same parts always make the same bytes."""

import email
import email.policy
import hashlib
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.adapters.multipart import FormPart, multipart

names = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1)
parts = st.builds(
    FormPart,
    name=names,
    content=st.binary(max_size=200),
    filename=st.just("") | names,
    content_type=st.sampled_from(["", "image/png", "application/octet-stream"]),
)


def parsed(content_type: str, body: bytes) -> list[EmailMessage]:
    """The parts as the standard library reads them."""
    head = f"content-type: {content_type}\r\n\r\n".encode()
    message = email.message_from_bytes(head + body, policy=email.policy.HTTP)
    assert not message.defects
    return [each for each in message.iter_parts() if isinstance(each, EmailMessage)]


def split(content_type: str, body: bytes) -> list[bytes]:
    """The parts as the RFC writes them: what stands between the delimiters."""
    delimiter = b"--" + content_type.partition("boundary=")[2].encode()
    head, *sections, tail = (b"\r\n" + body).split(b"\r\n" + delimiter)
    assert (head, tail) == (b"", b"--\r\n")
    return [section.removeprefix(b"\r\n") for section in sections]


def test_a_field_and_a_file_make_these_bytes() -> None:
    content_type, body = multipart(
        [
            FormPart("file", b"\x89PNG\r\n", "image.png", "image/png"),
            FormPart("purpose", b"general"),
        ]
    )
    kind, _, boundary = content_type.partition("; boundary=")
    assert kind == "multipart/form-data"
    assert body == (
        b"--%(b)b\r\n"
        b'content-disposition: form-data; name="file"; filename="image.png"\r\n'
        b"content-type: image/png\r\n\r\n"
        b"\x89PNG\r\n\r\n"
        b"--%(b)b\r\n"
        b'content-disposition: form-data; name="purpose"\r\n\r\n'
        b"general\r\n"
        b"--%(b)b--\r\n" % {b"b": boundary.encode()}
    )


def test_the_standard_library_reads_it() -> None:
    file, field = parsed(
        *multipart(
            [FormPart("file", b"\x00\xff", "a.png", "image/png"), FormPart("purpose", b"general")]
        )
    )
    assert file.get_content_type() == "image/png"
    assert file.get_filename() == "a.png"
    assert file.get_payload(decode=True) == b"\x00\xff"
    assert field.get_param("name", header="content-disposition") == "purpose"
    assert field.get_payload(decode=True) == b"general"


@given(st.lists(parts, min_size=1, max_size=4))
def test_every_part_comes_back_whole(given_parts: list[FormPart]) -> None:
    sections = split(*multipart(given_parts))
    assert [section.partition(b"\r\n\r\n")[2] for section in sections] == [
        part.content for part in given_parts
    ]


@given(st.lists(parts, min_size=1, max_size=4))
def test_the_same_parts_make_the_same_bytes(given_parts: list[FormPart]) -> None:
    assert multipart(given_parts) == multipart(list(given_parts))


def test_other_parts_have_another_boundary() -> None:
    assert multipart([FormPart("a", b"1")])[0] != multipart([FormPart("a", b"2")])[0]
    together = [FormPart("a", b"bc"), FormPart("a", b"")]
    apart = [FormPart("a", b"b"), FormPart("a", b"c")]
    assert multipart(together)[0] != multipart(apart)[0]


def test_the_boundary_occurs_in_no_part(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = iter(["a" * 64, "b" * 64])

    class Digest:
        def update(self, data: bytes) -> None:
            """Whatever is hashed, the digests are those above."""

        def digest(self) -> bytes:
            return b""

        def hexdigest(self) -> str:
            return next(digests)

    monkeypatch.setattr(hashlib, "sha256", lambda *_: Digest())
    content_type, body = multipart([FormPart("file", b"--" + b"a" * 32 + b"--")])
    assert content_type == f"multipart/form-data; boundary={'b' * 32}"
    assert body.count(b"b" * 32) == 2


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ('a"b', b'"a%22b"'),
        ("a\r\nx: y", b'"a%0D%0Ax: y"'),
        ("снимок.png", '"снимок.png"'.encode()),
    ],
)
def test_a_name_cannot_leave_its_quotes(name: str, written: bytes) -> None:
    for part in (FormPart(name, b""), FormPart("file", b"", name)):
        assert written in multipart([part])[1]
