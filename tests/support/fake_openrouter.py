"""A strict fake of OpenRouter on loopback, with what sets it apart from OpenAI.

Comments while the model is waited for, `provider` and `native_finish_reason`, the role in every
delta, reasoning as `reasoning` and `reasoning_details`, the usage always, in a last chunk with an
empty delta, and errors with a number for their code.
"""

import base64
from collections.abc import Iterable, Iterator
from typing import override

from support.compatible_answers import Said, answer_to
from support.echo import EVENT_STREAM
from support.fake_openai import FakeOpenAI
from support.openai_shapes import CREATED, JSONObject
from support.openrouter_rules import Refused, check_chat_request, check_images_request
from support.pictures import PNG
from support.recording_server import Handler, Received, Reply

CODER = "qwen/qwen3-coder:free"
PAINTER = "google/gemini-3.1-flash-image"
GENERATION = "gen-1763700000-fake"
PROCESSING = b": OPENROUTER PROCESSING\n\n"
NATIVE = {"stop": "stop", "length": "length", "tool_calls": "tool_calls"}
LIMITED: JSONObject = {
    "error": {
        "message": "Provider returned error",
        "code": 429,
        "metadata": {
            "raw": f"{CODER} is temporarily rate-limited upstream. Please retry shortly, or add "
            "your own key to accumulate your rate limits: "
            "https://openrouter.ai/settings/integrations",
            "provider_name": "Chutes",
        },
    },
    "user_id": "user_2fake",
}
"""The limit of the provider behind it, which came as a 429 or inside a 200."""


class FakeOpenRouter(FakeOpenAI):
    """`async with FakeOpenRouter() as provider:` serves at `provider.base_url`."""

    prefix = "/api/v1"
    images_path = "images"

    def __init__(
        self,
        key: str = "sk-or-v1-test",
        *,
        models: Iterable[str] = (CODER,),
        painters: Iterable[str] = (PAINTER,),
    ) -> None:
        super().__init__(key, models=models, painters=painters)

    @override
    def check_chat(self, body: object) -> JSONObject:
        return check_chat_request(body)

    @override
    def check_images(self, body: object) -> JSONObject:
        return check_images_request(body)

    @override
    async def respond(self, received: Received, reply: Reply) -> None:
        body: JSONObject = received.json
        said = answer_to(body)
        if not body.get("stream"):
            await reply.json(200, _whole(body["model"], said))
            return
        await reply.head(200, EVENT_STREAM)
        await reply.send(PROCESSING * 2)
        for chunk in _chunks(body["model"], said):
            await reply.event(chunk)
        await reply.event("[DONE]")

    @override
    async def draw(self, received: Received, reply: Reply) -> None:
        body: JSONObject = received.json
        picture = {"b64_json": base64.b64encode(PNG).decode(), "media_type": "image/png"}
        usage = {"prompt_tokens": 9, "completion_tokens": 1290, "total_tokens": 1299, "cost": 0.039}
        data = [picture] * (body.get("n") or 1)
        await reply.json(200, {"created": CREATED, "data": data, "usage": usage})

    @override
    async def list_models(self, _received: Received, reply: Reply) -> None:
        cards = [_card(name, ["text"]) for name in self._scripts]
        cards += [_card(name, ["image", "text"]) for name in self._painters]
        await reply.json(200, {"data": cards})

    @override
    def no_key(self) -> Refused:
        return Refused("No auth credentials found", status=401)

    @override
    def wrong_key(self) -> Refused:
        return Refused("User not found.", status=401)

    @override
    def unknown_model(self, model: str) -> Refused:
        return Refused(f"{model} is not a valid model ID")


def limited_inside_200(*, stream: bool = False) -> Handler:
    """Answer 200 and then the limit of the provider behind it, whole or as an event."""

    async def handler(_received: Received, reply: Reply) -> None:
        if not stream:
            await reply.json(200, LIMITED)
            return
        await reply.head(200, EVENT_STREAM)
        await reply.send(PROCESSING)
        await reply.event({"id": GENERATION, "object": "chat.completion.chunk", **LIMITED})

    return handler


def _card(name: str, outputs: list[str]) -> JSONObject:
    return {
        "id": name,
        "canonical_slug": name,
        "name": name,
        "created": CREATED,
        "context_length": 262144,
        "architecture": {"input_modalities": ["text"], "output_modalities": outputs},
        "pricing": {"prompt": "0", "completion": "0"},
        "supported_parameters": ["max_tokens", "tools"],
    }


def _reasoning(text: str) -> JSONObject:
    detail = {"type": "reasoning.text", "text": text, "format": "unknown", "index": 0}
    return {"reasoning": text, "reasoning_details": [detail]}


def _usage(said: Said) -> JSONObject:
    return {
        **said.counted,
        "cost": 0,
        "is_byok": False,
        "prompt_tokens_details": {"cached_tokens": 0},
        "cost_details": {"upstream_inference_cost": None},
        "completion_tokens_details": {"reasoning_tokens": len(said.thoughts)},
    }


def _envelope(model: str, kind: str) -> JSONObject:
    return {
        "id": GENERATION,
        "provider": "Chutes",
        "model": model,
        "object": kind,
        "created": CREATED,
    }


def _whole(model: str, said: Said) -> JSONObject:
    message: JSONObject = {"role": "assistant", "content": said.text, "refusal": None}
    if said.thoughts:
        message |= _reasoning("".join(said.thoughts))
    if said.calls:
        message["tool_calls"] = [
            {**call, "index": number} for number, call in enumerate(said.calls)
        ]
    choice = {
        "logprobs": None,
        "finish_reason": said.finish_reason,
        "native_finish_reason": NATIVE[said.finish_reason],
        "index": 0,
        "message": message,
    }
    return {**_envelope(model, "chat.completion"), "choices": [choice], "usage": _usage(said)}


def _chunks(model: str, said: Said) -> Iterator[JSONObject]:
    for thought in said.thoughts:
        yield _chunk(model, {"content": "", **_reasoning(thought)})
    for word in said.words:
        yield _chunk(model, {"content": word})
    for number, call in enumerate(said.calls):
        yield _chunk(model, {"content": None, "tool_calls": [{**call, "index": number}]})
    yield _chunk(model, {"content": ""}, said.finish_reason)
    yield {**_chunk(model, {"content": ""}), "usage": _usage(said)}


def _chunk(model: str, delta: JSONObject, finish_reason: str | None = None) -> JSONObject:
    choice = {
        "index": 0,
        "delta": {"role": "assistant", **delta},
        "finish_reason": finish_reason,
        "native_finish_reason": finish_reason and NATIVE[finish_reason],
        "logprobs": None,
    }
    return {**_envelope(model, "chat.completion.chunk"), "choices": [choice]}
