"""What error replies mean where providers say it in a way of their own."""

from typing import Any

import pytest

from llm_gateway.adapters.openai.failures import classify, classify_groq
from llm_gateway.errors import Retry

VALIDATION = [
    {"loc": ["body", "user"], "msg": "Extra inputs are not permitted", "type": "extra_forbidden"},
    {"loc": ["body", "messages", 0, "content"], "msg": "Field required"},
]


@pytest.mark.parametrize(
    "error",
    [{"detail": VALIDATION}, {"object": "error", "message": {"detail": VALIDATION}}],
)
def test_a_validator_s_complaints_are_told_with_their_places(error: dict[str, Any]) -> None:
    assert classify(422, {}, error).message == (
        "body.user: Extra inputs are not permitted; body.messages.0.content: Field required"
    )


@pytest.mark.parametrize(
    ("detail", "message"),
    [
        ([{"msg": "Bad"}], "Bad"),
        ([{"loc": "body", "msg": "Bad"}], "Bad"),
        ([{"loc": ["a"], "msg": 5}, 5], "The provider refused the request with status 422."),
        ("A sentence.", "A sentence."),
        ([], "The provider refused the request with status 422."),
        ({}, "The provider refused the request with status 422."),
    ],
)
def test_strange_complaints_are_told_as_far_as_they_go(detail: object, message: str) -> None:
    assert classify(422, {}, {"detail": detail}).message == message


@pytest.mark.parametrize("code", ["tool_use_failed", "json_validate_failed"])
def test_groq_s_failed_samples_may_succeed_the_next_time(code: str) -> None:
    assert classify_groq(400, {}, {"code": code}).retry is Retry.HERE


def test_what_groq_s_model_cannot_do_another_one_may() -> None:
    message = "messages[1].reasoning: reasoning is not supported with this model"
    assert classify_groq(400, {}, {"message": message}).retry is Retry.ELSEWHERE


@pytest.mark.parametrize("code", ["invalid_request_error", None, 5, []])
def test_other_faults_of_a_request_to_groq_stay_the_request_s(code: object) -> None:
    assert classify_groq(400, {}, {"code": code, "message": "Bad"}).retry is Retry.NEVER
