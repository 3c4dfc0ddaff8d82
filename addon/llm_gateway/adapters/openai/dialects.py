"""How the providers that speak OpenAI's format differ from OpenAI: data.

``FIELDS`` is the plain table: everything passes. Another one is ``{**FIELDS, …}`` with the rows
that differ.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from llm_gateway.adapters.conversation import CONVERSATION_FIELDS
from llm_gateway.adapters.fields import PASSED, Table, dropped, refused, renamed, rules, translated
from llm_gateway.adapters.openai import costs
from llm_gateway.adapters.openai.failures import classify, classify_groq
from llm_gateway.adapters.translating import object_in, objects
from llm_gateway.errors import UpstreamError

type Classify = Callable[[int, Mapping[str, str], Mapping[str, Any]], UpstreamError]

TOP_LEVEL = (
    "audio",
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "max_completion_tokens",
    "max_tokens",
    "messages",
    "metadata",
    "modalities",
    "model",
    "moderation",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning_effort",
    "response_format",
    "safety_identifier",
    "seed",
    "service_tier",
    "stop",
    "store",
    "stream",
    "stream_options",
    "temperature",
    "tool_choice",
    "tools",
    "top_k",
    "top_logprobs",
    "top_p",
    "user",
    "verbosity",
    "web_search_options",
)
"""OpenAI's fields of a chat completion request, and the widespread ``top_k``."""

FIELDS: Table = {
    **rules(PASSED, (*TOP_LEVEL, *CONVERSATION_FIELDS, "*")),
    "model": translated("the provider's name of it"),
}
"""Everything passes."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One provider's way to speak OpenAI's format.

    ``fields`` is obeyed in every request; besides the usual rows it may have ``messages[].key`` for
    any key of messages. ``counts_anyway``: the usage of streams comes unasked, and
    ``stream_options`` are not sent. ``own_tiers``: service tiers in streams are not called as
    OpenAI's are. ``values`` maps values of top-level fields, ``roles`` the roles
    of messages and ``call_id`` the ids of tool calls, which may come from another provider.
    ``usage`` finds in a chunk, ``error`` in a chunk or a reply, what does not stand in the fields
    of these names; ``cost`` finds in a usage what the answer cost in US dollars. ``classify`` says
    what a status, headers and an error object mean.
    """

    fields: Table = field(default_factory=lambda: FIELDS)
    counts_anyway: bool = False
    own_tiers: bool = False
    values: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    roles: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    call_id: Callable[[str], str] | None = None
    usage: Callable[[Mapping[str, Any]], object] | None = None
    error: Callable[[Mapping[str, Any]], object] | None = None
    cost: Callable[[Mapping[str, Any]], float | None] | None = None
    classify: Classify = classify
    passes: bool = field(init=False)
    """Whether requests pass as they are, but for the name of the model."""

    def __post_init__(self) -> None:
        differ = any(rule != FIELDS.get(name, PASSED) for name, rule in self.fields.items())
        passes = not (differ or self.values or self.roles or self.call_id)
        object.__setattr__(self, "passes", passes)


OPENAI = Dialect()

_TOKENS_NAME = {"max_completion_tokens": renamed("max_tokens")}
"""For those that know the older name only, and pass over the newer one without a word."""

_SYSTEM_ONLY = MappingProxyType({"developer": "system"})

_OPENAI_ONLY = (
    "prediction",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
    "verbosity",
)
"""Hints that only OpenAI takes."""

_OTHER_ANSWERS = {
    "audio": refused("it answers in text only"),
    "modalities": refused("it answers in text only"),
    "moderation": refused(),
    "web_search_options": refused(),
}
_USE_TOOLS = rules(refused("use tools and tool_choice"), ("functions", "function_call"))
_COUNTED_ANYWAY = {"stream_options": translated("the usage is passed on where it is asked for")}

_TEXT_AND_PICTURES = {
    "messages[].content[].input_audio": refused(),
    "messages[].content[].file": refused(),
    "messages[].audio": refused(),
}
_FUNCTIONS_ONLY = {
    "tools[].custom": refused("use functions"),
    "tools[].*": dropped(),
    "tool_choice.allowed_tools": refused("offer only the tools that are allowed"),
}

