"""Gemini's replies: what a candidate says, why it ended, what it cost.

Source: https://ai.google.dev/api/generate-content#GenerateContentResponse
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from llm_gateway.adapters.answers import CallMade, FinishReason, Tokens, tool_call_id
from llm_gateway.adapters.contract import Call
from llm_gateway.adapters.gemini.names import by_sent_name
from llm_gateway.adapters.gemini.signatures import keep_signature
from llm_gateway.adapters.images import data_url
from llm_gateway.adapters.translating import count_in, object_in, objects, text_in
from llm_gateway.errors import UpstreamInvalidResponse

FINISH_REASONS: Mapping[str, FinishReason | None] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "MALFORMED_FUNCTION_CALL": None,
    "UNEXPECTED_TOOL_CALL": None,
    "TOO_MANY_TOOL_CALLS": None,
    "MISSING_THOUGHT_SIGNATURE": None,
    "MALFORMED_RESPONSE": None,
}
"""None: the model failed, and what it said until then is no answer. For a reason that is not here
the answer counts if there is one."""

_WORD = re.compile(r"[A-Z][A-Z_]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Said:
    """What a candidate, or a piece of one, holds."""

    reasoning: str = ""
    content: str = ""
    images: tuple[str, ...] = ()
    calls: tuple[CallMade, ...] = ()

    @property
    def is_answer(self) -> bool:
        """Whether there is something besides thoughts."""
        return bool(self.content or self.images or self.calls)


class Reader:
    """Reads the candidates of one reply, whole or in pieces."""

    def __init__(self, call: Call) -> None:
        self._call = call
        functions = (object_in(tool, "function") for tool in objects(call.body.get("tools")))
        self._names = by_sent_name(text_in(function, "name") for function in functions)
        self._ids: set[str] = set()

    def read(self, candidate: Mapping[str, Any]) -> Said:
        """What a candidate says. Signatures of tool calls are remembered."""
        parts = objects(object_in(candidate, "content").get("parts"))
        thoughts = [part for part in parts if part.get("thought") is True]
        answer = [part for part in parts if part.get("thought") is not True]
        return Said(
            "".join(text_in(part, "text") for part in thoughts),
            "".join(text for part in answer for text in _texts(part)),
            tuple(url for part in answer for url in _images(part)),
            tuple(self._call_made(part) for part in parts if object_in(part, "functionCall")),
        )

    def _call_made(self, part: Mapping[str, Any]) -> CallMade:
        made = object_in(part, "functionCall")
        name = text_in(made, "name")
        if not name:
            raise UpstreamInvalidResponse("A tool call of the provider's names no function.")
        id = self._id(text_in(made, "id"))
        signature = text_in(part, "thoughtSignature")
        extra = keep_signature(self._call, id, signature) if signature else {}
        return CallMade(id, self._names.get(name, name), _arguments(made), extra)

    def _id(self, given: str) -> str:
        """The call's id, or one made for it: many come without, and no two may be the same."""
        id = given
        if not given or given in self._ids:
            id = tool_call_id(self._call, len(self._ids))
        self._ids.add(id)
        return id


def index_of(candidate: Mapping[str, Any], position: int) -> int:
    """Which of the answers a candidate is; the first may leave it out."""
    return count_in(candidate, "index") if "index" in candidate else position


def finish_of(candidate: Mapping[str, Any], *, answered: bool) -> FinishReason | None:
    """Why a candidate ended, None if it has not.

    ``answered`` says whether there is an answer. Raises UpstreamInvalidResponse where the model
    failed, or stopped for a reason that is not known without having answered.
    """
    reason = text_in(candidate, "finishReason")
    if not reason or reason == "FINISH_REASON_UNSPECIFIED":
        return None
    finish = FINISH_REASONS.get(reason, "stop" if answered else None)
    if finish is None:
        raise UpstreamInvalidResponse(
            f"The provider's model broke its answer off: {word(reason)}.",
            detail=f"finishReason {word(reason)}",
        )
    return finish


