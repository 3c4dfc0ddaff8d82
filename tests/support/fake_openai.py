"""A strict fake of an OpenAI-compatible provider on loopback.

It refuses what OpenAI refuses, echoes by default, and can be scripted down to the byte for each
model name; support.behaviours has ready scripts.
"""

import ssl
from collections.abc import Iterable, Mapping
from typing import override

from support.echo import echo
from support.http1 import values
from support.openai_images import check_images_request, draw
from support.openai_rules import Refused, check_chat_request
from support.openai_shapes import CREATED, JSONObject
from support.recording_server import Handler, Received, RecordingServer, Reply

METHOD_NOT_ALLOWED = 405


class FakeOpenAI(RecordingServer):
    """`async with FakeOpenAI(key="sk-test") as provider:` serves at `provider.base_url`."""

    prefix = "/v1"
    images_path = "images/generations"
    """Where its API begins, and where one draws; fakes built on this one have theirs elsewhere."""

    def __init__(
        self,
        key: str = "sk-test",
        *,
        models: Iterable[str] = ("gpt-test",),
        painters: Iterable[str] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`models` chat, `painters` draw."""
        super().__init__(echo, tls=tls)
        self._key = key
        self._scripts: dict[str, Handler] = dict.fromkeys(models, self.respond)
        self._painters: dict[str, Handler] = dict.fromkeys(painters, self.draw)
        self._routes: dict[str, tuple[str, Handler]] = {
            f"{self.prefix}/chat/completions": ("POST", self._chat),
            f"{self.prefix}/models": ("GET", self.list_models),
            f"{self.prefix}/{self.images_path}": ("POST", self._images),
        }

    @property
    def base_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return f"{self.url}{self.prefix}"

    @property
    def models(self) -> list[str]:
        """What is known, that which draws last."""
        return [*self._scripts, *self._painters]

    def script(self, model: str, handler: Handler) -> None:
        """Let `handler` answer valid chat requests for `model`, which is made known thereby."""
        self._scripts[model] = handler

    def script_pictures(self, model: str, handler: Handler) -> None:
        """Let `handler` answer valid requests for pictures by `model`, known thereby, too."""
        self._painters[model] = handler

    def check_chat(self, body: object) -> JSONObject:
        """Return the body of a valid chat request; raises Refused."""
        return check_chat_request(body)

    def check_images(self, body: object) -> JSONObject:
        """Return the body of a valid request for pictures; raises Refused."""
        return check_images_request(body)

    async def respond(self, received: Received, reply: Reply) -> None:
        """Answer a valid chat request."""
        await echo(received, reply)

    async def draw(self, received: Received, reply: Reply) -> None:
        """Answer a valid request for pictures."""
        await draw(received, reply)

    async def list_models(self, _received: Received, reply: Reply) -> None:
        """Answer with the models that are known."""
        cards = [
            {"id": name, "object": "model", "created": CREATED, "owned_by": "fake"}
            for name in self.models
        ]
        await reply.json(200, {"object": "list", "data": cards})

    def no_key(self) -> Refused:
        """What is said to a request without a key."""
        return Refused(401, "You didn't provide an API key.")

    def wrong_key(self) -> Refused:
        """What is said to a request with another key."""
        return Refused(401, "Incorrect API key provided.", code="invalid_api_key")

    def unknown_model(self, model: str) -> Refused:
        """What is said of a model that there is not."""
        text = f"The model `{model}` does not exist or you do not have access to it."
        return Refused(404, text, code="model_not_found")

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
            raise self.no_key()
        if given != [f"Bearer {self._key}"]:
            raise self.wrong_key()

    async def _chat(self, received: Received, reply: Reply) -> None:
        await self._handler_of(self.check_chat(_json(received)), self._scripts)(received, reply)

    async def _images(self, received: Received, reply: Reply) -> None:
        await self._handler_of(self.check_images(_json(received)), self._painters)(received, reply)

    def _handler_of(self, body: JSONObject, handlers: Mapping[str, Handler]) -> Handler:
        handler = handlers.get(body["model"])
        if handler is None:
            raise self.unknown_model(body["model"])
        return handler


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
