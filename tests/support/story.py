"""A gateway at mitmweb and three providers, with something to look at.

Asked for `agent`, Groq says that its limit is reached, Anthropic fails and then answers: a thought
in words, and a call of a tool. Asked for `paid`, OpenRouter answers and says what it takes.
Asked for `planner`, Anthropic refuses a tool.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from support.anthropic_answers import EVENT_STREAM
from support.behaviours import error_json
from support.fake_anthropic import FakeAnthropic
from support.fake_groq import LLAMA, FakeGroq
from support.fake_openrouter import FakeOpenRouter
from support.openai_shapes import JSONObject, completion, message
from support.process import Gateway, run_gateway
from support.raw_http import RawConnection, json_request
from support.recording_server import Handler, Received, Reply

TOKEN = "gateway-token-of-the-story"
HOST = "ai.localhost"
CLAUDE = "claude-haiku-4-5"
STRICT = "claude-sonnet-4-5"
QWEN = "qwen/qwen3-coder"
COST = 0.0041
"""What OpenRouter takes for an answer, in dollars."""
SPOKEN = ("Let me see ", "what the weather ", "is like in Reykjavík.")
CITY = "Reykjavík"

LIMITED: JSONObject = {
    "error": {
        "message": "Rate limit reached for model `llama-3.3-70b-versatile` on tokens per minute "
        "(TPM): Limit 12000, Used 11873, Requested 240. Please try again in 9.5s.",
        "type": "tokens",
        "code": "rate_limit_exceeded",
    }
}
FAILED: JSONObject = {
    "type": "error",
    "error": {"type": "api_error", "message": "Internal server error"},
    "request_id": "req_fake",
}
QUESTION: JSONObject = {
    "model": "agent",
    "stream": True,
    "messages": [
        {"role": "system", "content": "You plan weekends. Be brief."},
        {"role": "user", "content": f"Shall I bike or read in {CITY} tomorrow?"},
    ],
    "max_completion_tokens": 500,
    "temperature": 0.2,
    "logit_bias": {"1734": -100},
    "stream_options": {"include_usage": True},
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "description": "The forecast for a city.",
                "parameters": {
                    "type": "object",
                    "properties": {"city": {"type": "string"}, "day": {"type": "string"}},
                    "required": ["city"],
                },
            },
        }
    ],
}
"""What `agent` is asked, as an app might."""

PLAN: JSONObject = {
    "model": "planner",
    "messages": QUESTION["messages"],
    "max_completion_tokens": 500,
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "get_weather",
                "description": "The forecast for a city.",
                "parameters": {
                    "type": "object",
                    "properties": {
                        "city": {"type": "string"},
                        "days": {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
                    },
                },
            },
        }
    ],
}
"""What `planner` is asked: its tool has a keyword in the form of an old JSON Schema."""
REFUSED: JSONObject = {
    "type": "error",
    "error": {
        "type": "invalid_request_error",
        "message": "tools.0.custom.input_schema: JSON schema is invalid. It must match JSON Schema "
        "draft 2020-12 (https://json-schema.org/draft/2020-12).",
    },
    "request_id": "req_fake",
}


@dataclass(frozen=True)
class Story:
    """What `open_story` has set up."""

    gateway: Gateway
    addresses: dict[str, str]
    """Where each provider answers."""
    secrets: tuple[str, ...]
    """The clients' token and the providers' keys."""

    async def ask(self, question: JSONObject) -> tuple[int, bytes]:
        """Ask as a client does; the status and the body of the answer."""
        async with RawConnection(self.gateway.port) as client:
            request = json_request("/v1/chat/completions", question, host=HOST, token=TOKEN)
            head, body = await client.exchange(request)
            return head.status, body


def greeting(model: str, text: str = "Hello!") -> JSONObject:
    """A short question."""
    return {"model": model, "messages": [{"role": "user", "content": text}]}


@asynccontextmanager
async def open_story(directory: Path, *, pace: float = 0.0) -> AsyncIterator[Story]:
    """Start the providers, and mitmweb with the gateway in `directory`.

    `pace` is how many seconds lie between the pieces of Anthropic's answer.
    """
    groq_key, anthropic_key, openrouter_key = (
        "gsk_of_the_story",
        "sk-ant-of-the-story",
        "sk-or-of-the-story",
    )
    async with (
        FakeGroq(groq_key) as groq,
        FakeAnthropic(anthropic_key) as anthropic,
        FakeOpenRouter(openrouter_key) as openrouter,
    ):
        groq.script(LLAMA, error_json(429, LIMITED, [("retry-after", "10")]))
        anthropic.script(CLAUDE, _fails_first(pace))
        anthropic.script(STRICT, error_json(400, REFUSED))
        openrouter.script(QWEN, _paid())
        providers = {
            "groq": {"base_url": groq.base_url, "api_key": groq_key},
            "anthropic": {"base_url": anthropic.base_url, "api_key": anthropic_key},
            "openrouter": {"base_url": openrouter.base_url, "api_key": openrouter_key},
        }
        models = [
            {"name": "agent", "provider": "groq", "model": LLAMA, "priority": 1},
            {"name": "agent", "provider": "anthropic", "model": CLAUDE, "priority": 2},
            {"name": "paid", "provider": "openrouter", "model": QWEN},
            {"name": "planner", "provider": "anthropic", "model": STRICT},
        ]
        config = {
            "gateway": {"tokens": [TOKEN]},
            "retry": {"base": 0.05},
            "providers": providers,
            "models": models,
        }
        # JSON is YAML.
        async with run_gateway(
            directory, tool="mitmweb", config_text=json.dumps(config)
        ) as gateway:
            addresses = {name: provider["base_url"] for name, provider in providers.items()}
            yield Story(gateway, addresses, (TOKEN, groq_key, anthropic_key, openrouter_key))


def _fails_first(pace: float) -> Handler:
    """Fail once, then answer at this pace."""
    calls = iter([error_json(500, FAILED)])

    async def handler(received: Received, reply: Reply) -> None:
        await next(calls, plans)(received, reply)

    async def plans(_received: Received, reply: Reply) -> None:
        await reply.head(200, EVENT_STREAM)
        for event in _events():
            data = json.dumps(event, ensure_ascii=False)
            await reply.send(f"event: {event['type']}\ndata: {data}\n\n".encode())
            await asyncio.sleep(pace)

    return handler


def _events() -> Iterator[JSONObject]:
    message = {"id": "msg_01Story", "type": "message", "role": "assistant", "model": CLAUDE}
    counted = {"input_tokens": 412, "cache_read_input_tokens": 800, "output_tokens": 1}
    empty: JSONObject = {
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": counted,
    }
    yield {"type": "message_start", "message": {**message, **empty}}
    yield _block_start(0, {"type": "text", "text": ""})
    for text in SPOKEN:
        yield _delta(0, {"type": "text_delta", "text": text})
    yield {"type": "content_block_stop", "index": 0}
    call = {"type": "tool_use", "id": "toolu_01Story", "name": "get_weather", "input": {}}
    yield _block_start(1, call)
    for part in ('{"city": "', CITY, '", "day": "tomorrow"}'):
        yield _delta(1, {"type": "input_json_delta", "partial_json": part})
    yield {"type": "content_block_stop", "index": 1}
    ended = {"stop_reason": "tool_use", "stop_sequence": None}
    yield {"type": "message_delta", "delta": ended, "usage": {"output_tokens": 64}}
    yield {"type": "message_stop"}


def _block_start(index: int, block: JSONObject) -> JSONObject:
    return {"type": "content_block_start", "index": index, "content_block": block}


def _delta(index: int, delta: JSONObject) -> JSONObject:
    return {"type": "content_block_delta", "index": index, "delta": delta}


def _paid() -> Handler:
    """Answer, and say what it took."""
    usage = {"prompt_tokens": 1200, "completion_tokens": 340, "total_tokens": 1540, "cost": COST}
    answer = completion(QWEN, [message("Hello to you!")], "stop", usage)
    return error_json(200, answer)
