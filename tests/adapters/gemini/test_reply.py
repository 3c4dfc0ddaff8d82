"""What a candidate says, why it ended, and what it cost; a reply is never trusted."""

from typing import Any

import pytest
from google.genai.types import FinishReason

from llm_gateway.adapters.answers import Tokens
from llm_gateway.adapters.gemini.reply import (
    FINISH_REASONS,
    Reader,
    Said,
    blocked,
    finish_of,
    index_of,
    logprobs_of,
    tokens_of,
)
from llm_gateway.errors import UpstreamInvalidResponse
from llm_gateway.memory import Memory
from support.calls import make_call

HI = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
PICTURE = {"mimeType": "image/png", "data": "iVBORw0="}


def read(*parts: Any, memory: Memory | None = None, **fields: Any) -> Said:
    reader = Reader(make_call({**HI, **fields}, memory=memory))
    return reader.read({"content": {"parts": [*parts]}})


def call_of(**fields: Any) -> dict[str, Any]:
    return {"functionCall": {"name": "f", **fields}}


def test_a_tool_call_counts_wherever_it_stands() -> None:
    said = read({**call_of(), "thought": True}, {"text": "a", "thought": True})
    assert ([made.name for made in said.calls], said.reasoning) == (["f"], "a")


def test_thoughts_are_kept_apart_from_the_answer() -> None:
    said = read({"text": "a", "thought": True}, {"text": "b"}, {"text": "c", "thought": True})
    assert said == Said(reasoning="ac", content="b")
    assert not read({"text": "a", "thought": True}).is_answer


def test_drafts_that_a_model_draws_while_it_thinks_are_no_answer() -> None:
    draft = {"inlineData": PICTURE, "thought": True}
    assert read(draft, {"inlineData": PICTURE}).images == ("data:image/png;base64,iVBORw0=",)


def test_code_and_what_it_printed_are_text() -> None:
    said = read(
        {"executableCode": {"language": "PYTHON", "code": "print('```')"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK"}},
    )
    assert said.content == "\n````python\nprint('```')\n````\n\n```\n\n```\n"


@pytest.mark.parametrize(
    ("part", "arguments"),
    [
        (call_of(args={"a": [1, None, "é"]}), '{"a":[1,null,"é"]}'),
        (call_of(), "{}"),
        (call_of(args=None), "{}"),
        (call_of(args=[1]), "{}"),
    ],
)
def test_arguments_are_an_object_in_json(part: Any, arguments: str) -> None:
    [made] = read(part).calls
    assert (made.name, made.arguments) == ("f", arguments)


def test_arguments_nested_too_deep_are_no_answer() -> None:
    deep: Any = {}
    for _ in range(300):
        deep = {"a": deep}
    with pytest.raises(UpstreamInvalidResponse):
        read(call_of(args=deep))


def test_a_call_of_nothing_is_no_answer() -> None:
    with pytest.raises(UpstreamInvalidResponse):
        read({"functionCall": {"args": {}}})


def test_every_call_has_an_id_of_its_own() -> None:
    said = read(call_of(id="a"), call_of(), call_of(id="a"), call_of(id=""), call_of(id=5))
    ids = [made.id for made in said.calls]
    assert ids[0] == "a"
    assert len({*ids}) == 5
    assert all(id.startswith("call_") and len(id) <= 40 for id in ids[1:])


def test_calls_have_the_names_that_the_client_gave_them() -> None:
    tools = [{"type": "function", "function": {"name": name}} for name in ("9", "plain")]
    said = read(
        {"functionCall": {"name": "_9_19581e27"}},
        {"functionCall": {"name": "plain"}},
        {"functionCall": {"name": "made_up"}},
        tools=tools,
    )
    assert [made.name for made in said.calls] == ["9", "plain", "made_up"]


def test_a_signature_is_remembered_and_passed_on() -> None:
    memory = Memory()
    signed, plain = read(
        {**call_of(id="a"), "thoughtSignature": "AQID"}, call_of(), memory=memory
    ).calls
    assert memory.recall("p", "a") == "AQID"
    assert signed.extra == {"extra_content": {"google": {"thought_signature": "AQID"}}}
    assert plain.extra == {}


def test_every_reason_that_google_knows_is_in_the_table_or_is_no_reason() -> None:
    known = {reason.value for reason in FinishReason}
    undecided = {
        "FINISH_REASON_UNSPECIFIED",
        "OTHER",
        "NO_IMAGE",
        "IMAGE_OTHER",
        # Of the live API, and of long answers that go on in another request.
        "ESCALATION",
        "PUP_LIMITED_DISABLED",
        "CONTINUATION",
    }
    # Which of them an SDK knows depends on its version, and that on Python's.
    newest = {
        "TOO_MANY_TOOL_CALLS",
        "MALFORMED_RESPONSE",
        "MISSING_THOUGHT_SIGNATURE",
        "MODEL_ARMOR",
    }
    assert known - FINISH_REASONS.keys() <= undecided
    assert FINISH_REASONS.keys() - newest <= known


@pytest.mark.parametrize("reason", FINISH_REASONS)
def test_a_reason_in_the_table_means_what_it_says(reason: str) -> None:
    for answered in (True, False):
        if FINISH_REASONS[reason] is not None:
            finish = finish_of({"finishReason": reason}, answered=answered)
            assert finish == FINISH_REASONS[reason]
            continue
        with pytest.raises(UpstreamInvalidResponse, match=reason):
            finish_of({"finishReason": reason}, answered=answered)


@pytest.mark.parametrize("reason", ["OTHER", "NO_IMAGE", "SOMETHING_NEW"])
def test_for_another_reason_an_answer_counts_if_there_is_one(reason: str) -> None:
    assert finish_of({"finishReason": reason}, answered=True) == "stop"
    with pytest.raises(UpstreamInvalidResponse, match=reason):
        finish_of({"finishReason": reason}, answered=False)


@pytest.mark.parametrize("reason", [None, "", 5, [], "FINISH_REASON_UNSPECIFIED"])
def test_without_a_reason_a_candidate_goes_on(reason: object) -> None:
    assert finish_of({"finishReason": reason}, answered=True) is None
    assert finish_of({}, answered=False) is None


def test_what_is_no_word_is_not_repeated() -> None:
    with pytest.raises(UpstreamInvalidResponse) as caught:
        finish_of({"finishReason": "<script>"}, answered=False)
    assert "script" not in caught.value.message + caught.value.detail
    assert blocked({"promptFeedback": {"blockReason": "a b"}}).endswith("an unknown reason.")


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        ({"promptFeedback": {"blockReason": "SAFETY"}}, "The provider blocked the prompt: SAFETY."),
        ({"promptFeedback": {}}, ""),
        ({"promptFeedback": 5}, ""),
        ({}, ""),
    ],
)
def test_a_blocked_prompt_is_told(reply: Any, sentence: str) -> None:
    assert blocked(reply) == sentence


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({}, None),
        (
            {"promptTokenCount": 4, "candidatesTokenCount": 2, "totalTokenCount": 6},
            Tokens(4, 2, 6),
        ),
        (
            {
                "promptTokenCount": 10,
                "toolUsePromptTokenCount": 5,
                "candidatesTokenCount": 2,
                "thoughtsTokenCount": 30,
                "cachedContentTokenCount": 8,
                "totalTokenCount": 47,
            },
            Tokens(15, 32, 47, 8, 30),
        ),
        ({"promptTokenCount": 4}, Tokens(4, 0)),
        ({"promptTokenCount": "4", "totalTokenCount": -1}, Tokens(0, 0)),
        ({"thoughtsTokenCount": 0, "cachedContentTokenCount": None}, Tokens(0, 0, None, 0, 0)),
    ],
)
def test_thoughts_are_part_of_the_completion(usage: Any, tokens: Tokens | None) -> None:
    assert tokens_of(usage) == tokens


