"""For each row of a kind's tables: requests with a value for that field, and others without.

`chat_samples(row)` and `image_samples(row)` give a few for each row. Where a field needs another
(`top_logprobs` needs `logprobs`), one sample does without: a provider may not take that other one.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from support.openai_shapes import JSONObject
from support.pictures import PNG

MADE_UP = "made_up"
DATA_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
HTTPS_URL = "https://pictures.invalid/a.png"
VIDEO_URL = "https://www.youtube.com/watch?v=dQw4w9WgXcQ"
"""An address that one provider looks at itself and no other."""
PDF_URL = f"data:application/pdf;base64,{base64.b64encode(b'%PDF-1.4 %%EOF').decode()}"

HI: JSONObject = {"model": "m", "messages": [{"role": "user", "content": "Say hi in JSON."}]}
CLOSED = {
    "type": "object",
    "properties": {"q": {"type": "string"}},
    "required": ["q"],
    "additionalProperties": False,
}
F: JSONObject = {"type": "function", "function": {"name": "f", "parameters": CLOSED}}
G: JSONObject = {"type": "function", "function": {"name": "g", "parameters": CLOSED}}
CUSTOM: JSONObject = {"type": "custom", "custom": {"name": "x"}}
SCHEMA: JSONObject = {"type": "json_schema", "json_schema": {"name": "answer", "schema": CLOSED}}
ONE_OF_SOME: JSONObject = {"type": "allowed_tools"}
ALLOWED: JSONObject = {
    "mode": "auto",
    "tools": [{"type": "function", "function": {"name": "f"}}],
}


@dataclass(frozen=True)
class Sample:
    """A request without a field (`plain`) and with it (`full`).

    The value stands under `key`; `where` is its place as errors and headers name it. `deeper` is
    the row for this very value, if there is one: it has the last word.
    """

    plain: JSONObject
    full: JSONObject
    where: str
    key: str
    value: Any
    deeper: str = ""


def chat_samples(row: str) -> list[Sample]:
    """Samples for a row of a table for chat completions."""
    if row in DEEPER:
        return DEEPER[row]
    if row.startswith("messages[].tool_calls[]."):
        return [in_call(row.rpartition(".")[2])]
    if row.startswith("messages[]."):
        key = row.removeprefix("messages[].")
        return [
            in_message(key, OTHER_KEYS.get(key, "sample"), role) for role in ROLES_OF.get(key, BOTH)
        ]
    if row.startswith("tools[]."):
        return [in_tool(row.removeprefix("tools[]."), {"type": "ephemeral"})]
    if row == "response_format.*":
        return [in_format(MADE_UP)]
    name = "made_up_field" if row == "*" else row
    return [at_top(name, value) for value in TOP.get(name, ["sample"])] + OTHERS.get(name, [])


def image_samples(row: str) -> list[Sample]:
    """Samples for a row of a table for pictures."""
    name = "made_up_field" if row == "*" else row
    plain = {"model": "m", "prompt": "A cat"}
    return [
        Sample(plain, {**plain, name: value}, name, name, value)
        for value in IMAGE.get(name, ["sample"])
    ]


def at_top(name: str, value: object, **needed: object) -> Sample:
    """A top-level field, beside what it needs."""
    plain = {**HI, **needed}
    return Sample(plain, {**plain, name: value}, name, name, value)


def in_message(key: str, value: object, role: str = "user") -> Sample:
    """A key of a message of the user's, or of the model's after it."""
    index = 0 if role == "user" else 1
    said = [HI["messages"][0], {"role": "assistant", "content": "Hi"}][: index + 1]
    then = [{"role": "user", "content": "Go on."}] if index else []
    full = [*said[:index], {**said[index], key: value}, *then]
    plain = {**HI, "messages": [*said, *then]}
    return Sample(plain, {**HI, "messages": full}, f"messages[{index}].{key}", key, value)


def in_part(more: JSONObject, place: str, key: str, value: object) -> Sample:
    """A text part with something more in it."""
    return _parts([{"type": "text", "text": "Hi"}], [{"type": "text", "text": "Hi", **more}],
                  f"[0].{place}", key, value)  # fmt: skip


def a_part(part: JSONObject, place: str, key: str, value: object) -> Sample:
    """A part after one of text."""
    text = {"type": "text", "text": "What is this?"}
    return _parts([text], [text, part], f"[1].{place}", key, value)


def image(url: str, **more: object) -> JSONObject:
    """A part that is a picture."""
    return {"type": "image_url", "image_url": {"url": url, **more}}


def in_image(url: str, key: str, value: object) -> Sample:
    """A key of a picture."""
    more = {key: value}
    return _parts([image(url)], [image(url, **more)], f"[0].image_url.{key}", key, value)


def _parts(
    plain: list[JSONObject], full: list[JSONObject], place: str, key: str, value: object
) -> Sample:
    without, within = (
        {**HI, "messages": [{"role": "user", "content": each}]} for each in (plain, full)
    )
    return Sample(without, within, f"messages[0].content{place}", key, value)


def in_call(key: str) -> Sample:
    """A key of a tool call in the history."""
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    # What providers put there is theirs; Google's signature is the one that is known.
    value = {"google": {"thought_signature": "AAAA"}}
    plain, full = (
        {
            **HI,
            "tools": [F],
            "messages": [
                *HI["messages"],
                {"role": "assistant", "content": None, "tool_calls": [each]},
                {"role": "tool", "tool_call_id": "call_1", "content": "42"},
            ],
        }
        for each in (call, {**call, key: value})
    )
    return Sample(plain, full, f"messages[1].tool_calls[0].{key}", key, value)


def in_tool(key: str, value: object) -> Sample:
    """A key of a tool."""
    return at_tools([{**F, key: value}], f"tools[0].{key}", key, value)


def in_function(key: str, value: object) -> Sample:
    """A key of a tool's function."""
    tool = {**F, "function": {**F["function"], key: value}}
    return at_tools([tool], f"tools[0].function.{key}", key, value)


