"""Chat requests that OpenAI takes, made up by Hypothesis: `chat_requests()`.

They go where real ones go and a bit further: any order of roles that OpenAI allows, tool calls with
arguments that are no JSON, calls of functions that the request does not offer, schemas with the
keywords of JSON Schema as names of properties, empty texts, nulls.
"""

import base64
import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from support.json_schemas import closed_schemas, schemas
from support.openai_shapes import JSONObject
from support.pictures import JPEG, PNG

type Draw = Callable[[st.SearchStrategy[Any]], Any]

TEXTS = st.one_of(
    st.sampled_from(
        ["Hi", "Say hello to {name}.", "", " ", "é😀\n\tok", '{"a": 1}', "data: [DONE]"]
    ),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20),
)
NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)
FUNCTIONS = st.one_of(st.sampled_from(["look_up", "get-weather", "9lives", "_f"]), NAMES)
ADDRESSES = st.sampled_from(["https://pictures.invalid/a.png", "https://b.invalid/?q=1&r=é"])
DATA_URLS = st.sampled_from(
    [
        f"data:{kind};base64,{base64.b64encode(data).decode()}"
        for kind, data in (("image/png", PNG), ("image/jpeg", JPEG))
    ]
)
SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.sampled_from([0.5, 1e30])
VALUES = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)
ARGUMENTS = st.one_of(
    st.dictionaries(st.sampled_from(["city", "n", "é", ""]), VALUES, max_size=3).map(json.dumps),
    st.sampled_from(["", "{}", " {} ", "{", "[1]", "null", '"text"', '{"a": 1}{"a": 1}']),
)
IDS = st.sampled_from(["call_aB3", "toolu_01A", "functions.look_up:", "chatcmpl-tool-0f", "é "])
"""The beginnings of ids, each of which ends with a number of its own."""


def optional(draw: Draw, strategy: st.SearchStrategy[Any], chance: int = 4) -> Any:
    """A value once in `chance` times, or else None."""
    return draw(strategy) if draw(st.integers(1, chance)) == chance else None


