"""A strict fake of Groq on loopback, with what sets it apart from OpenAI.

The usage of a stream stands in `x_groq` of its last chunk and nowhere else, tool calls come whole
in one delta, reasoning is called `reasoning`, and errors have keys only where there is a value.
"""

from collections.abc import Iterable, Iterator
from typing import override

from support.compatible_answers import Said, answer_to
from support.echo import EVENT_STREAM
from support.fake_openai import FakeOpenAI
from support.groq_rules import Refused, check_chat_request
from support.openai_shapes import CREATED, JSONObject
from support.recording_server import Received, Reply

LLAMA = "llama-3.3-70b-versatile"
GPT_OSS = "openai/gpt-oss-120b"
RETIRED = "gemma2-9b-it"
WHISPER = "whisper-large-v3"
ID = "chatcmpl-8b1f9e3a-0000-4000-8000-fakefakefake"
X_GROQ_ID = "req_01fake"


class FakeGroq(FakeOpenAI):
    """`async with FakeGroq() as provider:` serves at `provider.base_url`.

    `LLAMA` cannot think, `GPT_OSS` can.
    """

    prefix = "/openai/v1"

    def __init__(self, key: str = "gsk_test", *, models: Iterable[str] = (LLAMA, GPT_OSS)) -> None:
        super().__init__(key, models=models)

    @override
    def check_chat(self, body: object) -> JSONObject:
        checked = check_chat_request(body)
        for index, each in enumerate(checked["messages"]):
            if "reasoning" in each and checked["model"] == LLAMA:
                text = f"messages[{index}].reasoning: reasoning is not supported with this model"
                raise Refused(text)
        return checked

    @override
    async def respond(self, received: Received, reply: Reply) -> None:
        body: JSONObject = received.json
        said = answer_to(body)
        if not body.get("stream"):
            await reply.json(200, _whole(body["model"], said))
            return
        await reply.head(200, EVENT_STREAM)
        for chunk in _chunks(body["model"], said):
            await reply.event(chunk)
        await reply.event("[DONE]")

    @override
    async def list_models(self, _received: Received, reply: Reply) -> None:
        cards = [
            {
                "id": name,
                "object": "model",
                "created": CREATED,
                "owned_by": "fake",
                "active": name != RETIRED,
                "context_window": 131072,
                "public_apps": None,
                "max_completion_tokens": 32768,
            }
            for name in (*self.models, RETIRED, WHISPER)
        ]
        await reply.json(200, {"object": "list", "data": cards})

    @override
    def no_key(self) -> Refused:
        return self.wrong_key()

    @override
    def wrong_key(self) -> Refused:
        return Refused("Invalid API Key", status=401, code="invalid_api_key")

    @override
    def unknown_model(self, model: str) -> Refused:
        text = f"The model `{model}` does not exist or you do not have access to it."
        return Refused(text, status=404, code="model_not_found")


def _message(said: Said) -> JSONObject:
    message: JSONObject = {"role": "assistant"}
    if not said.calls:
        message["content"] = said.text
    if said.thoughts:
        message["reasoning"] = "".join(said.thoughts)
    if said.calls:
        message["tool_calls"] = said.calls
    return message


def _usage(said: Said) -> JSONObject:
    times = {"queue_time": 0.01, "prompt_time": 0.001, "completion_time": 0.01, "total_time": 0.02}
    return {**times, **said.counted}


def _whole(model: str, said: Said) -> JSONObject:
    choice = {
        "index": 0,
        "message": _message(said),
        "logprobs": None,
        "finish_reason": said.finish_reason,
    }
    return {
        "id": ID,
        "object": "chat.completion",
        "created": CREATED,
        "model": model,
        "choices": [choice],
        "usage": _usage(said),
        "usage_breakdown": None,
        "system_fingerprint": "fp_fake",
        "x_groq": {"id": X_GROQ_ID},
        "service_tier": "on_demand",
    }


def _chunks(model: str, said: Said) -> Iterator[JSONObject]:
    yield {**_chunk(model, {"role": "assistant", "content": ""}), "x_groq": {"id": X_GROQ_ID}}
    for thought in said.thoughts:
        yield _chunk(model, {"reasoning": thought, "channel": "analysis"})
    for word in said.words:
        yield _chunk(model, {"content": word})
    if said.calls:
        calls = [{**call, "index": number} for number, call in enumerate(said.calls)]
        yield _chunk(model, {"tool_calls": calls})
    last = _chunk(model, {}, said.finish_reason)
    yield {**last, "x_groq": {"id": X_GROQ_ID, "usage": _usage(said)}}


def _chunk(model: str, delta: JSONObject, finish_reason: str | None = None) -> JSONObject:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return {
        "id": ID,
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": model,
        "system_fingerprint": "fp_fake",
        "choices": [choice],
    }
