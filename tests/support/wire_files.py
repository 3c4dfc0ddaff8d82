"""Recorded exchanges with providers, one directory each: `tests/data/<kind>/<case>/`.

- `request.json`: the client's request (OpenAI's format).
- `upstream.json`: the body that is to be sent to the provider.
- `prepare.json`, where the format has to do something first: a list of `[status, content type,
  body]`, the answers to what it does.
- the provider's answer: `reply.json` or `reply.sse` (200), or `failure.json`:
  `{"status", "headers", "body"}` with a body that is JSON, or text.
- what the client gets: `answer.json`; `answer.sse`, one chunk in each event; or `error.json`:
  `{"status", "retry", "retry_after", "error": {"message", "type", "param", "code"}}`. An error of a
  stream that has begun is `error.json` beside an `answer.sse` with the chunks before it.

A case without `request.json` has `{"model": "m", "messages": [{"role": "user", "content": "Hi"}]}`,
streamed if the reply is.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, override

from llm_gateway.adapters.contract import Whole
from support.calls import whole

DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class Case:
    """One recorded exchange."""

    kind: str
    path: Path

    @override
    def __str__(self) -> str:
        return f"{self.kind}-{self.path.name}"

    def has(self, name: str) -> bool:
        """Whether the case has this file."""
        return (self.path / name).is_file()

    def bytes(self, name: str) -> bytes:
        """A file's content."""
        return (self.path / name).read_bytes()

    def json(self, name: str) -> Any:
        """A file's content as JSON."""
        return json.loads(self.bytes(name))

    @property
    def request(self) -> dict[str, Any]:
        """The client's request."""
        if self.has("request.json"):
            request: dict[str, Any] = self.json("request.json")
            return request
        stream = {"stream": True} if self.has("reply.sse") else {}
        return {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **stream}

    @property
    def preparation(self) -> list[Whole]:
        """The answers to what the format does first."""
        answers = self.json("prepare.json") if self.has("prepare.json") else []
        return [
            whole(
                status, body.encode() if isinstance(body, str) else json.dumps(body).encode(), kind
            )
            for status, kind, body in answers
        ]


def cases() -> list[Case]:
    """Every case of every kind."""
    return [
        Case(kind.name, path)
        for kind in sorted(DATA.iterdir())
        for path in sorted(kind.iterdir())
        if kind.is_dir() and path.is_dir()
    ]
