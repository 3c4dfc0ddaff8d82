"""What becomes of each field of a request at Workers AI's own endpoint.

Source: the input schemas at https://developers.cloudflare.com/workers-ai/models/. They differ from
model to model; what a model does not know it mostly ignores. Rows that are not of OpenAI's API are
Workers AI's own settings.
"""

from llm_gateway.adapters.fields import (
    PASSED,
    PICTURE_HINTS,
    Table,
    dropped,
    refused,
    rules,
    translated,
)

DEFAULT_MAX_TOKENS = 4096
"""Sent where the client gives none. The provider's own default of 256 cuts most answers."""

MAX_SEED = 9_999_999_999
MIN_TOP_P = 0.001
"""Beyond these the models refuse what OpenAI takes."""

_HINT = dropped()
_TOOLS_INSTEAD = refused("use 'tools'")
_NO_SOUND = refused("it answers in text alone")

FIELDS: Table = {
    "audio": _NO_SOUND,
    "frequency_penalty": PASSED,
    "function_call": _TOOLS_INSTEAD,
    "functions": _TOOLS_INSTEAD,
    "logit_bias": _HINT,
    "logprobs": refused(),
    "max_completion_tokens": translated("as `max_tokens`; goes before it"),
    "max_tokens": translated(f"as it is; {DEFAULT_MAX_TOKENS} where none is given (not 256)"),
    "messages": translated("content as one string; `developer` as `system`"),
    "metadata": _HINT,
    "modalities": _NO_SOUND,
    "model": translated("the provider's name of it, in the address"),
    "moderation": _HINT,
    "n": refused("it gives one answer"),
    "parallel_tool_calls": _HINT,
    "prediction": _HINT,
    "presence_penalty": PASSED,
    "prompt_cache_key": _HINT,
    "prompt_cache_options": _HINT,
    "prompt_cache_retention": _HINT,
    "reasoning_effort": translated("`none` as null, `minimal` as `low`, above `high` as `high`"),
    "response_format": translated("the bare schema; its name as `title`"),
    "safety_identifier": _HINT,
    "seed": translated(f"brought between 1 and {MAX_SEED}"),
    "service_tier": _HINT,
    "stop": refused(),
    "store": _HINT,
    "stream": translated("not asked for with `response_format`, nor of gpt-oss: no such streams"),
    "stream_options": translated("usage always comes, and is passed on where it was asked for"),
    "temperature": PASSED,
    "tool_choice": translated("`none` by sending no tools, names by sending only these tools"),
    "tools": translated("with a description and a schema, which are required there"),
    "top_k": PASSED,
    "top_logprobs": refused(),
    "top_p": translated(f"at least {MIN_TOP_P}"),
    "user": _HINT,
    "verbosity": _HINT,
    "web_search_options": refused(),
    **rules(PASSED, ("chat_template_kwargs", "lora", "raw", "repetition_penalty")),
    "*": _HINT,
    "messages[].name": _HINT,
    "messages[].content[].image_url (data:)": PASSED,
    "messages[].content[].image_url (https:)": refused("send the picture as a data: URL"),
    "messages[].content[].image_url.detail": _HINT,
    "messages[].content[].input_audio": refused(),
    "messages[].content[].file": refused(),
    "messages[].content[].cache_control": _HINT,
    "messages[].reasoning_content": translated("as `reasoning`"),
    "messages[].audio": refused(),
    "messages[].*": _HINT,
    "tools[].function.strict": _HINT,
    "tools[].custom": refused("use tools of type 'function'"),
    "tools[].*": _HINT,
    "tool_choice.allowed_tools": translated("by sending only these tools"),
    "response_format.json_object": PASSED,
    "response_format.json_schema": translated("the bare schema; its name as `title`"),
    "response_format.json_schema.strict": dropped("the schema binds as far as the model obeys"),
}

IMAGE_FIELDS: Table = {
    **rules(
        _HINT,
        PICTURE_HINTS,
    ),
    **rules(
        PASSED,
        ("guidance", "image_b64", "negative_prompt", "num_steps", "prompt", "steps", "strength"),
    ),
    "background": refused(),
    "frame_count": refused("it draws still pictures"),
    "frame_duration_ms": refused("it draws still pictures"),
    "model": translated("the provider's name of it, in the address"),
    "n": translated("as many requests"),
    "response_format": translated("`b64_json` in any case"),
    "seed": translated("one more for each further picture"),
    "size": translated("as `width` and `height`; dropped for flux-1-schnell, which knows one size"),
    "stream": refused(),
    "svg": refused("it draws no vector graphics"),
}
