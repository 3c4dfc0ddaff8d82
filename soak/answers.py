"""What an answer to a client is, down to the piece. Anything but a good answer or a clear error is
wrong, and says why.
"""

import re
from collections.abc import Iterator
from itertools import pairwise

from soak.evidence import Kind, Outcome
from support.fault_scene import Answer
from support.marks import mark
from support.raw_http import Head

_MARK = re.compile(r"\[([0-9]+):([0-9]+)\] ")
_SHOWN = 300


class WrongAnswer(Exception):
    """It is neither a good answer nor a clear error."""


def judge(head: Head, body: bytes, at: float, first: float) -> Outcome:
    """What a whole answer comes to. Raises WrongAnswer."""
    try:
        return _judge(Answer(head, body), at, first)
    except (AssertionError, LookupError, ValueError, TypeError) as error:
        shown = body[-_SHOWN:].decode(errors="replace")
        raise WrongAnswer(f"{head.status} {type(error).__name__} {error}: {shown!r}") from error


def _judge(answer: Answer, at: float, first: float) -> Outcome:
    exchange = answer.head.header("x-request-id") or ""
    if answer.status != 200:
        status, code = answer.verdict
        # Some of OpenAI's errors have no code; their type says what they are.
        code = code or answer.error["type"]
        return Outcome(Kind.REFUSED, at, status, str(code), exchange, first=first)
    streamed = answer.head.header("content-type") == "text/event-stream"
    if streamed and (error := answer.told.error) is not None:
        if answer.told.finish_reasons:
            raise WrongAnswer("a stream has both an end and an error")
        parts = tuple(parts_of(answer.told.text))
        return Outcome(Kind.BROKEN, at, 200, str(error["code"]), exchange, parts, first)
    parts = tuple(parts_of(answer.text))
    if not parts:
        raise WrongAnswer("an answer without content")
    return Outcome(Kind.COMPLETE, at, 200, "", exchange, parts, first)


def parts_of(text: str) -> Iterator[tuple[int, int]]:
    """The calls that a text came from, in order, each with its number of pieces.

    Raises WrongAnswer unless the pieces of each count up from 0 and there is nothing else.
    """
    pieces = [(int(call), int(place)) for call, place in _MARK.findall(text)]
    if text != "".join(mark(call, place) for call, place in pieces):
        raise WrongAnswer(f"more than pieces: {text[:_SHOWN]!r}")
    starts = [at for at, (_, place) in enumerate(pieces) if place == 0]
    if pieces and not (starts and starts[0] == 0):
        raise WrongAnswer(f"the beginning is missing: {text[:_SHOWN]!r}")
    for start, end in pairwise([*starts, len(pieces)]):
        call = pieces[start][0]
        if pieces[start:end] != [(call, place) for place in range(end - start)]:
            raise WrongAnswer(f"pieces are missing, doubled or mixed: {text[:_SHOWN]!r}")
        yield call, end - start


def remaining(head: Head) -> int:
    """How many requests are left of the quota, 0 where one is refused for it."""
    if head.status == 429:
        return 0
    return int(head.header("x-ratelimit-remaining-requests") or "none is said")
