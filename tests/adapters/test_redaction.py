"""What is masked in a provider's sentence, and what is left alone."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.adapters.redaction import redact

KEYS = [
    "sk-proj-AbCdEf_0123456789",
    "sk-or-v1-0123456789abcdef",
    "sk-ant-api03-AAAA-BBBB_CCCC",
    "sk-...abcd1234",
    "sk-abcd************wxyz",
    "gsk_0123456789abcdef",
    "xai-0123456789abcdef",
    "AIzaSyA0123456789012345678901234567890",
    "pk_live_0123456789",
    "hf_AbCdEf0123456789",
    "csk-abc123def456ghi789",
    "fw_3ZabcDEF1234567890",
    "tgp_v1_abcdefghij0123456789",
    "pplx-abcdefghij0123456789",
    "github_pat_11ABCDEFG0abcdefghij_kl",
    "gho_16C7e42F292c6912",
    "ya29.a0AfH6SMBx-0123456789",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "0123456789abcdef0123456789abcdef",
    "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789abcd",
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("sentence", ["Incorrect API key provided: {}.", '"{}"', "{}", "key={}&"])
def test_what_looks_like_a_key_is_masked(key: str, sentence: str) -> None:
    text = redact(sentence.format(key))
    assert key.rstrip(".") not in text
    assert key[4:12] not in text
    assert "***" in text


@pytest.mark.parametrize(
    "text",
    [
        "Bearer canary",
        "bearer  canary/+=",
        "authorization: BEARER\tcanary",
        "Basic Y2FuYXJ5OmNhbmFyeTpjYW5hcnk= canary".replace(" canary", ""),
        "API key provided: canary-1.",
        'invalid api_key="canary"',
        "access token: canary",
        "client secret=canary",
        "password: canary",
        "/v1beta/models?key=canary",
        "/run?a=1&access_token=canary&b=2",
    ],
)
def test_a_secret_is_known_by_what_is_said_of_it(text: str) -> None:
    assert "canary" not in redact(text)
    assert "Y2FuYXJ5" not in redact(text)
    assert "***" in redact(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("organization org-AbCd1234EfGh on", "organization *** on"),
        ("organization `org_01kjh7p9n8f1qs6nz2bz77vy6b` service", "organization `***` service"),
        ("in organization org-AbCdEfGhIjKlMnOpQrStUvWx on", "in organization *** on"),
        ("user_30vF8Qm2Lw is blocked", "*** is blocked"),
        ("Project proj_AbCd1234EfGh has no access", "Project *** has no access"),
        ("is not used in project 123456789012 yet", "is not used in project *** yet"),
        ("projects/123456789012/locations", "projects/***/locations"),
        ("consumer 'project_number:123456789012'", "consumer 'project_number:***'"),
        ("accounts/0123456789abcdef0123456789abcdef/ai", "accounts/***/ai"),
        ("the account ops+llm@example.co.uk is closed", "the account *** is closed"),
    ],
)  # fmt: skip
def test_our_accounts_are_masked(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("See https://ai.google.dev/gemini-api/docs/rate-limits.", None),
        ("(https://console.groq.com/settings/billing)", None),
        ("<https://platform.example/docs>, or", None),
        ("visit https://x.example/a?project=12&key=canary#frag.", "visit https://x.example/a."),
        ("https://x.example?canary", "https://x.example"),
        ("https://x.example/#canary", "https://x.example/"),
        ("https://user:canary@x.example:8443/a", "https://x.example:8443/a"),
        ("https://canary@x.example/", "https://x.example/"),
        ("HTTPS://X.EXAMPLE/A?canary", "https://X.EXAMPLE/A"),
        ("https://api.x.example/accounts/0123456789abcdef0123456789abcdef/ai",
         "https://api.x.example/accounts/***/ai"),
        ("http://localhost:8000/v1 failed", "*** failed"),
        ("http://10.1.2.3:8000/canary, then", "***, then"),
        ("http://[::1]:8000/canary", "***"),
        ("http://[broken/canary", "***"),
        ("http://vllm/canary", "***"),
        ("http://vllm.default.svc.cluster.local:8000/v1", "***"),
        ("redis://:canary@cache.example/0", "redis://cache.example/0"),
        ("file:///etc/canary", "***"),
        ("s3://canary/x", "***"),
    ],
)  # fmt: skip
def test_of_a_url_only_what_is_public_stays(text: str, expected: str | None) -> None:
    assert redact(text) == (text if expected is None else expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("no route to vllm-0.default.svc.cluster.local:8000", "no route to ***"),
        ("lookup gpu-7.internal: no such host", "lookup ***: no such host"),
        ("GPU-7.CORP.", "***."),
        ("dial tcp localhost:8000: refused", "dial tcp ***: refused"),
        ("dial tcp 127.0.0.1:8000: refused", "dial tcp ***: refused"),
        ("from 10.1.2.3, 192.168.0.7 and 172.16.0.1.", "from ***, *** and ***."),
        ("model GigaChat:2.0.28.2", "model GigaChat:2.0.28.2"),
        ("version 999.1.1.1", "version 999.1.1.1"),
        ("10.0.1 is a version", "10.0.1 is a version"),
    ],
)
def test_machines_of_private_networks_are_masked(text: str, expected: str) -> None:
    assert redact(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Invalid value for 'messages[0].role'.",
        "Unknown parameter: 'task_identifier'.",
        "Unsupported parameter: 'user_location' and 'org_hierarchy'.",
        "The risk-assessment model is not available.",
        "The disk_usage_limit is reached.",
        "The key-value store of the project is full.",
        "Please pass a valid API key.",
        "The password is wrong.",
        "Unsupported monkey-patching of the network_work_queue.",
        "The model `qwen/qwen3-coder:free` is overloaded.",
        "No endpoints for Qwen3-235B-A22B-Instruct-2507-FP8-Dynamic.",
        "quota GenerateRequestsPerDayPerProjectPerModel-FreeTier, limit 250",
        "metric generativelanguage.googleapis.com/generate_content_free_tier_requests",
        "request id req_011CSHoEeqs5C35K2UUqR7Fy",
        "basic authentication is not enough",
        "total tokens: 14368, max_tokens: 4096",
        "AiError: Bad input: oneOf at '/' not met, '/messages/0/content', 'array' not in 'string'",
        "models/gemini-9 is not found for API version v1beta",
        "Привет, мир",
    ],
)
def test_plain_words_are_left_alone(text: str) -> None:
    assert redact(text) == text


@given(st.text())
def test_any_text_may_be_redacted(text: str) -> None:
    assert isinstance(redact(text), str)


@given(st.text(alphabet="ahtps:/.@?#[]10 \n", max_size=60))
def test_any_broken_url_may_be_redacted(text: str) -> None:
    assert "@" not in redact("http://" + text).partition(" ")[0].partition("\n")[0]


@pytest.mark.parametrize(
    "piece",
    ["a", "a.", "a-", "a@", "1.", "0", "aA0", "sk-", "eyJ.", "https://", "http://a.b/", "org-", " ",
     "password: ", "?key=", "project ", "localhost", "a.local", "key-", "key_*."],
)  # fmt: skip
def test_a_long_text_takes_no_longer_than_its_length(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    start = time.perf_counter()
    redact(text)
    assert time.perf_counter() - start < 2
