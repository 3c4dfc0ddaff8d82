"""A gateway process and the fake provider behind it, ready for requests."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Unpack

from support.fake_openai import FakeOpenAI
from support.process import Gateway, GatewaySettings, run_gateway
from support.raw_http import Head, RawConnection, json_request, request_bytes

TOKEN = "client-token-of-the-tests"
KEY = "sk-test-provider-key"
HOST = "localhost"
MODEL = "gpt-test"
BEARER = ("Authorization", f"Bearer {TOKEN}")

CONFIG = """\
gateway:
  tokens: [{token}]
  {gateway}
# A failure is one attempt's, and says nothing of the next request.
retry: {{attempts: 1}}
breaker: none
providers:
  fake:
    kind: openai
    base_url: {base_url}
    api_key: {key}
    http: {{{http}}}
models:
{models}
"""
SPARES = tuple(f"spare-{number}" for number in range(1, 41))
"""Further models, each for one test to script."""


def config_text(
    base_url: str, *, gateway: str = "", http: str = "", models: tuple[str, ...] = (MODEL,)
) -> str:
    """Return a configuration with one provider; `gateway` and `http` are more keys, in YAML.

    The first of the models is `BIG`.
    """
    sizes = {models[0]: ", size: BIG"}
    entries = "\n".join(
        f"  - {{name: {model}, provider: fake{sizes.get(model, '')}}}" for model in models
    )
    return CONFIG.format(
        token=TOKEN, key=KEY, base_url=base_url, gateway=gateway, http=http, models=entries
    )


@dataclass(frozen=True)
class Scene:
    """What `open_scene` has set up."""

    gateway: Gateway
    provider: FakeOpenAI
    ca_file: Path
    """The certificate of the CA that the gateway signs its certificates with."""
    _spares: Iterator[str] = field(default_factory=lambda: iter(SPARES))

    def spare(self) -> str:
        """One of SPARES that nobody has asked for yet; the gateway has to know them."""
        return next(self._spares)

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return f"{self.gateway.url}/v1"

    def connect(self, **options: Any) -> RawConnection:
        """Return a connection to the gateway; the options are those of RawConnection."""
        return RawConnection(self.gateway.port, **options)

    async def json(self, request: bytes) -> tuple[Head, Any]:
        """Send one request on a connection of its own; return the head and the JSON answer."""
        async with self.connect() as client:
            head, body = await client.exchange(request)
            return head, json.loads(body)


def chat_body(text: str = "hello", **fields: Any) -> dict[str, Any]:
    """Return a chat completion request that streams, unless `fields` say otherwise."""
    messages = [{"role": "user", "content": text}]
    return {"model": MODEL, "messages": messages, "stream": True, **fields}


def chat_request(text: str = "hello", **fields: Any) -> bytes:
    """Return `chat_body` as an HTTP/1.1 request with the right token."""
    return json_request("/v1/chat/completions", chat_body(text, **fields), host=HOST, token=TOKEN)


def error_of(answer: Any) -> dict[str, Any]:
    """Return the error of a JSON answer, which must have OpenAI's four keys and no other."""
    error: dict[str, Any] = answer["error"]
    assert set(error) == {"message", "type", "param", "code"}
    return error


def get_request(target: str, *, host: str = HOST, headers: Mapping[str, str] = {}) -> bytes:
    """Return a GET with the right token."""
    return request_bytes("GET", target, [BEARER, *headers.items()], host=host)


@asynccontextmanager
async def open_scene(
    directory: Path,
    *,
    gateway: str = "",
    http: str = "max_connections: 400",
    models: tuple[str, ...] = (MODEL,),
    **settings: Unpack[GatewaySettings],
) -> AsyncIterator[Scene]:
    """Start a fake provider, and a gateway in `directory` that knows it; see `config_text`."""
    async with FakeOpenAI(key=KEY, models=models) as provider:
        text = config_text(provider.base_url, gateway=gateway, http=http, models=models)
        settings["config_text"] = text
        async with run_gateway(directory, **settings) as process:
            yield Scene(process, provider, directory / "mitmproxy-ca-cert.pem")
