"""The sentences that servers were seen to say, and what each of them means."""

import pytest

from llm_gateway.adapters.error_words import (
    CONTENT_POLICY_WORDS,
    CONTEXT_LENGTH_WORDS,
    LIMIT_AND_NEED,
    LONG_PERIOD,
    STATUS_OF,
    TOO_LARGE_WORDS,
)

TOO_LONG = [
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001.",
    "This endpoint's maximum context length is 32768 tokens. However, you requested about 42832.",
    "Requested token count exceeds the model's maximum context length of 256000 tokens.",
    "This model's maximum prompt length is 131072 but the request contains 200000 tokens.",
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "The input token count (218152) exceeds the maximum number of tokens allowed (65536).",
    "Please reduce the length of the messages or completion.",
    "prompt is too long: 201928 tokens > 200000 maximum",
    "input length and `max_tokens` exceed context limit: 189136 + 20000 > 204648",
    "Input is too long for requested model.",
    "The estimated number of input and output tokens (9000) exceeded this model context window.",
    "the request exceeds the available context size, try increasing it",
    "Prompt tokens (5000) exceeds context size (4096)",
    "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
    "The number of tokens is greater than the context length",
    "Invalid request: Your request exceeded model token limit: 8192",
    "Prompt exceeds max length",
    "too many tokens: total number of tokens in the prompt cannot exceed 4081",
    "Context length exceeded: the limit is 4096",
    "context window exceeds limit (2013)",
]

NOT_TOO_LONG = [
    "Request too large for model `m` on tokens per minute (TPM): Limit 6000, Requested 14368",
    "Invalid 'tools[0].function.name': string too long. Expected a maximum length of 64.",
    "max_tokens must be at most 8192",
    "`stop` exceeds the maximum of 4 sequences. In this context nothing else is wrong.",
    "Context caching is not supported.",
    "You exceeded your current quota, please check your plan and billing details.",
]


@pytest.mark.parametrize("sentence", TOO_LONG)
def test_a_context_that_is_too_short_is_recognized(sentence: str) -> None:
    assert CONTEXT_LENGTH_WORDS.search(sentence)


@pytest.mark.parametrize("sentence", NOT_TOO_LONG)
def test_other_limits_are_not_the_context(sentence: str) -> None:
    assert not CONTEXT_LENGTH_WORDS.search(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Your request was rejected as a result of our safety system.",
        "The response was filtered due to the prompt triggering our content management policy.",
        "Output blocked by content filtering policy",
        "This request violates our content policy.",
        "The input was blocked by a content filter.",
        'Your input was flagged for "violence". No credits were charged.',
    ],
)
def test_a_refusal_of_content_is_recognized(sentence: str) -> None:
    assert CONTENT_POLICY_WORDS.search(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Invalid content type. image_url is only supported by certain models.",
        "messages: text content blocks must be non-empty",
        "The feature flag for tools is off.",
    ],
)
def test_content_that_is_malformed_is_not_refused_for_what_it_says(sentence: str) -> None:
    assert not CONTENT_POLICY_WORDS.search(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Rate limit reached on tokens per day (TPD): Limit 100000, Used 97050, Requested 3619.",
        "Rate limit reached on requests per day (RPD): Limit 200, Used 200, Requested 1.",
        "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 per day",
        "Rate limit exceeded: limit_rpd/vendor/model/7",
        "You have used up your daily free allocation of 10,000 neurons",
        "You have reached your weekly limit.",
        "Monthly quota exceeded",
    ],
)
def test_a_limit_of_a_day_or_more_is_recognized(sentence: str) -> None:
    assert LONG_PERIOD.search(sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "Rate limit reached on tokens per minute (TPM): Limit 8000, Used 5536, Requested 5599.",
        "Rate limit exceeded: free-models-per-min",
        "Rate limit exceeded: limit_rpm/vendor/model/7",
        "Too many requests today",
    ],
)
def test_a_shorter_limit_is_not(sentence: str) -> None:
    assert not LONG_PERIOD.search(sentence)


@pytest.mark.parametrize(
    ("sentence", "numbers"),
    [
        ("on tokens per minute (TPM): Limit 6000, Requested 14368, please", ("6000", "14368")),
        ("(TPM): Limit 7000, Used 0, Requested ~12903. Please", ("7000", "12903")),
        ("(TPM): Limit 8000, Used 5536, Requested 5599. Please", ("8000", "5599")),
    ],
)
def test_the_numbers_of_a_limit_are_read(sentence: str, numbers: tuple[str, str]) -> None:
    found = LIMIT_AND_NEED.search(sentence)
    assert found is not None
    assert found.groups() == numbers


@pytest.mark.parametrize(
    "sentence", ["Limit 6000", "Requested 7, Limit 6", f"Limit {'9' * 20}, Requested 1"]
)
def test_other_numbers_are_not(sentence: str) -> None:
    assert LIMIT_AND_NEED.search(sentence) is None


def test_a_request_that_is_too_large_for_the_limit_is_recognized() -> None:
    assert TOO_LARGE_WORDS.search("Request too large for model `m` in organization ***")


def test_every_name_has_an_error_status() -> None:
    assert all(400 <= status < 600 for status in STATUS_OF.values())