def at_tools(tools: list[JSONObject], where: str, key: str, value: object) -> Sample:
    """Tools instead of the plain one."""
    plain = {**HI, "tools": [F]}
    return Sample(plain, {**plain, "tools": tools}, where, key, value)


def in_choice(key: str) -> Sample:
    """A key of a tool choice."""
    choice = {"type": "function", "function": {"name": "f"}}
    plain, full = (
        {**HI, "tools": [F], "tool_choice": each} for each in (choice, {**choice, key: "sample"})
    )
    return Sample(plain, full, f"tool_choice.{key}", key, "sample")


def in_format(key: str) -> Sample:
    """A key of a response format."""
    full = {**HI, "response_format": {**SCHEMA, key: "sample"}}
    plain = {**HI, "response_format": SCHEMA}
    return Sample(plain, full, f"response_format.{key}", key, "sample")


def in_schema_spec(key: str, value: object) -> Sample:
    """A key beside the schema of a response format."""
    spec = {**SCHEMA, "json_schema": {**SCHEMA["json_schema"], key: value}}
    plain, full = ({**HI, "response_format": each} for each in (SCHEMA, spec))
    return Sample(plain, full, f"response_format.json_schema.{key}", key, value)


BOTH = ("user", "assistant")
ROLES_OF: Mapping[str, tuple[str, ...]] = {
    "reasoning_content": ("assistant",),
    "reasoning": ("assistant",),
    "audio": ("assistant",),
    "refusal": ("assistant",),
    "function_call": ("assistant",),
    "prefix": ("assistant",),
}
"""Whose messages have a key; others may be anybody's."""
OTHER_KEYS: Mapping[str, Any] = {
    "audio": {"id": "audio_1"},
    "function_call": {"name": "f", "arguments": "{}"},
    "cache_control": {"type": "ephemeral"},
    "prefix": True,
}
"""Values for keys of messages that are no strings."""

PART = "messages[].content[]"
DEEPER: Mapping[str, list[Sample]] = {
    f"{PART}.image_url (data:)": [a_part(image(DATA_URL), "image_url.url", "url", DATA_URL)],
    f"{PART}.image_url (https:)": [
        a_part(image(url), "image_url.url", "url", url) for url in (HTTPS_URL, VIDEO_URL)
    ],
    f"{PART}.image_url.detail": [
        in_image(DATA_URL, "detail", "low"),
        in_image(DATA_URL, "detail", "high"),
        in_image(HTTPS_URL, "detail", "low"),
    ],
    f"{PART}.input_audio": [
        a_part(
            {"type": "input_audio", "input_audio": {"data": "AAAA", "format": kind}},
            "input_audio",
            "input_audio",
            {"data": "AAAA", "format": kind},
        )
        for kind in ("wav", "mp3")
    ],
    f"{PART}.file": [
        a_part(
            {"type": "file", "file": {"file_data": PDF_URL, **name}},
            "file",
            "file",
            {"file_data": PDF_URL, **name},
        )
        for name in ({}, {"filename": "a.pdf"})
    ],
    f"{PART}.cache_control": [
        in_part({"cache_control": {"type": "ephemeral"}}, "cache_control", "cache_control",
                {"type": "ephemeral"})
    ],
    "messages[].*": [in_message(MADE_UP, "sample", role) for role in BOTH],
    "tools[].function.strict": [in_function("strict", True)],
    "tools[].custom": [at_tools([F, CUSTOM], "tools[1]", "custom", CUSTOM["custom"])],
    "tools[].*": [in_tool(MADE_UP, "sample"), in_function(MADE_UP, "sample")],
    "tool_choice.allowed_tools": [
        Sample(
            {**HI, "tools": [F, G]},
            {**HI, "tools": [F, G], "tool_choice": {**ONE_OF_SOME, "allowed_tools": each}},
            "tool_choice",
            "allowed_tools",
            each,
        )
        for each in (ALLOWED, {**ALLOWED, "mode": "required"})
    ],
    "response_format.json_object": [at_top("response_format", {"type": "json_object"})],
    "response_format.json_schema": [at_top("response_format", SCHEMA)],
    "response_format.json_schema.strict": [in_schema_spec("strict", True)],
}  # fmt: skip

