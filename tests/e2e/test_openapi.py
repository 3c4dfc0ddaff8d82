"""What is served is what the OpenAPI document says: Schemathesis asks for all that it can think of.

Its provider takes whatever it is sent, so that each refusal is the gateway's own. More
examples than the suite has time for, and others each time:
``SCHEMATHESIS_EXAMPLES=1000 pytest tests/e2e/test_openapi.py --hypothesis-profile=random``.
"""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import AuthContext, Case, GenerationMode
from schemathesis.schemas import BaseSchema

from llm_gateway.api.openapi import reply
from support.openai_shapes import CREATED, completion, first_chunk, last_chunk, message, usage
from support.openapi_schemas import is_valid
from support.pictures import PNG
from support.process import Gateway, run_gateway
from support.raw_http import RawConnection, json_request, request_bytes
from support.recording_server import Received, RecordingServer, Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "client-token-of-the-tests"
HOST = "localhost"
FIELDS = [("Authorization", f"Bearer {TOKEN}")]
LARGE = 2**63
type AnyCase = Case[Any]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
EXAMPLES = int(os.environ.get("SCHEMATHESIS_EXAMPLES", "8"))
CONFIG = """\
gateway: {{tokens: [{token}]}}
retry: {{attempts: 1}}
breaker: none
providers:
  lax: {{kind: openai, base_url: "{url}", api_key: sk-of-the-test}}
models:
  - {{name: m, provider: lax, capabilities: [chat, image], size: BIG}}
"""
FIXED = ["GET /ping", "GET /openapi.json", "GET /v1/models"]
"""Nothing of these can be chosen, or be wrong."""
VARIED = [
    "GET /v1/models/{model}",
    "POST /v1/chat/completions",
    "POST /v1/images/generations",
    "POST /image",
]


async def answer(received: Received, reply: Reply) -> None:
    """Answer anything as OpenAI answers a good request."""
    asked = received.json
    if received.path.endswith("/images/generations"):
        picture = {"b64_json": base64.b64encode(PNG).decode()}
        await reply.json(200, {"created": CREATED, "data": [picture]})
    elif asked.get("stream"):
        await reply.head(200, [("content-type", "text/event-stream")])
        for event in (first_chunk("m"), last_chunk("m")):
            await reply.event(event)
        await reply.event("[DONE]")
    else:
        whole = completion("m", [message("Hello.")], "stop", usage(1, 1))
        await reply.json(200, whole)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gateway(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gateway]:
    """A gateway in front of that provider."""
    async with RecordingServer(answer) as provider:
        text = CONFIG.format(token=TOKEN, url=f"{provider.url}/v1")
        directory = tmp_path_factory.mktemp("gateway")
        async with run_gateway(directory, config_text=text) as gateway:
            yield gateway


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def schema(gateway: Gateway) -> BaseSchema:
    """The document, as served, by way of Schemathesis."""
    async with RawConnection(gateway.port) as client:
        head, body = await client.exchange(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (head.status, head.header("content-type")) == (200, "application/json")
    schema = schemathesis.openapi.from_dict(json.loads(body))
    schema.config.update(base_url=gateway.url)
    schema.auth()(RightToken)
    return schema


class RightToken:
    """What Schemathesis authenticates with; it tries without, and with wrong ones, by itself."""

    def get(self, _case: AnyCase, _context: AuthContext) -> str:
        return f"Bearer {TOKEN}"

    def set(self, case: AnyCase, data: str, _context: AuthContext) -> None:
        case.headers["Authorization"] = data


def operation_of(schema: BaseSchema, label: str) -> Any:
    """The operation that is called so."""
    method, _, path = label.partition(" ")
    return schema[path][method]


async def try_examples(strategy: Any, check: Callable[[AnyCase], None]) -> None:
    """Have Hypothesis make examples, in a thread: calls block, and the provider must go on."""

    @settings(max_examples=EXAMPLES, suppress_health_check=[*HealthCheck])
    @given(case=strategy)
    def run(case: AnyCase) -> None:
        check(case)

    await asyncio.to_thread(run)


def call(case: AnyCase) -> None:
    """Ask, and compare the answer with the document."""
    case.call_and_validate(timeout=30)


def call_for_a_model(case: AnyCase) -> None:
    """The same, mostly for a model that there is, with integers as JSON has them for us."""
    if isinstance(case.body, dict):
        case.body = {name: with_our_integers(value) for name, value in case.body.items()}
        if case.body.get("model"):
            case.body["model"] = "m"
    call(case)


def with_our_integers(value: Any) -> Any:
    """A value without what JSON Schema cannot exclude: 1.0 as an integer, and more than 64 bits."""
    match value:
        case dict():
            return {name: with_our_integers(each) for name, each in value.items()}
        case list():
            return [with_our_integers(each) for each in value]
        case float() if value.is_integer() and abs(value) < LARGE:
            return int(value)
        case int() if abs(value) >= LARGE:
            return value % LARGE
        case _:
            return value


@pytest.mark.parametrize("label", FIXED)
async def test_an_answer_without_choice_is_as_documented(schema: BaseSchema, label: str) -> None:
    await try_examples(operation_of(schema, label).as_strategy(), call)


@pytest.mark.parametrize("mode", [*GenerationMode])
@pytest.mark.parametrize("label", VARIED)
async def test_every_answer_is_as_documented(
    schema: BaseSchema, label: str, mode: GenerationMode
) -> None:
    operation = operation_of(schema, label)
    await try_examples(operation.as_strategy(generation_mode=mode), call_for_a_model)


async def test_a_method_that_is_not_documented_is_refused_and_the_right_one_named(
    gateway: Gateway, schema: BaseSchema
) -> None:
    async with RawConnection(gateway.port) as client:
        for path, item in schema.raw_schema["paths"].items():
            for method in METHODS:
                if method.lower() in item:
                    continue
                target = path.replace("{model}", "m")
                head, body = await client.exchange(request_bytes(method, target, FIELDS, host=HOST))
                allowed = ", ".join(item).upper()
                assert (head.status, head.header("allow")) == (405, allowed)
                assert is_valid("Error", json.loads(body))


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/openapi.json", "/openapi.json/", "/v1/embeddings", "/docs", "/image/x"],
)
async def test_a_path_that_is_not_documented_is_not_there(gateway: Gateway, path: str) -> None:
    async with RawConnection(gateway.port) as client:
        head, body = await client.exchange(request_bytes("GET", path, FIELDS, host=HOST))
    assert (head.status, json.loads(body)["error"]["code"]) == (404, "unknown_url")
    assert is_valid("Error", json.loads(body))


