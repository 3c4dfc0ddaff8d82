"""Forms with files: ``multipart/form-data``, RFC 7578.

The same parts always make the same bytes, so that a request can be built twice and compared: the
boundary is a hash of what it separates.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FormPart:
    """One field of a form; a file if it has a ``filename``.

    ``content_type`` is a media type in ASCII, empty for none (RFC 7578 §4.4: ``text/plain``).
    """

    name: str
    content: bytes
    filename: str = ""
    content_type: str = ""


def multipart(parts: Sequence[FormPart]) -> tuple[str, bytes]:
    """The value of the ``content-type`` header, and the body."""
    sections = [_head(part) + part.content for part in parts]
    boundary = _boundary(sections)
    delimiter = b"--" + boundary
    body = b"".join(delimiter + b"\r\n" + section + b"\r\n" for section in sections)
    return f"multipart/form-data; boundary={boundary.decode()}", body + delimiter + b"--\r\n"


def _head(part: FormPart) -> bytes:
    disposition = f'content-disposition: form-data; name="{_quoted(part.name)}"'
    if part.filename:
        disposition += f'; filename="{_quoted(part.filename)}"'
    kind = f"\r\ncontent-type: {part.content_type}" if part.content_type else ""
    return f"{disposition}{kind}\r\n\r\n".encode()


def _quoted(name: str) -> str:
    # As browsers do it: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _boundary(sections: Sequence[bytes]) -> bytes:
    """At most 70 characters (RFC 2046 §5.1.1) that occur in no section."""
    digest = hashlib.sha256()
    for section in sections:
        digest.update(hashlib.sha256(section).digest())
    boundary = digest.hexdigest()[:32].encode()
    while any(boundary in section for section in sections):
        digest.update(boundary)
        boundary = digest.hexdigest()[:32].encode()
    return boundary