UNLISTED: Mapping[str, Sample] = {
    "messages[].made_up": in_message(MADE_UP, "sample"),
    "messages[].content[].made_up": in_part({MADE_UP: "sample"}, MADE_UP, MADE_UP, "sample"),
    "messages[].content[].image_url.made_up": in_image(DATA_URL, MADE_UP, "sample"),
    "messages[].tool_calls[].made_up": in_call(MADE_UP),
    "tools[].made_up": in_tool(MADE_UP, "sample"),
    "tools[].function.made_up": in_function(MADE_UP, "sample"),
    "tool_choice.made_up": in_choice(MADE_UP),
    "response_format.made_up": in_format(MADE_UP),
    "response_format.json_schema.made_up": in_schema_spec(MADE_UP, "sample"),
}
"""By pattern, what no table lists: whatever row it falls under has to be true for it."""

TOP: Mapping[str, list[Any]] = {
    "audio": [{"voice": "alloy", "format": "wav"}],
    "frequency_penalty": [0.5],
    "function_call": [{"name": "f"}],
    "functions": [[{"name": "f"}]],
    "logit_bias": [{"1": 5}],
    "logprobs": [True],
    "max_completion_tokens": [77],
    "max_tokens": [77],
    "messages": [[{"role": "system", "content": "Be brief."}, *HI["messages"]]],
    "metadata": [{"k": "v"}],
    "modalities": [["text", "audio"]],
    "moderation": [{"model": "omni-moderation-latest"}],
    "n": [2],
    "parallel_tool_calls": [],
    "prediction": [{"type": "content", "content": "Hi"}],
    "presence_penalty": [0.5],
    "prompt_cache_options": [{"mode": "explicit"}],
    "prompt_cache_retention": ["24h"],
    "reasoning_effort": ["low", "high"],
    "response_format": [],
    "seed": [7],
    "service_tier": ["flex"],
    "stop": ["END", ["END", "STOP"]],
    "store": [True],
    "stream": [True],
    "stream_options": [],
    "temperature": [0.25],
    "tool_choice": [],
    "tools": [[F]],
    "top_k": [5],
    "top_logprobs": [3],
    "top_p": [0.25],
    "verbosity": ["low"],
    "web_search_options": [{"search_context_size": "low"}],
}
"""Values of top-level fields that are no strings, or not any string."""

OTHERS: Mapping[str, list[Sample]] = {
    "parallel_tool_calls": [at_top("parallel_tool_calls", False, tools=[F])],
    "stream_options": [at_top("stream_options", {"include_usage": True}, stream=True)],
    "tool_choice": [
        at_top("tool_choice", choice, tools=[F, G])
        for choice in ("none", "required", {"type": "function", "function": {"name": "f"}})
    ],
    "top_logprobs": [at_top("top_logprobs", 3, logprobs=True)],
    "response_format": [
        replace(sample, deeper=row)
        for row in ("response_format.json_schema", "response_format.json_object")
        for sample in DEEPER[row]
    ],
}
"""Samples of fields that mean nothing without another one, or of whose values rows decide."""

IMAGE: Mapping[str, list[Any]] = {
    "background": ["transparent"],
    "complexity": ["low"],
    "frame_count": [3],
    "frame_duration_ms": [100],
    "moderation": ["low"],
    "n": [2],
    "output_compression": [50],
    "output_format": ["webp", "jpeg"],
    "partial_images": [2],
    "prompt": ["A dog"],
    "quality": ["high"],
    "response_format": ["url", "b64_json"],
    "seed": [7],
    "size": ["1536x1024", "1024x1536"],
    "stream": [True],
    "style": ["natural"],
    "svg": [{"model": "m"}],
}
"""Values of the fields of a request for pictures."""
