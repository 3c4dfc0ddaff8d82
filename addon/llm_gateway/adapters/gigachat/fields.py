"""What becomes of each field of a request at GigaChat.

Source: https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/post-chat. Fields that the
API does not know go unheeded there, so none is sent.
"""

from collections.abc import Mapping

from llm_gateway.adapters.fields import PASSED, Table, dropped, refused, renamed, rules, translated

EFFORTS: Mapping[str, str | None] = {
    "none": None,
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
"""OpenAI's ``reasoning_effort`` by GigaChat's; without one, models do not reason."""

JSON_INSTRUCTION = "Answer with one JSON object and with nothing else: no Markdown, no explanation."
"""What the system message says where any JSON object will do."""

_HINT = dropped()
_TOOLS_INSTEAD = refused("use 'tools'")
_ONE_ANSWER = refused("it gives one answer")
_TEXT_ALONE = refused("it answers with text alone")
_NO_FILE = refused("of files, it is given pictures alone")
_STILL = refused("it draws still pictures")

FIELDS: Table = {
    "audio": _TEXT_ALONE,
    "frequency_penalty": _HINT,
    "function_call": _TOOLS_INSTEAD,
    "functions": _TOOLS_INSTEAD,
    "logit_bias": _HINT,
    "logprobs": refused(),
    "max_completion_tokens": renamed("max_tokens"),
    "max_tokens": PASSED,
    "messages": translated(
        "one system message, the first, holds all of them; each call of a function is a message, "
        "followed by its result"
    ),
    "metadata": _HINT,
    "modalities": _TEXT_ALONE,
    "model": translated("the provider's name of it"),
    "moderation": _HINT,
    "n": _ONE_ANSWER,
    "parallel_tool_calls": dropped("it calls one function at a time in any case"),
    "prediction": _HINT,
    "presence_penalty": _HINT,
    "prompt_cache_key": _HINT,
    "prompt_cache_options": _HINT,
    "prompt_cache_retention": _HINT,
    "reasoning_effort": translated(
        "`none` by sending none, `minimal` as `low`, above `high` as `high`"
    ),
    "response_format": translated("the bare schema, or a sentence in the system message"),
    "safety_identifier": _HINT,
    "seed": _HINT,
    "service_tier": _HINT,
    "stop": refused(),
    "store": _HINT,
    "stream": PASSED,
    "stream_options": translated("usage always comes, and is passed on where it was asked for"),
    "temperature": translated("as it is; 0 as `top_p` 0, because it has to be greater than 0"),
    "tool_choice": translated(
        "as `function_call`; `required` as `auto` where there is more than one function, and then "
        "named as left out"
    ),
    "tools": translated(
        "as `functions`, with schemas in its part of JSON Schema; the rest of a schema is written "
        "into descriptions"
    ),
    "top_k": _HINT,
    "top_logprobs": refused(),
    "top_p": PASSED,
    "user": translated("as the header `X-Client-ID`"),
    "verbosity": _HINT,
    "web_search_options": refused(),
    "*": _HINT,
    "messages[].name": _HINT,
    "messages[].content[].image_url (data:)": translated(
        "uploaded first; JPEG, PNG, TIFF or BMP, one in a message and ten in a request"
    ),
    "messages[].content[].image_url (https:)": refused("send the picture as a data: URL"),
    "messages[].content[].image_url.detail": _HINT,
    "messages[].content[].input_audio": _NO_FILE,
    "messages[].content[].file": _NO_FILE,
    "messages[].content[].cache_control": _HINT,
    "messages[].reasoning_content": _HINT,
    "messages[].audio": _TEXT_ALONE,
    "messages[].*": _HINT,
    "tools[].function.strict": _HINT,
    "tools[].custom": refused("use tools of type 'function'"),
    "tools[].*": _HINT,
    "tool_choice.allowed_tools": translated("by sending only these functions"),
    "response_format.json_object": translated("as a sentence in the system message"),
    "response_format.json_schema": translated(
        "the schema, with its name as `title`; as for `json_object` where there is none"
    ),
    "response_format.json_schema.strict": translated("beside the schema"),
    "response_format.*": _HINT,
}
"""For chat completions."""

IMAGE_FIELDS: Table = {
    **rules(_HINT, ("complexity", "moderation", "quality", "safety_identifier", "size", "style")),
    "background": refused(),
    "frame_count": _STILL,
    "frame_duration_ms": _STILL,
    "model": translated("the provider's name of it"),
    "n": translated("as many requests"),
    "output_compression": _HINT,
    "output_format": dropped("its pictures are JPEG"),
    "partial_images": _HINT,
    "prompt": translated("as an order to draw"),
    "response_format": translated("`b64_json` in any case"),
    "stream": refused(),
    "svg": refused("it draws no vector graphics"),
    "user": translated("as the header `X-Client-ID`"),
    "*": _HINT,
}
"""For pictures."""