OPENROUTER = Dialect(
    # It knows every field of OpenAI's and leaves out what the model's provider cannot do, unless
    # ``provider.require_parameters`` is set; ``reasoning_details`` have to come back untouched.
    # https://openrouter.ai/docs/api-reference/parameters
    {**FIELDS, "messages[].reasoning_content": renamed("reasoning")},
    cost=costs.openrouter,
)


def _usage_of_groq(chunk: Mapping[str, Any]) -> object:
    return object_in(chunk, "x_groq").get("usage")


def _error_of_groq(chunk: Mapping[str, Any]) -> object:
    return object_in(chunk, "x_groq").get("error")


GROQ = Dialect(
    # It refuses what it does not know: "property 'x' is unsupported".
    # https://console.groq.com/docs/openai
    {
        **FIELDS,
        **rules(dropped(), _OPENAI_ONLY),
        **rules(dropped("no model there takes it"), ("frequency_penalty", "presence_penalty")),
        **rules(dropped(), ("logit_bias", "metadata", "top_k", "*")),
        **rules(
            PASSED,
            (
                "citation_options",
                "compound_custom",
                "disable_tool_validation",
                "documents",
                "exclude_domains",
                "include_domains",
                "include_reasoning",
                "reasoning_format",
                "search_settings",
            ),
        ),
        **_OTHER_ANSWERS,
        **_COUNTED_ANYWAY,
        **_TEXT_AND_PICTURES,
        **_FUNCTIONS_ONLY,
        **rules(refused(), ("logprobs", "top_logprobs")),
        "n": refused("one answer is all it gives"),
        "reasoning_effort": translated("minimal is sent as low, xhigh and max as high"),
        "service_tier": translated(
            "default is on_demand there; scale, priority and fast are sent as auto"
        ),
        "messages[].name": dropped(),
        "messages[].reasoning_content": renamed("reasoning"),
        "messages[].reasoning": PASSED,
        "messages[].function_call": PASSED,
        "messages[].content[].cache_control": dropped(),
        "messages[].*": dropped(),
    },
    values={
        "reasoning_effort": {"minimal": "low", "xhigh": "high", "max": "high"},
        "service_tier": {
            "default": "on_demand",
            "scale": "auto",
            "priority": "auto",
            "fast": "auto",
        },
    },
    counts_anyway=True,
    own_tiers=True,
    usage=_usage_of_groq,
    error=_error_of_groq,
    classify=classify_groq,
)

_MISTRAL_ID_DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_MISTRAL_ID_LENGTH = 9
_MISTRAL_ID = re.compile(rf"[a-zA-Z0-9]{{{_MISTRAL_ID_LENGTH}}}")


def _mistral_call_id(id: str) -> str:
    """The id itself if it has Mistral's form, or else one that always stands for it there."""
    if _MISTRAL_ID.fullmatch(id):
        return id
    number = int.from_bytes(hashlib.sha256(id.encode("utf-8", "surrogatepass")).digest())
    digits = []
    for _ in range(_MISTRAL_ID_LENGTH):
        number, digit = divmod(number, len(_MISTRAL_ID_DIGITS))
        digits.append(_MISTRAL_ID_DIGITS[digit])
    return "".join(digits)


