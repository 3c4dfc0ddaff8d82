"""Whatever a provider answers, it becomes an answer or an UpstreamError, and nothing else."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_gateway import sse
from llm_gateway.adapters.openai import KINDS
from llm_gateway.errors import UpstreamError
from support.calls import LABEL, SITE, make_call, make_image_call, run_steps, whole

KEYS = st.sampled_from(
    [
        *("choices", "delta", "message", "index", "finish_reason", "role", "content", "reasoning"),
        *("reasoning_content", "tool_calls", "id", "type", "function", "name", "arguments"),
        *("usage", "prompt_tokens", "x_groq", "error", "code", "metadata", "raw", "detail", "loc"),
        *("msg", "thinking", "text", "service_tier", "data", "b64_json", "url", "created"),
        *("architecture", "output_modalities", "capabilities", "active"),
    ]
)
WORDS = st.sampled_from(["", "stop", "error", "eos", "assistant", "a", "on_demand", "429", "{"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 600) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=20,
)
PIECES = st.fixed_dictionaries(
    {},
    optional={
        key: VALUES
        for key in ("role", "content", "reasoning", "reasoning_content", "tool_calls", "refusal")
    },
)
CALLS = st.lists(
    st.fixed_dictionaries({}, optional={k: VALUES for k in ("index", "id", "type", "function")}),
    max_size=3,
)
SAID = PIECES | st.builds(lambda piece, calls: {**piece, "tool_calls": calls}, PIECES, CALLS)
CHOICES = st.fixed_dictionaries(
    {},
    optional={
        "index": st.integers(0, 1) | VALUES,
        "delta": SAID | VALUES,
        "message": SAID | VALUES,
        "finish_reason": st.sampled_from([None, "stop", "eos", ""]) | VALUES,
        "usage": VALUES,
    },
)
REPLIES = VALUES | st.fixed_dictionaries(
    {"choices": st.lists(CHOICES, max_size=2) | VALUES},
    optional={"usage": VALUES, "x_groq": VALUES, "error": VALUES, "service_tier": VALUES},
)

SPEAKING = ["openai", "openrouter", "groq", "mistral", "moonshot"]
ASKED = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


@contextmanager
def only_upstream_errors() -> Iterator[None]:
    """Whatever else is raised fails the test."""
    with suppress(UpstreamError):
        yield


@pytest.mark.parametrize("kind", SPEAKING)
@settings(max_examples=25)
@given(reply=REPLIES)
def test_any_whole_reply(kind: str, reply: object) -> None:
    body = json.dumps(reply).encode()
    with only_upstream_errors():
        answer = json.loads(KINDS[kind].chat(make_call(ASKED)).decode(body))
        assert all(choice["finish_reason"] for choice in answer["choices"])
    with only_upstream_errors():
        options = {"include_usage": True}
        adapter = KINDS[kind].chat(make_call({**ASKED, "stream": True, "stream_options": options}))
        assert adapter.decode_as_stream(body)
        assert adapter.done


@pytest.mark.parametrize("kind", SPEAKING)
@settings(max_examples=25)
@given(chunks=st.lists(REPLIES, max_size=4), wants_usage=st.booleans())
def test_any_stream(kind: str, chunks: list[object], wants_usage: bool) -> None:
    options = {"include_usage": wants_usage}
    adapter = KINDS[kind].chat(make_call({**ASKED, "stream": True, "stream_options": options}))
    sent: list[bytes] = []
    with only_upstream_errors():
        for chunk in chunks:
            sent += adapter.feed(sse.Event("", json.dumps(chunk).encode()))
        sent += adapter.end()
        assert adapter.done
    parsed = [json.loads(each) for each in sent]
    counted = [each for each in parsed if isinstance(each.get("usage"), dict)]
    assert counted == (counted[:1] if wants_usage else [])
    assert not counted or counted == parsed[-1:]


@pytest.mark.parametrize("kind", SPEAKING)
@settings(max_examples=25)
@given(status=st.sampled_from([200, 400, 401, 404, 413, 422, 429, 500, 529]), reply=VALUES)
def test_any_failure(kind: str, status: int, reply: object) -> None:
    adapter = KINDS[kind].chat(make_call(ASKED))
    error = adapter.failure(status, {}, json.dumps(reply).encode())
    assert isinstance(error, UpstreamError)


@pytest.mark.parametrize("kind", [name for name, kind in KINDS.items() if kind.images is not None])
@settings(max_examples=25)
@given(reply=VALUES | st.fixed_dictionaries({"data": st.lists(VALUES, max_size=3)}))
def test_any_answer_to_a_request_for_pictures(kind: str, reply: object) -> None:
    images = KINDS[kind].images
    assert images is not None
    steps = images(make_image_call({"prompt": "A dot"})).steps()
    with only_upstream_errors():
        response, _ = run_steps(steps, [whole(200, json.dumps(reply).encode())])
        assert response["data"]


@pytest.mark.parametrize("kind", ["openai", "openrouter", "groq", "mistral", "together"])
@settings(max_examples=25)
@given(reply=VALUES | st.lists(st.dictionaries(KEYS, VALUES, max_size=4), max_size=3))
def test_any_list_of_models(kind: str, reply: object) -> None:
    lister = KINDS[kind].models
    assert lister is not None
    with only_upstream_errors():
        listed, _ = run_steps(lister(SITE, LABEL), [whole(200, json.dumps(reply).encode())])
        assert {each.capability for each in listed} <= {"chat", "image"}
