"""Reading a flow file of mitmproxy's: which answers are on it, and one of them when it is needed.

The file is read through once, flow by flow. What is kept of each answer is where it stands and what
its request was like, so that a large file takes little memory.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from mitmproxy import flow, http
from mitmproxy.io import FlowReader

from llm_gateway.adapters.openai.recorded import NOT_FOUND
from llm_gateway.errors import RequestError
from llm_gateway.inspect.metadata import (
    ARRIVALS,
    COMPLETION_TOKENS,
    CUT,
    PROMPT_TOKENS,
    SECONDS,
    is_attempt,
    is_client,
    is_ours,
)
from llm_gateway.recordings.answers import Answer, arrivals_in
from llm_gateway.recordings.asked import Asked, by_client
from llm_gateway.recordings.nearest import Sketch, sketch

_HAR = b"{"
_BOM = b"\xef\xbb\xbf"
_EXPECTED = (
    "expected a flow file of mitmproxy's with flows of this gateway, "
    "as `mitmdump -w FILE` or mitmweb's File > Save writes it"
)
_OF_THE_MOMENT = {"gateway_shutdown", "internal_error", NOT_FOUND}
"""Codes of failures that say nothing of what a provider would answer."""
_CUT = "cut off"
_REFUSED = "refused by the gateway"
_CHANGED = "has changed since it was read; start the gateway again"


class TapeError(Exception):
    """The file cannot be used; says which one, why, and what was expected."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One answer on the tape. ``at`` is when it was asked for, in seconds since the epoch."""

    offset: int
    flow: str
    at: float
    model: str
    key: bytes
    stream: bool
    sketch: Sketch


class Tape:
    """A flow file. Made by reading it through; raises TapeError."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with suppress(RuntimeError):  # nobody has such a home
            self.path = path.expanduser()
        self._left_out: dict[str, str] = {}
        """Why, by flow."""
        found: dict[str, Recording] = {}
        try:
            with self.path.open("rb") as file:
                for recording in self._scan(file):
                    # One that ends twice is written twice.
                    found.setdefault(recording.flow, recording)
        except OSError as error:
            raise self._unusable(f"cannot be read ({error.strerror}); {_EXPECTED}") from None
        self.recordings: Sequence[Recording] = [*found.values()]
        for served in found:
            self._left_out.pop(served, None)
        if not found:
            raise self._unusable(f"holds no answer to serve{self.omissions}; {_EXPECTED}")

    @property
    def omissions(self) -> str:
        """What was left out, in words; empty if nothing was."""
        counts = Counter(self._left_out.values())
        words = [f"{counts[why]} {why}" for why in (_CUT, _REFUSED) if counts[why]]
        return f" (left out: {', '.join(words)})" if words else ""

    def play(self, recording: Recording) -> tuple[Asked, Answer]:
        """A request and its answer. Raises TapeError where the file is not what it was."""
        try:
            with self.path.open("rb") as file:
                file.seek(recording.offset)
                found = next(iter(FlowReader(file).stream()), None)
        except Exception:
            # It is gone, or what stands there now is no flow: then anything may fail in mitmproxy.
            found = None
        if not isinstance(found, http.HTTPFlow) or found.id != recording.flow:
            raise self._unusable(_CHANGED)
        asked, answer = by_client(found.request.path, _body(found.request)), _answer(found)
        if asked is None or answer is None:
            raise self._unusable(_CHANGED)
        return asked, answer

    def _scan(self, file: BinaryIO) -> Iterator[Recording]:
        if file.read(4).removeprefix(_BOM)[:1] == _HAR:
            raise self._unusable(f"is a HAR file, which has no times and no routes; {_EXPECTED}")
        file.seek(0)
        flows = iter(FlowReader(file).stream())
        number, offset = 0, 0
        while True:
            number, offset = number + 1, file.tell()
            try:
                found = next(flows, None)
            except Exception as error:
                # Of a flow that is not what it should be, anything may fail in mitmproxy.
                place = f"flow {number}, at byte {offset}"
                # Its words may quote the file.
                said = "".join(each if each.isprintable() else "?" for each in str(error))
                raise self._unusable(f"cannot be read ({place}: {said}); {_EXPECTED}") from None
            if found is None:
                return
            if isinstance(found, http.HTTPFlow) and is_ours(found) and not is_attempt(found):
                recording = self._recording(found, offset)
                if recording is not None:
                    yield recording

    def _recording(self, found: http.HTTPFlow, offset: int) -> Recording | None:
        """What is to be known of a client flow; None, and counted, if it cannot be served."""
        if not is_client(found):
            self._leave_out(found, _REFUSED)
            return None
        if found.request.method != "POST":
            return None
        try:
            asked = by_client(found.request.path, _body(found.request))
        except RequestError:
            self._leave_out(found, _REFUSED)
            return None
        return None if asked is None else self._of(found, asked, offset)

    def _of(self, found: http.HTTPFlow, asked: Asked, offset: int) -> Recording | None:
        answer = _answer(found)
        if answer is None or not answer.is_whole:
            self._leave_out(found, _CUT)
            return None
        if answer.error_code in _OF_THE_MOMENT:
            self._leave_out(found, _REFUSED)
            return None
        at = found.request.timestamp_start
        model, stream = asked.model, asked.stream
        return Recording(offset, found.id, at, model, asked.key, stream, sketch(asked))

    def _leave_out(self, found: http.HTTPFlow, why: str) -> None:
        self._left_out[found.id] = why

    def _unusable(self, why: str) -> TapeError:
        return TapeError(f"The recording {self.path} {why}.")


def _answer(found: http.HTTPFlow) -> Answer | None:
    """What a client got; None if it did not get all of it, or not all was kept."""
    response, metadata = found.response, found.metadata
    if response is None or found.error is not None or metadata.get(CUT):
        return None
    return Answer(
        response.status_code,
        {name.lower(): value for name, value in response.headers.items()},
        _body(response),
        _seconds(found, response),
        arrivals_in(metadata.get(ARRIVALS)),
        _usage(metadata),
    )


def _body(message: http.Message) -> bytes:
    return message.get_content(strict=False) or b""


def _seconds(found: flow.Flow, response: http.Response) -> float:
    said = found.metadata.get(SECONDS)
    if isinstance(said, (int, float)):
        return max(0.0, float(said))
    end = response.timestamp_end or response.timestamp_start
    return max(0.0, end - found.timestamp_start)


def _usage(metadata: Mapping[str, Any]) -> Mapping[str, int] | None:
    prompt, completion = metadata.get(PROMPT_TOKENS), metadata.get(COMPLETION_TOKENS)
    if not isinstance(prompt, int) or not isinstance(completion, int):
        return None
    total = prompt + completion
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
