"""Whether an answer has begun: what of OpenAI's chunks and replies is content, and what is none."""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from llm_gateway.adapters.translating import object_in, objects
from llm_gateway.errors import UpstreamRejected

CONTENT_FILTER = "content_filter"


def has_begun(chunks: Iterable[bytes]) -> bool:
    """Whether one of a stream's chunks (JSON) says something, or that the answer is over.

    Text, reasoning, a refusal, a tool call, anything but the role. What is no chunk counts as
    content: it is not for us to keep back.
    """
    return any(_begins(chunk) for chunk in chunks)


def check_filtered(answers: Iterable[bytes]) -> None:
    """Raises UpstreamRejected if these chunks, or this whole reply, are empty because of a filter.

    Such an answer is a good one to most; who asked for another target in this case calls this.
    """
    choices = [choice for answer in answers for choice in _choices(answer)]
    reasons = [choice.get("finish_reason") for choice in choices]
    if CONTENT_FILTER in reasons and not any(map(_speaks, choices)):
        raise UpstreamRejected(
            "The provider's content filter left nothing of the answer.", code=CONTENT_FILTER
        )


def _begins(chunk: bytes) -> bool:
    try:
        parsed = orjson.loads(chunk)
    except orjson.JSONDecodeError:
        return True
    if not isinstance(parsed, dict):
        return True
    return any(
        choice.get("finish_reason") is not None or _speaks(choice)
        for choice in objects(parsed.get("choices"))
    )


def _choices(answer: bytes) -> Iterable[Mapping[str, Any]]:
    try:
        parsed = orjson.loads(answer)
    except orjson.JSONDecodeError:
        return ()
    return objects(parsed.get("choices")) if isinstance(parsed, dict) else ()


def _speaks(choice: Mapping[str, Any]) -> bool:
    said = object_in(choice, "delta") or object_in(choice, "message")
    return any(value for name, value in said.items() if name != "role")
