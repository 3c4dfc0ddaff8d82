"""A strict fake of Cloudflare on loopback: Workers AI by both of its endpoints, and the AI Gateway.

It refuses what `support.cloudflare_rules` refuses, in Cloudflare's words, and answers in the shape
that each of its models has. What it says is in `support.cloudflare_answers`.
"""

import base64
from collections.abc import Mapping

from support import cloudflare_answers as answers
from support.cloudflare_rules import (
    Diffusion,
    Flux1,
    Flux2,
    Refused,
    check_chat,
    check_drawing,
    envelope,
    read_form,
    read_json,
)
from support.http1 import values
from support.openai_rules import Refused as RefusedByOpenAI
from support.openai_rules import check_chat_request
from support.openai_shapes import JSONObject, error_body
from support.pictures import JPEG, PNG
from support.recording_server import Handler, Received, RecordingServer, Reply

LLAMA = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"
SCOUT = "@cf/meta/llama-4-scout-17b-16e-instruct"
GPT_OSS = "@cf/openai/gpt-oss-120b"
FLUX_1 = "@cf/black-forest-labs/flux-1-schnell"
FLUX_2 = "@cf/black-forest-labs/flux-2-dev"
SDXL = "@cf/stabilityai/stable-diffusion-xl-base-1.0"

CHATTING: Mapping[str, answers.Sender] = {
    LLAMA: answers.send_old,
    SCOUT: answers.send_new,
    GPT_OSS: answers.send_responses,
}
"""The models that chat, and the shape of their answers at the native endpoint."""
DRAWING = (FLUX_1, FLUX_2, SDXL)
EYELESS = {LLAMA, GPT_OSS}
LISTED = {
    **dict.fromkeys(CHATTING, "Text Generation"),
    **dict.fromkeys(DRAWING, "Text-to-Image"),
    "@cf/baai/bge-m3": "Text Embeddings",
}
GATEWAY_PROVIDERS = ("openai", "anthropic", "google-ai-studio", "groq")
"""Providers behind the gateway besides Workers AI."""


