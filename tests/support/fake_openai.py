"""A strict fake of an OpenAI-compatible provider on loopback.

It refuses what OpenAI refuses, echoes by default, and can be scripted down to the byte for each
model name; support.behaviours has ready scripts.
"""

import ssl
from collections.abc import Iterable
from typing import override

from support.echo import echo
from support.http1 import values
from support.openai_rules import Refused, check_chat_request
from support.openai_shapes import CREATED
from support.recording_server import Handler, Received, RecordingServer, Reply

METHOD_NOT_ALLOWED = 405


class FakeOpenAI(RecordingServer):
    """`async with FakeOpenAI(key="sk-test") as provider:` serves at `provider.base_url`."""

    def __init__(
        self,
        key: str = "sk-test",
        *,
        models: Iterable[str] = ("gpt-test",),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(echo, tls=tls)
        self._key = key
        self._scripts: dict[str, Handler] = dict.fromkeys(models, echo)
        self._routes: dict[str, tuple[str, Handler]] = {
            "/v1/chat/completions": ("POST", self._chat),
            "/v1/models": ("GET", self._models),
        }

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return f"{self.url}/v1"

    def script(self, model: str, handler: Handler) -> None:
        """Let `handler` answer valid chat requests for `model`, which is made known thereby."""
        self._scripts[model] = handler

    @override
    async def answer(self, received: Received, reply: Reply) -> None:
        try:
            await self._route(received)(received, reply)
        except Refused as refusal:
            wrong_method = refusal.status == METHOD_NOT_ALLOWED
            allow = [("allow", self._routes[received.path][0])] if wrong_method else []
            await reply.json(refusal.status, refusal.body, allow)

    def _route(self, received: Received) -> Handler:
        call = f"{received.method} {received.path}"
        if received.path not in self._routes:
            raise Refused(404, f"Invalid URL ({call})")
        method, handler = self._routes[received.path]
        if received.method != method:
            text = f"Not allowed to {received.method} on {received.path}."
            raise Refused(METHOD_NOT_ALLOWED, text, code="method_not_supported")
        self._check_key(received)
        return handler

    def _check_key(self, received: Received) -> None:
        given = values(received.headers, "authorization")
        if not given:
            raise Refused(401, "You didn't provide an API key.")
        if given != [f"Bearer {self._key}"]:
            raise Refused(401, "Incorrect API key provided.", code="invalid_api_key")

    async def _models(self, _received: Received, reply: Reply) -> None:
        cards = [
            {"id": name, "object": "model", "created": CREATED, "owned_by": "fake"}
            for name in self._scripts
        ]
        await reply.json(200, {"object": "list", "data": cards})

    async def _chat(self, received: Received, reply: Reply) -> None:
        body = check_chat_request(_json(received))
        handler = self._scripts.get(body["model"])
        if handler is None:
            text = f"The model `{body['model']}` does not exist or you do not have access to it."
            raise Refused(404, text, code="model_not_found")
        await handler(received, reply)


def _json(received: Received) -> object:
    content_type = (received.header("content-type") or "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        text = "Unsupported content type. This API method only accepts 'application/json' requests."
        raise Refused(400, text, code="unsupported_content_type")
    try:
        content: object = received.json
    except ValueError:
        raise Refused(400, "We could not parse the JSON body of your request.") from None
    return content
