"""What is sent, and what is right: the values of the table of bad input."""

import enum
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import EllipsisType
from typing import Any

from support.recording_server import Received
from support.scene import BEARER, HOST, chat_body

CHAT = "/v1/chat/completions"
MODELS = "/v1/models"
JSON = ("Content-Type", "application/json")
REALM = 'Bearer realm="llm-gateway"'
BOUND = 15.0
"""Seconds that everything about one row may take; on a machine that has nothing else to do it is
milliseconds."""

type Fields = tuple[tuple[str, str], ...]


class After(enum.Enum):
    """What becomes of the connection."""

    USABLE = "usable"
    """The next request on it is answered."""
    CLOSED = "closed"
    """The gateway closes it, and says nothing more."""
    DRAINED = "drained"
    """The rest of the request is read and thrown away, until it is complete or its time is up."""


@dataclass(frozen=True)
class Request:
    """A request that can be sent over HTTP/1.1 and HTTP/2. Field values are latin-1.

    `length` is false where no Content-Length goes with the body.
    """

    method: str
    target: str
    fields: Fields = ()
    body: bytes = b""
    host: str = HOST
    length: bool = True

    def bytes(self) -> bytes:
        """The request in HTTP/1.1."""
        length = [("Content-Length", str(len(self.body)))] if self.body and self.length else []
        lines = "".join(
            f"{name}: {value}\r\n" for name, value in [("Host", self.host), *length, *self.fields]
        )
        return f"{self.method} {self.target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + self.body


@dataclass(frozen=True)
class Answer:
    """What is right. An answer with a `type` is an error of OpenAI's four keys.

    `says` stands in its message. `fields` are patterns that fields of the head match whole; None is
    a field that must not be there. `bodiless` is the answer to HEAD.
    A `param` of ... is the provider's own.
    """

    status: int = 200
    type: str = ""
    code: str | None = None
    param: str | EllipsisType | None = None
    says: str = ""
    fields: Mapping[str, str | None] = field(default_factory=dict)
    bodiless: bool = False


@dataclass(frozen=True)
class Row:
    """One input of the table. `id` is the corpus's row and what is peculiar about this input.

    `answers` come in this order; without one, the connection ends without a word. `calls` reach the
    provider, and of each `forwarded` is true. `hidden` stands in no answer. `ends`: the client
    closes its side when all is sent. `within` bounds the whole, in seconds. `by_mitmproxy`:
    mitmproxy itself finds the fault, before any addon could. `http2`: it means the same there.
    """

    id: str
    sent: Request | bytes
    answers: tuple[Answer, ...]
    after: After = After.USABLE
    calls: int = 0
    forwarded: Callable[[Received], bool] | None = None
    hidden: tuple[bytes, ...] = ()
    ends: bool = False
    within: float = BOUND
    by_mitmproxy: bool = False
    http2: bool = True

    def bytes(self) -> bytes:
        """What goes over an HTTP/1.1 connection."""
        return self.sent if isinstance(self.sent, bytes) else self.sent.bytes()


GOOD = Answer()


def error(
    status: int,
    code: str | None = None,
    param: str | EllipsisType | None = None,
    *,
    says: str = "",
    type: str = "invalid_request_error",
    **fields: str | None,
) -> Answer:
    """An error; `fields` are named with underscores for hyphens."""
    patterns = {name.replace("_", "-"): pattern for name, pattern in fields.items()}
    return Answer(status, type, code, param, says, patterns)


def get(target: str = MODELS, *fields: tuple[str, str], host: str = HOST) -> Request:
    """A GET with the right token."""
    return Request("GET", target, (BEARER, *fields), host=host)


def post(body: bytes, *fields: tuple[str, str], target: str = CHAT) -> Request:
    """A POST with the right token, of JSON unless `fields` say otherwise."""
    named = {name.lower() for name, _ in fields}
    kind = () if "content-type" in named else (JSON,)
    return Request("POST", target, (BEARER, *kind, *fields), body)


def without(request: Request, *names: str) -> Request:
    """A request without these fields."""
    kept = tuple(each for each in request.fields if each[0].lower() not in names)
    return replace(request, fields=kept)


def chat(*fields: tuple[str, str], **content: Any) -> Request:
    """A chat request that is answered whole, unless `content` says otherwise."""
    return post(json.dumps(chat_body(**{"stream": False, **content})).encode(), *fields)


def raw(*lines: str | bytes, body: bytes = b"") -> bytes:
    """A head of exactly these lines, and what follows it."""
    ends = b"".join(line.encode("latin-1") if isinstance(line, str) else line for line in lines)
    return ends + body


def refused(id: str, sent: Request | bytes, answer: Answer, **rest: Any) -> Row:
    """A row that is refused; the connection stays usable unless `rest` says otherwise."""
    return Row(id, sent, (answer,), **rest)


def served(id: str, sent: Request | bytes, *answers: Answer, calls: int = 0, **rest: Any) -> Row:
    """A row that is answered with success."""
    return Row(id, sent, answers or (GOOD,), calls=calls, **rest)


def malformed(id: str, sent: bytes, says: str = "", **rest: Any) -> Row:
    """A row that is no HTTP: 400, and the connection is closed."""
    answer = error(400, says=says, connection="close")
    return Row(id, sent, (answer,), **{"after": After.CLOSED, "http2": False, **rest})