@pytest.mark.parametrize(
    ("prompt", "candidates", "special"),
    [
        (["TEXT"], ["TEXT"], False),
        (["TEXT", "IMAGE", "VIDEO"], [], False),
        (["TEXT", "AUDIO"], ["TEXT"], True),
        (["TEXT"], ["TEXT", "IMAGE"], True),
        (["TEXT"], ["AUDIO"], True),
    ],
)
def test_sound_and_pictures_made_have_a_price_of_their_own(
    prompt: list[str], candidates: list[str], special: bool
) -> None:
    tokens = tokens_of(
        {
            "promptTokenCount": 4,
            "promptTokensDetails": [{"modality": each, "tokenCount": 1} for each in prompt],
            "candidatesTokensDetails": [{"modality": each, "tokenCount": 1} for each in candidates],
        }
    )
    assert tokens is not None
    assert tokens.special is special


@pytest.mark.parametrize(
    ("candidate", "index"),
    [({"index": 2}, 2), ({"index": 0}, 0), ({}, 1), ({"index": "x"}, 0), ({"index": -1}, 0)],
)
def test_a_candidate_without_number_is_known_by_its_position(candidate: Any, index: int) -> None:
    assert index_of(candidate, 1) == index


@pytest.mark.parametrize(
    "result",
    [None, 5, {}, {"chosenCandidates": []}, {"chosenCandidates": 5}, {"topCandidates": []}],
)
def test_without_tokens_there_are_no_log_probabilities(result: object) -> None:
    assert logprobs_of({"logprobsResult": result}) is None


def test_tokens_without_alternatives_have_none() -> None:
    chosen = [{"token": "a", "logProbability": -1}, {"token": "b", "logProbability": "x"}]
    assert logprobs_of({"logprobsResult": {"chosenCandidates": chosen}}) == {
        "content": [
            {"token": "a", "logprob": -1, "bytes": [97], "top_logprobs": []},
            {"token": "b", "logprob": 0.0, "bytes": [98], "top_logprobs": []},
        ],
        "refusal": None,
    }
