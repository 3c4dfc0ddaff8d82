"""What becomes of each field of a request."""

from llm_gateway.adapters.fields import PICTURE_HINTS, Table, dropped, refused, rules, translated

FIELDS: Table = {
    "model": translated("in the path"),
    "messages": translated("`contents` and `systemInstruction`"),
    "stream": translated("another method: `streamGenerateContent`"),
    "stream_options": translated("usage is always sent; it reaches who asked for it"),
    "temperature": translated("`generationConfig.temperature`"),
    "top_p": translated("`generationConfig.topP`"),
    "top_k": translated("`generationConfig.topK`"),
    "max_tokens": translated("`generationConfig.maxOutputTokens`"),
    "max_completion_tokens": translated("`generationConfig.maxOutputTokens`"),
    "stop": translated("`generationConfig.stopSequences`; empty ones are left out"),
    "seed": translated("`generationConfig.seed`, of which 31 bits count"),
    "n": translated("`generationConfig.candidateCount`"),
    "presence_penalty": translated("`generationConfig.presencePenalty`"),
    "frequency_penalty": translated("`generationConfig.frequencyPenalty`"),
    "logprobs": translated("`generationConfig.responseLogprobs`"),
    "top_logprobs": translated("`generationConfig.logprobs`"),
    "reasoning_effort": translated(
        "`generationConfig.thinkingConfig`: a level, or with Gemini 2.5 a budget; "
        "left out where the model does not think"
    ),
    "response_format": translated("`responseMimeType` and `responseJsonSchema`"),
    "response_format.json_object": translated("`responseMimeType`"),
    "response_format.json_schema": translated("`responseJsonSchema`"),
    "response_format.json_schema.strict": translated("always so"),
    "tools": translated(
        "`functionDeclarations`; left out if none may be called and a model before Gemini 3 is to "
        "answer in JSON"
    ),
    "tools[].function.strict": dropped(),
    "tools[].custom": refused("only functions are"),
    "tools[].*": dropped(),
    "tool_choice": translated("`toolConfig.functionCallingConfig`"),
    "tool_choice.allowed_tools": translated(
        "`allowedFunctionNames`, or where none has to be called only these are declared"
    ),
    "messages[].content[].image_url (data:)": translated("`inlineData`"),
    "messages[].content[].image_url (https:)": translated(
        "`fileData` for files of Google's Files API and YouTube; others are refused, "
        "since nobody would fetch them"
    ),
    "messages[].content[].input_audio": translated("`inlineData`"),
    "messages[].content[].file": translated("`inlineData`"),
    "messages[].tool_calls[].extra_content": translated(
        "`google.thought_signature` in it goes where it came from"
    ),
    "messages[].audio": refused("audio answers are not"),
    "audio": refused("only text answers are"),
    "modalities": refused("only text answers are; models that draw do so unasked"),
    "web_search_options": refused(),
    "functions": refused("use 'tools'"),
    "function_call": refused("use 'tool_choice'"),
    **rules(
        dropped(),
        (
            "logit_bias",
            "metadata",
            "moderation",
            "parallel_tool_calls",
            "prediction",
            "prompt_cache_key",
            "prompt_cache_options",
            "prompt_cache_retention",
            "safety_identifier",
            "service_tier",
            "store",
            "user",
            "verbosity",
            "messages[].name",
            "messages[].content[].image_url.detail",
            "messages[].content[].cache_control",
            "messages[].reasoning_content",
            "messages[].*",
            "*",
        ),
    ),
}
"""Of a chat request."""

IMAGE_FIELDS: Table = {
    "model": translated("in the path"),
    "prompt": translated("`contents`"),
    "n": translated("as many requests at the same time"),
    "size": translated(
        "the nearest of ten shapes: `imageConfig.aspectRatio`; "
        "from 2048 pixels on also `imageConfig.imageSize`"
    ),
    "response_format": translated("they come in base64, and the gateway hands them on as asked"),
    "background": refused("it cannot be chosen"),
    "frame_count": refused("pictures stand still"),
    "frame_duration_ms": refused("pictures stand still"),
    "svg": refused("pictures are of pixels"),
    "stream": refused(),
    **rules(
        dropped(),
        PICTURE_HINTS,
    ),
}
"""Of a request for pictures."""
