"""What errors are called, and how their sentences put it, in the dialects of many servers.

Codes and types are compared as they are; a sentence is searched for words only where many servers
have no code for what it says. The sentences that were seen are in this module's tests.
"""

import re

STATUS_OF = {
    "invalid_request_error": 400,
    "context_length_exceeded": 400,
    "exceed_context_size_error": 400,
    "content_filter": 400,
    "content_policy_violation": 400,
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "UNAUTHENTICATED": 401,
    "billing_error": 402,
    "permission_error": 403,
    "PERMISSION_DENIED": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "NOT_FOUND": 404,
    "request_too_large": 413,
    "insufficient_quota": 429,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "slow_down": 429,
    "RESOURCE_EXHAUSTED": 429,
    "server_error": 500,
    "api_error": 500,
    "INTERNAL": 500,
    "overloaded_error": 503,
    "server_is_overloaded": 503,
    "service_unavailable_error": 503,
    "UNAVAILABLE": 503,
    "timeout_error": 504,
    "DEADLINE_EXCEEDED": 504,
}
"""The status of an error's ``code``, ``type`` or ``status`` where no number says it."""

MODEL_NOT_FOUND = "model_not_found"
NO_MODEL_NAMES = {
    MODEL_NOT_FOUND,
    "model_decommissioned",
    "model_not_active",
    "model_not_available",
}
NO_MODEL_WORDS = re.compile(
    r"\bis not a valid model\b"
    r"|\bmodel\b[^.]{0,80}\b(?:decommissioned|no longer (?:available|supported))\b",
    re.IGNORECASE,
)
"""A 400 that is about a model which the provider does not have, or has no more."""
NO_ACCOUNT_NAMES = {
    "organization_restricted",
    "billing_hard_limit_reached",
    "billing_not_active",
    "account_deactivated",
}
"""A 4xx that is about our account, and not about the request."""
CONTEXT_LENGTH = "context_length_exceeded"
CONTEXT_LENGTH_NAMES = {CONTEXT_LENGTH, "exceed_context_size_error"}
CONTEXT_LENGTH_WORDS = re.compile(
    r"\bmaximum (?:context|prompt) length\b"
    r"|\b(?:exceed(?:s|ed)?|greater than|longer than)\b[^.]{0,40}\bcontext[ _]"
    r"|\bcontext (?:length|window|size|limit)\b[^.]{0,40}\bexceed"
    r"|\bexceed(?:s|ed)? (?:the maximum number of tokens|(?:model )?token limit|max length)\b"
    r"|\b(?:prompt|input) is too long\b|\btoo many tokens\b"
    r"|\breduce the length of the (?:messages|prompt|input)\b",
    re.IGNORECASE,
)
CONTENT_FILTER = "content_filter"
CONTENT_POLICY = "content_policy_violation"
CONTENT_POLICY_NAMES = {
    CONTENT_FILTER,
    CONTENT_POLICY,
    "moderation_blocked",
    "ResponsibleAIPolicyViolation",
}
CONTENT_POLICY_WORDS = re.compile(
    r"\bsafety system\b|\bcontent (?:\w+ )?policy\b|\bcontent filter|\bflagged (?:for|as|by)\b",
    re.IGNORECASE,
)
"""Words that a refusal of what was written in the request, or of what came of it, has in it."""

MODERATION_FIELDS = {"flagged_input", "reasons"}
"""What an error's metadata has if a moderator of the provider's refused the request."""

NO_QUOTA = {"insufficient_quota", "credit_balance_exhausted"}
"""Names of a 429 that money mends, and time does not."""

LONG_PERIOD = re.compile(
    r"\bper[- ](?:day|week|month)\b|\b(?:daily|weekly|monthly)\b|(?:\b|_)[RT]PD\b", re.IGNORECASE
)
"""Words of a rate limit of a day or more."""

TOO_LARGE_WORDS = re.compile(r"\brequest too large\b", re.IGNORECASE)
LIMIT_AND_NEED = re.compile(r"\bLimit ([0-9]{1,12}),[^.]{0,40}\bRequested ~?([0-9]{1,12})\b")
"""A rate limit that is below what the one request needs, in words and in numbers."""