def present(**fields: Any) -> JSONObject:
    """The fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}


@st.composite
def chat_requests(draw: Draw, without: Collection[str] = ()) -> JSONObject:
    """A body that `openai_rules.check_chat_request` takes, with the model "m".

    `without` names what never occurs in it: top-level fields, or "https pictures".
    """
    tools = [] if "tools" in without else optional(draw, tool_lists(), 2) or []
    known = [tool["function"]["name"] for tool in tools]
    talk = _Talk(draw, known, pictures="https pictures" not in without)
    body: JSONObject = {"model": "m", "messages": talk.messages()}
    if tools:
        body |= present(
            tools=tools,
            tool_choice=optional(draw, tool_choices(known), 2),
            parallel_tool_calls=optional(draw, st.booleans()),
        )
    for fields in (SAMPLING, HINTS, RARELY):
        body |= {
            name: value
            for name, strategy in fields.items()
            if (value := optional(draw, strategy, 12 if fields is RARELY else 6)) is not None
        }
    body |= optional(draw, limits(), 3) or {}
    body |= optional(draw, streams(), 3) or {}
    body |= optional(draw, formats(), 3) or {}
    body |= dict.fromkeys(optional(draw, st.sets(st.sampled_from(NULLABLE), max_size=3)) or ())
    _mend(body, without)
    return body


def _mend(body: JSONObject, without: Collection[str]) -> None:
    """What depends on what was left out goes with it, and JSON mode is spoken of."""
    for name in without:
        body.pop(name, None)
    if body.get("stream") is not True:
        body.pop("stream_options", None)
    if not body.get("logprobs"):
        body.pop("top_logprobs", None)
    if (body.get("response_format") or {}).get("type") == "json_object":
        body["messages"].insert(0, {"role": "system", "content": "Answer in JSON."})


SAMPLING: dict[str, st.SearchStrategy[Any]] = {
    "temperature": st.sampled_from([0, 0.0, 0.7, 1, 1.5, 2]),
    "top_p": st.sampled_from([0, 0.1, 0.95, 1]),
    "stop": st.one_of(
        st.sampled_from(["\n", "END", "é"]),
        st.lists(st.sampled_from(["\n", "END", "stop here", "###"]), min_size=1, max_size=4),
    ),
    "seed": st.integers(-(2**63), 2**63 - 1),
    "presence_penalty": st.sampled_from([-2, 0, 0.5, 2]),
    "frequency_penalty": st.sampled_from([-2, 0, 0.5, 2]),
    "reasoning_effort": st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh"]),
}
HINTS: dict[str, st.SearchStrategy[Any]] = {
    "user": NAMES,
    "safety_identifier": NAMES,
    "metadata": st.dictionaries(NAMES, TEXTS, max_size=2),
    "store": st.booleans(),
    "service_tier": st.sampled_from(["auto", "default", "flex"]),
    "prompt_cache_key": NAMES,
    "verbosity": st.sampled_from(["low", "medium", "high"]),
    "modalities": st.just(["text"]),
}
RARELY: dict[str, st.SearchStrategy[Any]] = {
    "n": st.sampled_from([1, 2, 3]),
    "logprobs": st.booleans(),
    "top_logprobs": st.integers(0, 20),
    "logit_bias": st.dictionaries(st.sampled_from(["50256", "1"]), st.integers(-100, 100)),
}
"""What many providers cannot do. A request without it says more about the rest."""
NULLABLE = ("temperature", "top_p", "stop", "seed", "n", "logprobs", "metadata", "store")


def limits() -> st.SearchStrategy[JSONObject]:
    """The most tokens to answer with, by one of its names."""
    names = st.sampled_from(["max_tokens", "max_completion_tokens"])
    return st.dictionaries(names, st.sampled_from([1, 16, 4096]), min_size=1, max_size=1)


def streams() -> st.SearchStrategy[JSONObject]:
    """`stream` and what belongs to it."""
    options = st.sampled_from(
        [
            {},
            {"stream_options": {"include_usage": True}},
            {"stream_options": {"include_usage": False}},
        ]
    )
    return st.just({"stream": False}) | options.map(lambda more: {"stream": True, **more})


@st.composite
def formats(draw: Draw) -> JSONObject:
    """A `response_format`."""
    kind = draw(st.sampled_from(["text", "json_object", "json_schema", "json_schema"]))
    if kind != "json_schema":
        return {"response_format": {"type": kind}}
    strict = draw(st.sampled_from([None, True, False]))
    spec = {
        "name": draw(NAMES),
        "schema": draw(closed_schemas() if strict else schemas()),
        **present(strict=strict, description=optional(draw, TEXTS)),
    }
    return {"response_format": {"type": "json_schema", "json_schema": spec}}


@st.composite
def tool_lists(draw: Draw) -> list[JSONObject]:
    """Functions, each with a name of its own."""
    return [
        {"type": "function", "function": draw(functions(name))}
        for name in draw(st.lists(FUNCTIONS, min_size=1, max_size=3, unique=True))
    ]


@st.composite
def functions(draw: Draw, name: str) -> JSONObject:
    """One function of a tool."""
    strict = draw(st.sampled_from([None, None, True, False]))
    nothing: st.SearchStrategy[JSONObject | None] = st.sampled_from([None, {}])
    parameters = closed_schemas() if strict else nothing | schemas()
    return {
        "name": name,
        **present(description=optional(draw, TEXTS, 2), parameters=draw(parameters), strict=strict),
    }


def tool_choices(names: list[str]) -> st.SearchStrategy[Any]:
    """Every form of `tool_choice` with these functions."""
    picked = [{"type": "function", "function": {"name": name}} for name in names]
    return st.one_of(
        st.sampled_from(["none", "auto", "required"]),
        st.sampled_from(picked),
        st.builds(
            lambda mode, tools: {
                "type": "allowed_tools",
                "allowed_tools": {"mode": mode, "tools": tools},
            },
            st.sampled_from(["auto", "required"]),
            st.lists(st.sampled_from(picked), min_size=1, max_size=2),
        ),
    )


@dataclass
class _Talk:
    """Makes up the messages of one chat."""

    draw: Draw
    functions: list[str]
    pictures: bool
    calls: int = field(default=0)

    def messages(self) -> list[JSONObject]:
        """Messages, at least one of them the user's."""
        turns = {
            "user": self.user,
            "system": self.system,
            "model": self.model,
            "calls": self.called,
        }
        before = self.draw(st.lists(st.sampled_from([*turns]), max_size=4))
        after = optional(self.draw, st.sampled_from([*turns]))
        order = [*before, "user", *([after] if after else [])]
        return [message for turn in order for message in turns[turn]()]

    def system(self) -> list[JSONObject]:
        role = self.draw(st.sampled_from(["system", "developer"]))
        return [{"role": role, "content": self.text(), **self.name()}]

    def user(self) -> list[JSONObject]:
        parts = st.lists(self.part(), min_size=1, max_size=3)
        content = self.draw(TEXTS | parts)
        return [{"role": "user", "content": content, **self.name()}]

    def model(self) -> list[JSONObject]:
        said = self.draw(
            st.one_of(
                st.builds(lambda text: {"content": text}, TEXTS),
                st.just({"content": [{"type": "refusal", "refusal": "No."}]}),
                st.just({"content": "", "refusal": "I can't."}),
                st.just({"content": "Hm.", "refusal": None, "annotations": []}),
            )
        )
        return [{"role": "assistant", **said, **self.name()}]

    def called(self) -> list[JSONObject]:
        names = st.sampled_from([*self.functions, "forgotten"])
        calls = []
        for _ in range(self.draw(st.integers(1, 3))):
            self.calls += 1
            function = {"name": self.draw(names), "arguments": self.draw(ARGUMENTS)}
            id = f"{self.draw(IDS)}{self.calls}"
            calls.append({"id": id, "type": "function", "function": function})
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": self.text()}
            for call in self.draw(st.permutations(calls))
        ]
        said = self.draw(
            st.sampled_from([{}, {"content": None}, {"content": ""}, {"content": "Ok"}])
        )
        return [{"role": "assistant", **said, "tool_calls": calls}, *results]

    def name(self) -> JSONObject:
        return present(name=optional(self.draw, NAMES, 8))

    def text(self) -> str | list[JSONObject]:
        parts = st.lists(
            st.builds(lambda text: {"type": "text", "text": text}, TEXTS), min_size=1, max_size=2
        )
        text: str | list[JSONObject] = self.draw(TEXTS | parts)
        return text

    def part(self) -> st.SearchStrategy[JSONObject]:
        details = st.sampled_from([{}, {"detail": "auto"}, {"detail": "low"}, {"detail": "high"}])
        urls = DATA_URLS | ADDRESSES if self.pictures else DATA_URLS
        return st.one_of(
            st.builds(lambda text: {"type": "text", "text": text}, TEXTS),
            st.builds(
                lambda url, detail: {"type": "image_url", "image_url": {"url": url, **detail}},
                urls,
                details,
            ),
        )