class FakeCloudflare(RecordingServer):
    """`async with FakeCloudflare() as provider:` serves an account and a gateway in it.

    `script` lets a handler answer the valid requests of a model, by whatever endpoint.
    """

    account = "0123456789abcdef0123456789abcdef"
    gateway = "my-gateway"

    def __init__(self, key: str = "cf-test-key", gateway_key: str = "cf-test-gateway-key") -> None:
        super().__init__(self._route)
        self._key = key
        self._gateway_key = gateway_key
        self._scripts: dict[str, Handler] = {}

    @property
    def base_url(self) -> str:
        """The native endpoint, of whose `/run/{model}` there is one for each model."""
        return f"{self.url}/client/v4/accounts/{self.account}/ai"

    @property
    def openai_base_url(self) -> str:
        """The compatible endpoint."""
        return f"{self.base_url}/v1"

    @property
    def gateway_base_url(self) -> str:
        """The gateway's compatible endpoint."""
        return f"{self.url}/v1/{self.account}/{self.gateway}/compat"

    def script(self, model: str, handler: Handler) -> None:
        """Let `handler` answer valid requests for `model`, which is made known thereby."""
        self._scripts[model] = handler

    async def _route(self, received: Received, reply: Reply) -> None:
        try:
            if received.path.startswith("/client/v4/"):
                await self._api(received, reply)
            else:
                await self._through_gateway(received, reply)
        except Refused as refusal:
            await reply.json(refusal.status, refusal.body)
        except RefusedByOpenAI as refusal:
            await reply.json(refusal.status, refusal.body)

    async def _api(self, received: Received, reply: Reply) -> None:
        self._check_key(received)
        account, _, route = received.path.removeprefix("/client/v4/accounts/").partition("/")
        if account != self.account:
            text = f"Could not route to {received.path}, perhaps your object identifier is invalid?"
            raise Refused(404, 7003, text)
        match received.method, route.removeprefix("ai/").partition("/"):
            case "POST", ("run", _, model):
                await self._run(model, received, reply)
            case "POST", ("v1", _, "chat/completions"):
                await self._compatible(received, reply)
            case "GET", ("models", _, "search"):
                await self._list(received, reply)
            case _:
                raise Refused(405, 7001, f"{received.method} not supported for requested URI.")

    def _check_key(self, received: Received) -> None:
        given = values(received.headers, "authorization")
        if len(given) != 1 or not given[0].startswith("Bearer "):
            raise Refused(400, 6003, "Invalid request headers")
        if given != [f"Bearer {self._key}"]:
            raise Refused(401, 10000, "Authentication error")

    async def _run(self, model: str, received: Received, reply: Reply) -> None:
        if model in DRAWING:
            _check_drawing(model, received)
            await self._scripts.get(model, _PAINTERS[model])(received, reply)
            return
        if model not in CHATTING and model not in self._scripts:
            raise Refused(400, 5007, f"No such model {model} or task")
        body = check_chat(read_json(received.body), sees=model not in EYELESS)
        if model in self._scripts:
            await self._scripts[model](received, reply)
        else:
            await CHATTING[model](model, body, reply)

    async def _compatible(self, received: Received, reply: Reply) -> None:
        body = check_chat_request(read_json(received.body))
        await self._chat(body["model"], body, received, reply)

    async def _chat(self, model: str, body: JSONObject, received: Received, reply: Reply) -> None:
        """An answer of OpenAI's form; Workers AI's own models want strings for content."""
        if model in EYELESS and any(isinstance(m["content"], list) for m in body["messages"]):
            raise Refused(400, 5006, "AiError: Bad input: 'array' not in 'string'")
        if model in self._scripts:
            await self._scripts[model](received, reply)
        elif model.startswith("@") and model not in CHATTING:
            raise Refused(400, 5007, f"No such model {model} or task")
        else:
            await answers.send_openai(model, body, reply)

    async def _through_gateway(self, received: Received, reply: Reply) -> None:
        where = f"/v1/{self.account}/{self.gateway}/compat/chat/completions"
        if received.path != where or received.method != "POST":
            text = "Please configure AI Gateway in the Cloudflare dashboard"
            await reply.json(400, _gateway_error(2001, text))
            return
        if values(received.headers, "cf-aig-authorization") != [f"Bearer {self._gateway_key}"]:
            await reply.json(
                401,
                {"name": "AiGatewayError", "internalCode": 2009, "message": "Unauthorized"},
            )
            return
        body = check_chat_request(read_json(received.body))
        provider, _, model = body["model"].partition("/")
        if provider not in {*GATEWAY_PROVIDERS, "workers-ai"}:
            await reply.json(400, _gateway_error(2008, "Invalid provider"))
            return
        if values(received.headers, "authorization") not in ([], [f"Bearer {self._key}"]):
            text = "Incorrect API key provided."
            await reply.json(401, error_body(text, code="invalid_api_key"))
            return
        await self._chat(model, body, received, reply)

    async def _list(self, received: Received, reply: Reply) -> None:
        query = dict(
            pair.split("=", 1) for pair in received.target.partition("?")[2].split("&") if pair
        )
        size, page = int(query.get("per_page", "50")), int(query.get("page", "1"))
        cards = [
            {
                "id": f"00000000-0000-0000-0000-{number:012}",
                "name": name,
                "task": {"id": "c329a1f9", "name": task},
                "properties": [{"property_id": "context_window", "value": "24000"}],
            }
            for number, (name, task) in enumerate(LISTED.items())
        ]
        await reply.json(200, envelope(cards[(page - 1) * size : page * size]))


def _gateway_error(code: int, message: str) -> JSONObject:
    error = {"code": code, "message": message}
    return {"success": False, "result": [], "messages": [], "error": [error]}


def _check_drawing(model: str, received: Received) -> None:
    if model == FLUX_2:
        content_type = received.header("content-type") or ""
        check_drawing(Flux2, read_form(content_type, received.body))
    else:
        check_drawing(Flux1 if model == FLUX_1 else Diffusion, read_json(received.body))


async def _paint_in_json(_received: Received, reply: Reply) -> None:
    await reply.json(200, envelope({"image": base64.b64encode(JPEG).decode()}))


async def _paint_bytes(_received: Received, reply: Reply) -> None:
    await reply.whole(200, PNG, "image/png")


_PAINTERS: Mapping[str, Handler] = {
    FLUX_1: _paint_in_json,
    FLUX_2: _paint_in_json,
    SDXL: _paint_bytes,
}