async def test_the_events_of_a_stream_have_the_shape_of_chunks(gateway: Gateway) -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}
    request = json_request("/v1/chat/completions", body, host=HOST, token=TOKEN)
    async with RawConnection(gateway.port) as client:
        await client.send(request)
        head = await client.read_head()
        *chunks, done = [event async for event in client.events(head)]
    assert done == "[DONE]"
    assert chunks
    assert all(is_valid("ChatCompletionChunk", json.loads(chunk)) for chunk in chunks)


async def test_the_document_is_the_same_whoever_asks(gateway: Gateway) -> None:
    async with RawConnection(gateway.port) as client:
        answers = [
            await client.exchange(request_bytes("GET", "/openapi.json", fields, host=HOST))
            for fields in ([], FIELDS, [("Authorization", "Bearer wrong")])
        ]
    assert {head.status for head, _ in answers} == {200}
    assert [body for _, body in answers] == [reply().body] * 3
    assert {head.header("etag") for head, _ in answers} == {dict(reply().headers)["etag"]}


@pytest.mark.parametrize(
    ("method", "path"),
    [("OPTIONS", "/v1/chat/completions"), ("GET", "/ping"), ("GET", "/v1/models"), ("GET", "/x")],
)
async def test_a_page_of_another_origin_is_allowed_nothing(
    gateway: Gateway, method: str, path: str
) -> None:
    origin = ("Origin", "http://evil.example")
    wants = ("Access-Control-Request-Method", "POST")
    async with RawConnection(gateway.port) as client:
        for fields in ([origin, wants], [origin, wants, *FIELDS], [("Origin", "null"), *FIELDS]):
            head, _ = await client.exchange(request_bytes(method, path, fields, host=HOST))
            names = {name.lower() for name, _ in head.headers}
            assert not any(name.startswith("access-control") for name in names)
