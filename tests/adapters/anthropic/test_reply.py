"""A whole reply is read for what it is, and never trusted."""

from typing import Any, get_args

import pytest
from anthropic.types import StopReason

from llm_gateway.adapters.answers import CallMade
from llm_gateway.adapters.anthropic.reply import FINISH, read_reply
from llm_gateway.errors import UpstreamError, UpstreamInvalidResponse, UpstreamUnavailable
from support.calls import make_call

JSONObject = dict[str, Any]


def reply(*content: object, **fields: object) -> JSONObject:
    return {"type": "message", "content": list(content), "stop_reason": "end_turn", **fields}


def read(message: JSONObject, names: dict[str, str] | None = None) -> Any:
    [choice] = read_reply(make_call({}), names or {}, message).choices
    return choice


def test_every_stop_reason_of_the_sdk_is_known() -> None:
    assert set(FINISH) == set(get_args(StopReason))


def test_texts_and_thoughts_are_put_together() -> None:
    thought = {"type": "thinking", "thinking": "a", "signature": "s"}
    said = read(
        reply(thought, {"type": "text", "text": "b"}, thought, {"type": "text", "text": "c"})
    )
    assert (said.content, said.reasoning) == ("bc", "aa")


def test_arguments_are_compact_json_and_names_the_clients_own() -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "a_b", "input": {"x": [1, "é"]}}
    [call] = read(reply(use), {"a_b": "a.b"}).calls
    assert call == CallMade("toolu_1", "a.b", '{"x":[1,"é"]}')


@pytest.mark.parametrize("input", [{}, None, "x", [1], 5])
def test_a_call_without_arguments_has_an_empty_object(input: object) -> None:
    use = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": input}
    assert read(reply(use)).calls[0].arguments == "{}"


def test_an_explained_refusal_says_why_without_keys() -> None:
    details = {"type": "refusal", "explanation": "Not with sk-ant-api03-abcdefgh."}
    said = read(reply(stop_reason="refusal", stop_details=details))
    assert (said.finish, said.refusal) == ("content_filter", "Not with ***")
    assert read(reply(stop_details=details)).refusal == ""


@pytest.mark.parametrize("content", [None, "Hi", {}, 5])
def test_without_content_there_is_no_answer(content: object) -> None:
    with pytest.raises(UpstreamInvalidResponse):
        read({"type": "message", "content": content})


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"type": "overloaded_error", "message": "Overloaded"}, UpstreamUnavailable),
        ({"type": ["x"]}, UpstreamError),
        ("sentence", UpstreamError),
        (5, UpstreamError),
        (None, UpstreamError),
    ],
)
def test_an_error_with_a_status_of_success_is_an_error(
    error: object, kind: type[UpstreamError]
) -> None:
    with pytest.raises(kind):
        read({"type": "error", "error": error})
