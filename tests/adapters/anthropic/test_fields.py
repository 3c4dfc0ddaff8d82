"""What would change the answer is refused by its place, and what only hints is reported."""

import json
from typing import Any

import pytest

from llm_gateway.adapters.anthropic import KIND
from llm_gateway.errors import UpstreamUnsupported
from support.calls import make_call

JSONObject = dict[str, Any]
HI = [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0]"),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {
                                "type": "input_audio",
                                "input_audio": {"data": "AAAA", "format": "wav"},
                            }
                        ],
                    }
                ]
            },
            "messages[0].content[0].input_audio",
        ),
        (
            {"messages": [*HI, {"role": "assistant", "content": "a", "audio": {"id": "x"}}, *HI]},
            "messages[1].audio",
        ),
    ],
)
def test_what_would_change_the_answer_is_refused(fields: JSONObject, place: str) -> None:
    with pytest.raises(UpstreamUnsupported) as caught:
        KIND.chat(make_call({"model": "m", "messages": HI, **fields})).encode()
    assert caught.value.param == place


HINTS = {
    "frequency_penalty": 1, "logit_bias": {"1": 1}, "metadata": {"a": "b"}, "seed": 7,
    "presence_penalty": -1, "prediction": {"type": "content", "content": "x"}, "store": True,
    "prompt_cache_key": "k", "safety_identifier": "s", "service_tier": "flex", "verbosity": "low",
    "min_p": 0.1,
}  # fmt: skip


@pytest.mark.parametrize("name", HINTS)
def test_what_only_hints_is_left_out_and_reported(name: str) -> None:
    plain = KIND.chat(make_call({"model": "m", "messages": HI}))
    hinted = KIND.chat(make_call({"model": "m", "messages": HI, name: HINTS[name]}))
    assert json.loads(hinted.encode().body) == json.loads(plain.encode().body)
    assert (plain.dropped, hinted.dropped) == ((), (name,))
