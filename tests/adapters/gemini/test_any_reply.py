"""Whatever comes in place of a reply is an answer that keeps OpenAI's promises, or an error."""

import json
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway import sse
from llm_gateway.adapters.gemini import KIND
from llm_gateway.adapters.gemini.reply import FINISH_REASONS
from llm_gateway.errors import UpstreamError
from support.calls import make_call
from support.openai_promises import check_chunks, check_completion

HI = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


def objects(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects with some of these fields, each of which may be anything at all."""
    optional = {name: each | each | ANYTHING for name, each in fields.items()}
    return st.fixed_dictionaries({}, optional=optional)


COUNTS = st.integers(0, 100)
REASONS = st.sampled_from([*FINISH_REASONS, "OTHER", "NEW_ONE"]) | st.sampled_from(["STOP"])
PARTS = objects(
    text=st.text(),
    thought=st.booleans(),
    thoughtSignature=st.just("AQID"),
    inlineData=objects(mimeType=st.just("image/png"), data=st.just("iVBORw0=")),
    functionCall=objects(name=st.just("f"), args=objects(a=ANYTHING), id=st.just("a")),
    executableCode=objects(language=st.just("PYTHON"), code=st.text()),
    codeExecutionResult=objects(output=st.text()),
)
TOKENS = objects(token=st.text(), logProbability=st.floats(-9, 0))
CANDIDATES = objects(
    content=objects(parts=st.lists(PARTS, max_size=3)),
    finishReason=REASONS,
    index=st.integers(0, 2),
    logprobsResult=objects(
        chosenCandidates=st.lists(TOKENS, max_size=2),
        topCandidates=st.lists(objects(candidates=st.lists(TOKENS, max_size=2)), max_size=3),
    ),
)
USAGE = objects(
    promptTokenCount=COUNTS,
    candidatesTokenCount=COUNTS,
    thoughtsTokenCount=COUNTS,
    cachedContentTokenCount=COUNTS,
)
REPLIES = objects(
    candidates=st.lists(CANDIDATES, min_size=1, max_size=3),
    promptFeedback=objects(blockReason=st.just("SAFETY")),
    usageMetadata=USAGE,
    modelVersion=st.just("gemini-3-pro"),
)


@given(REPLIES)
def test_a_whole_reply(reply: Any) -> None:
    with suppress(UpstreamError):
        check_completion(KIND.chat(make_call(HI)).decode(json.dumps(reply).encode()))


@given(REPLIES)
def test_a_whole_reply_as_a_stream(reply: Any) -> None:
    adapter = KIND.chat(make_call({**HI, "stream": True}))
    with suppress(UpstreamError):
        chunks = adapter.decode_as_stream(json.dumps(reply).encode())
        check_chunks(chunks, wants_usage=False)


@given(st.lists(REPLIES, max_size=3), st.booleans())
def test_a_stream(events: list[Any], wants_usage: bool) -> None:
    options = {"stream": True, "stream_options": {"include_usage": wants_usage}}
    adapter = KIND.chat(make_call({**HI, **options}))
    chunks: list[bytes] = []
    complete = False
    with suppress(UpstreamError):
        for each in events:
            chunks += adapter.feed(sse.Event("", json.dumps(each).encode()))
        chunks += adapter.end()
        complete = True
    check_chunks(chunks, wants_usage=wants_usage, complete=complete)
