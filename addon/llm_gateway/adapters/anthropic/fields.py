"""What becomes of each field of a client's request at Anthropic."""

from llm_gateway.adapters.fields import PASSED, Table, dropped, refused, renamed, rules, translated

_SAMPLING = "left out by newer models, which take none, and where the model is to think"

FIELDS: Table = {
    "model": translated("the name the provider knows"),
    "messages": translated(
        "system and developer messages go to system, adjacent ones of a role become one, and a "
        "placeholder speaks for the user who does not begin, or ends with nothing; text of nothing "
        "but white space is left out"
    ),
    "stream": translated("Anthropic's events"),
    "stream_options": translated("the usage is always known, and passed on if asked for"),
    "max_completion_tokens": renamed("max_tokens", "without either it is 32000"),
    "max_tokens": PASSED,
    "temperature": translated(f"at most 1; {_SAMPLING}"),
    "top_p": translated(f"as it is, if there is no temperature; {_SAMPLING}"),
    "top_k": translated(f"as it is; {_SAMPLING}"),
    "stop": translated("stop_sequences; those of nothing but white space are left out"),
    "user": translated("metadata.user_id"),
    "tools": translated(
        "tools with input_schema, which is one object: anyOf and oneOf around it are refused; "
        "without tools, those that were called before"
    ),
    "tools[].function.strict": translated(
        "strict; keywords of the schema that Anthropic does not know go to its description"
    ),
    "tools[].custom": refused("tools are functions"),
    "tools[].cache_control": PASSED,
    "tools[].*": dropped(),
    "tool_choice": translated("tool_choice; newer models cannot be made to call a tool"),
    "tool_choice.allowed_tools": translated("only these tools are offered"),
    "parallel_tool_calls": translated("tool_choice.disable_parallel_tool_use"),
    "reasoning_effort": translated(
        "output_config.effort, or on older models a budget of tokens to think with, unless a tool "
        "has to be called or the thinking before a tool call is no longer known"
    ),
    "response_format": translated("output_config.format, or an instruction in system"),
    "response_format.json_object": translated("an instruction in system, which is no guarantee"),
    "response_format.json_schema": translated(
        "output_config.format; keywords that Anthropic does not know go to the description"
    ),
    "response_format.json_schema.strict": translated("always kept to"),
    "messages[].name": dropped(),
    "messages[].content[].image_url (data:)": translated("an image block: JPEG, PNG, GIF, WebP"),
    "messages[].content[].image_url (https:)": translated("an image block with the address"),
    "messages[].content[].image_url.detail": dropped(),
    "messages[].content[].input_audio": refused("it takes no audio"),
    "messages[].content[].file": translated("a document block: PDF or plain text"),
    "messages[].content[].cache_control": PASSED,
    "messages[].cache_control": translated("cache_control of the message's last block"),
    "messages[].reasoning_content": dropped("signed thinking is remembered by the gateway"),
    "messages[].audio": refused("it takes no audio"),
    "messages[].*": dropped(),
    **rules(
        dropped(),
        (
            "frequency_penalty",
            "logit_bias",
            "metadata",
            "moderation",
            "prediction",
            "presence_penalty",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "safety_identifier",
            "seed",
            "service_tier",
            "store",
            "verbosity",
            "*",
        ),
    ),
    "n": refused("it gives one answer"),
    "logprobs": refused(),
    "top_logprobs": refused(),
    "audio": refused("it answers with text"),
    "modalities": refused("it answers with text"),
    "web_search_options": refused(),
    "functions": refused("use tools"),
    "function_call": refused("use tool_choice"),
}