def withheld(candidate: Mapping[str, Any]) -> str:
    """What to tell of a candidate that was filtered away."""
    return f"The provider withheld the answer: {word(text_in(candidate, 'finishReason'))}."


def blocked(reply: Mapping[str, Any]) -> str:
    """What to tell of a prompt that was blocked, empty if it was not."""
    reason = text_in(object_in(reply, "promptFeedback"), "blockReason")
    return f"The provider blocked the prompt: {word(reason)}." if reason else ""


def word(text: str) -> str:
    """A reason as Google names it, fit for a sentence."""
    return text if _WORD.fullmatch(text) else "for an unknown reason"


def tokens_of(usage: Mapping[str, Any]) -> Tokens | None:
    """``usageMetadata`` as tokens, None if it is empty. Thinking is part of the completion."""
    if not usage:
        return None
    thoughts = count_in(usage, "thoughtsTokenCount")
    return Tokens(
        prompt=count_in(usage, "promptTokenCount") + count_in(usage, "toolUsePromptTokenCount"),
        completion=count_in(usage, "candidatesTokenCount") + thoughts,
        total=count_in(usage, "totalTokenCount") or None,
        cached=_if_told(usage, "cachedContentTokenCount"),
        reasoning=_if_told(usage, "thoughtsTokenCount"),
        special=_has_more_than_text(usage),
    )


def _has_more_than_text(usage: Mapping[str, Any]) -> bool:
    """Whether it heard or made what has a price of its own; pictures that it sees have none."""
    heard = objects(usage.get("promptTokensDetails"))
    made = objects(usage.get("candidatesTokensDetails"))
    return any(each.get("modality") == "AUDIO" for each in heard) or any(
        each.get("modality") != "TEXT" for each in made
    )


def logprobs_of(candidate: Mapping[str, Any]) -> dict[str, Any] | None:
    """OpenAI's ``logprobs``, None if there are none."""
    result = object_in(candidate, "logprobsResult")
    chosen = objects(result.get("chosenCandidates"))
    if not chosen:
        return None
    top = objects(result.get("topCandidates"))
    others = [objects(each.get("candidates")) for each in top]
    others += [[]] * (len(chosen) - len(others))
    return {
        "content": [
            {**_logprob(token), "top_logprobs": [_logprob(each) for each in alternatives]}
            for token, alternatives in zip(chosen, others, strict=False)
        ],
        "refusal": None,
    }


def _logprob(token: Mapping[str, Any]) -> dict[str, Any]:
    text = text_in(token, "token")
    probability = token.get("logProbability")
    is_number = isinstance(probability, int | float) and not isinstance(probability, bool)
    # Protobuf leaves out what is 0, the logarithm of certainty.
    return {
        "token": text,
        "logprob": probability if is_number else 0.0,
        "bytes": list(text.encode("utf-8", "replace")),
    }


def _if_told(usage: Mapping[str, Any], name: str) -> int | None:
    return count_in(usage, name) if name in usage else None


def _texts(part: Mapping[str, Any]) -> Iterator[str]:
    """Text, and as such the code that the model ran, and what came out."""
    yield text_in(part, "text")
    if code := object_in(part, "executableCode"):
        language = text_in(code, "language").lower()
        yield _fenced(text_in(code, "code"), language if language.isalpha() else "")
    if result := object_in(part, "codeExecutionResult"):
        yield _fenced(text_in(result, "output"), "")


def _fenced(text: str, language: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"\n{fence}{language}\n{text.rstrip('\n')}\n{fence}\n"


def _images(part: Mapping[str, Any]) -> Iterator[str]:
    data = object_in(part, "inlineData")
    media_type = text_in(data, "mimeType")
    if media_type.startswith("image/") and text_in(data, "data"):
        yield data_url(media_type, text_in(data, "data"))


def _arguments(made: Mapping[str, Any]) -> str:
    try:
        return orjson.dumps(object_in(made, "args")).decode()
    except orjson.JSONEncodeError as error:
        raise UpstreamInvalidResponse(
            "The arguments of the provider's tool call are nested too deep."
        ) from error