MISTRAL = Dialect(
    # It refuses what it does not know: 422 "Extra inputs are not permitted".
    # https://docs.mistral.ai/api/
    {
        **FIELDS,
        **_TOKENS_NAME,
        **rules(dropped(), _OPENAI_ONLY),
        **rules(dropped(), ("logit_bias", "top_k", "user", "*")),
        **rules(
            PASSED,
            (
                "guardrails",
                "prediction",
                "prompt_cache_key",
                "prompt_mode",
                "random_seed",
                "safe_prompt",
            ),
        ),
        **_OTHER_ANSWERS,
        **_USE_TOOLS,
        **_COUNTED_ANYWAY,
        **_TEXT_AND_PICTURES,
        **_FUNCTIONS_ONLY,
        **rules(refused(), ("logprobs", "top_logprobs")),
        "seed": renamed("random_seed"),
        "reasoning_effort": translated("none and minimal are sent as none, all others as high"),
        "messages[].name": dropped(),
        "messages[].prefix": PASSED,
        "messages[].function_call": refused("use tool_calls"),
        "messages[].reasoning_content": dropped(),
        "messages[].content[].cache_control": dropped(),
        "messages[].*": dropped(),
    },
    counts_anyway=True,
    values={
        "reasoning_effort": {
            "minimal": "none",
            "low": "high",
            "medium": "high",
            "xhigh": "high",
            "max": "high",
        }
    },
    roles=_SYSTEM_ONLY,
    # "Tool call id was … but must be a-z, A-Z, 0-9, with a length of 9": those of other providers,
    # in a history that began there, are longer.
    call_id=_mistral_call_id,
)

_NOT_OF_DEEPSEEK = ("logit_bias", "metadata", "parallel_tool_calls", "seed", "top_k", "user")

DEEPSEEK = Dialect(
    # What it does not know it passes over without a word.
    # https://api-docs.deepseek.com/api/create-chat-completion
    {
        **FIELDS,
        **_TOKENS_NAME,
        **_OTHER_ANSWERS,
        **_USE_TOOLS,
        **rules(dropped(), (*_OPENAI_ONLY, *_NOT_OF_DEEPSEEK)),
        "n": refused("one answer is all it gives"),
        "response_format.json_schema": refused("it knows json_object only"),
    },
    roles=_SYSTEM_ONLY,
)

CEREBRAS = Dialect(
    # "property 'messages.2.assistant.reasoning_content' is unsupported", and so with the others.
    # https://inference-docs.cerebras.ai/resources/openai
    {
        **FIELDS,
        **_OTHER_ANSWERS,
        **_USE_TOOLS,
        **rules(dropped(), (*_OPENAI_ONLY, "frequency_penalty", "logit_bias", "presence_penalty")),
        "messages[].reasoning_content": renamed("reasoning"),
        "messages[].reasoning": PASSED,
        "messages[].content[].cache_control": dropped(),
        "messages[].*": dropped(),
    },
    roles=_SYSTEM_ONLY,
)

COHERE = Dialect(
    # https://docs.cohere.com/docs/compatibility-api lists what it does not take.
    {
        **FIELDS,
        **_TOKENS_NAME,
        **_OTHER_ANSWERS,
        **_USE_TOOLS,
        **_COUNTED_ANYWAY,
        **rules(dropped(), (*_OPENAI_ONLY, "logit_bias", "metadata", "parallel_tool_calls")),
        **rules(refused(), ("n", "top_logprobs")),
    },
    counts_anyway=True,
)


def _usage_of_moonshot(chunk: Mapping[str, Any]) -> object:
    """It counts inside the choice that ends."""
    choices = objects(chunk.get("choices"))
    return choices[-1].get("usage") if choices else None


MOONSHOT = Dialect(usage=_usage_of_moonshot)

OLDER_TOKENS_NAME = Dialect({**FIELDS, **_TOKENS_NAME}, roles=_SYSTEM_ONLY)
"""Also of the roles: many a model's template passes over a developer, or fails on one."""

PERPLEXITY = replace(OLDER_TOKENS_NAME, cost=costs.perplexity)

XAI = Dialect(cost=costs.xai)

OLLAMA = Dialect(
    # https://docs.ollama.com/api/openai-compatibility; what it does not know it passes over.
    {
        **FIELDS,
        **_TOKENS_NAME,
        **rules(dropped(), ("logit_bias", "user")),
        "n": refused("one answer is all it gives"),
        "messages[].content[].image_url (https:)": refused("send the picture as a data: URL"),
    },
    # Templates of models leave out what a developer says.
    roles=_SYSTEM_ONLY,
)

LMSTUDIO = Dialect(
    # "'response_format.type' must be 'json_schema' or 'text'"
    {**FIELDS, **_TOKENS_NAME, "response_format.json_object": refused("use json_schema")},
    roles=_SYSTEM_ONLY,
)
