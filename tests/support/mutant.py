"""Sends mutations to a gateway, many at a time, and judges what comes back."""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from support.http1 import Headers, values
from support.mutations import Mutation

PATIENCE = 0.3
"""Seconds of silence after which the client closes its side: it may have sent half a request."""
BOUND = 20.0
"""Seconds after that in which the gateway closes; it takes milliseconds where there is no hang."""

_KEYS = {"message", "type", "param", "code"}
_VERSION_NOT_SUPPORTED = 505
_OK, _BAD, _OURS = 200, 400, 500
_SIZE = re.compile(rb"([0-9a-f]+)\r\n")


@dataclass(frozen=True)
class Came:
    """One answer."""

    status: int
    headers: Headers
    body: bytes | None
    """None in the answer to HEAD."""

    def faults(self, *, cut: bool) -> Iterator[str]:
        """What is wrong with it; `cut`: the client has left early."""
        if self.status >= _OURS and self.status != _VERSION_NOT_SUPPORTED:
            yield f"a {self.status}"
        if self.body is None:
            return
        kind = (values(self.headers, "content-type") or [""])[0]
        if self.status >= _BAD:
            if kind != "application/json" or not _is_error(self.body):
                yield f"a {self.status} that is no error of four keys"
        elif (
            not cut and kind == "text/event-stream" and not self.body.endswith(b"data: [DONE]\n\n")
        ):
            yield "a stream without its end"


def _is_error(body: bytes) -> bool:
    try:
        error = json.loads(body)["error"]
        return set(error) == _KEYS and isinstance(error["message"], str) and bool(error["message"])
    except (ValueError, TypeError, KeyError):
        return False


async def judge(port: int, mutation: Mutation, secrets: Iterable[bytes]) -> list[str]:
    """Send it over a connection of its own; return what is wrong with what comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(mutation.sent)
        ended = mutation.ends
        if ended:
            writer.write_eof()
        data, silent = await _answers(reader, mutation)
        if silent and not ended:
            ended = True
            writer.write_eof()
        if silent:
            async with asyncio.timeout(BOUND):
                data += await reader.read()
    except TimeoutError:
        return ["a hang"]
    except ConnectionResetError:
        return [] if ended else ["a reset"]
    finally:
        writer.transport.abort()
    return [*_faults(mutation, data, secrets, ended=ended)]


async def _answers(reader: asyncio.StreamReader, mutation: Mutation) -> tuple[bytes, bool]:
    """What comes up to a whole answer or the end; and whether there was silence instead."""
    data = b""
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                piece = await reader.read(65536)
                data += piece
                answers, rest = _split(mutation, data, ended=False)
                if not piece or (answers and not rest):
                    return data, False
    except TimeoutError:
        return data, True


def _faults(
    mutation: Mutation, data: bytes, secrets: Iterable[bytes], *, ended: bool
) -> Iterator[str]:
    yield from ("a secret" for secret in secrets if secret in data)
    answers, rest = _split(mutation, data, ended=True)
    if rest and not ended:
        yield f"half an answer: {rest[:200]!r}"
    if not answers and not ended:
        yield "no answer"
    for answer in answers:
        yield from answer.faults(cut=ended)


def _split(mutation: Mutation, data: bytes, *, ended: bool) -> tuple[list[Came], bytes]:
    """The whole answers in `data`, and what is left. `ended`: nothing more will come."""
    answers = []
    while b"\r\n\r\n" in data:
        head, _, rest = data.partition(b"\r\n\r\n")
        start, *lines = head.decode("latin-1").split("\r\n")
        status = int(start.split(" ")[1])
        headers = [(name, value.strip()) for name, _, value in (x.partition(":") for x in lines)]
        if status < _OK:
            data = rest
            continue
        if mutation.sent.lstrip(b"\r\n")[:5].upper() == b"HEAD ":
            # There is no telling whether what is behind it was asked for by HEAD as well.
            return [Came(status, headers, None)], b""
        body, left = _body(headers, rest, ended=ended)
        if left is None:
            break
        answers.append(Came(status, headers, body))
        data = left
    return answers, data


def _body(headers: Headers, data: bytes, *, ended: bool) -> tuple[bytes, bytes | None]:
    """A body and what is behind it; None where it is not whole yet."""
    if values(headers, "transfer-encoding"):
        return _chunks(data)
    lengths = values(headers, "content-length")
    if not lengths:
        # To a client that speaks HTTP/1.0: it ends with the connection.
        return (data, b"") if ended else (b"", None)
    length = int(lengths[0])
    return (data[:length], data[length:]) if len(data) >= length else (b"", None)


def _chunks(data: bytes) -> tuple[bytes, bytes | None]:
    body = b""
    while match := _SIZE.match(data):
        size = int(match[1], 16)
        end = match.end() + size + 2
        if len(data) < end:
            break
        body += data[match.end() : end - 2]
        data = data[end:]
        if not size:
            return body, data
    return b"", None
