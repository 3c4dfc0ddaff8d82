"""A strict fake of Google's Gemini API on loopback.

It refuses what Gemini refuses (support.gemini_rules), with Google's own error bodies, and answers
as Gemini does: it repeats the last words of the user, calls the functions it is offered (two at
once when asked for "two"), says what the functions gave, fills in a schema, tells what picture it
was shown, draws, thinks, and signs its tool calls and wants the signatures back.
"""

import re
import ssl
from collections.abc import Iterable
from typing import override
from urllib.parse import parse_qs

from support.gemini_answers import answers, reply_of, stream_of
from support.gemini_rules import Refused, check_generate_request, check_reply, error_body
from support.http1 import values
from support.openai_shapes import JSONObject
from support.recording_server import Handler, Received, RecordingServer, Reply

MODELS = (
    "gemini-3-pro",
    "gemini-3-flash",
    "gemini-2.5-flash",
    "gemini-2.5-pro",
    "gemini-3-pro-image",
    "gemini-2.5-flash-image",
)
OTHERS = {
    "text-embedding-004": ["embedContent"],
    "gemini-2.5-flash-preview-tts": ["generateContent"],
}
"""Models of no use for a chat: what they can be asked for."""

_METHOD = re.compile(r"/v1beta/models/([^/:]+):(generateContent|streamGenerateContent)")


class FakeGemini(RecordingServer):
    """`async with FakeGemini(key="AIza-test") as provider:` serves at `provider.base_url`.

    A page of the list of models holds at most `page` of them.
    """

    def __init__(
        self,
        key: str = "AIza-test",
        *,
        models: Iterable[str] = MODELS,
        page: int = 1000,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(self._generate, tls=tls)
        self._key = key
        self._models = tuple(models)
        self._page = page
        self._scripts: dict[str, Handler] = {}
        self._signatures: set[str] = set()

    @property
    def base_url(self) -> str:
        """What the gateway takes as the base URL."""
        return f"{self.url}/v1beta"

    def script(self, model: str, handler: Handler) -> None:
        """Let `handler` answer valid requests for `model`, which is made known thereby."""
        self._scripts[model] = handler

    @override
    async def answer(self, received: Received, reply: Reply) -> None:
        try:
            self._check_key(received)
            if (received.method, received.path) == ("GET", "/v1beta/models"):
                await self._list(received, reply)
                return
            await self._generate(received, reply)
        except Refused as refusal:
            await reply.json(refusal.status, refusal.body)

    def _check_key(self, received: Received) -> None:
        given = values(received.headers, "x-goog-api-key") or _query(received).get("key", [])
        if not given:
            text = (
                "Method doesn't allow unregistered callers (callers without established identity)."
            )
            raise Refused(text, 403)
        if given != [self._key]:
            text = "API key not valid. Please pass a valid API key."
            raise Refused(text, reason="API_KEY_INVALID")

    async def _list(self, received: Received, reply: Reply) -> None:
        query = _query(received)
        size = min(self._page, int(query.get("pageSize", ["50"])[0]))
        start = int(query.get("pageToken", ["0"])[0])
        known = {name: ["generateContent", "countTokens"] for name in self._models} | OTHERS
        listed = [_model(name, methods) for name, methods in known.items()]
        page: JSONObject = {"models": listed[start : start + size]}
        if start + size < len(listed):
            page["nextPageToken"] = str(start + size)
        await reply.json(200, page)

    async def _generate(self, received: Received, reply: Reply) -> None:
        called = _METHOD.fullmatch(received.path)
        if called is None or received.method != "POST":
            await reply.json(404, error_body("Requested entity was not found.", 404, "NOT_FOUND"))
            return
        model, method = called.groups()
        if model not in {*self._models, *self._scripts}:
            raise Refused(
                f"models/{model} is not found for API version v1beta, or is not supported for "
                f"{method}. Call ListModels to see the list of available models and their "
                "supported methods.",
                404,
            )
        body = check_generate_request(
            _json(received), model, knows_signature=self._signatures.__contains__
        )
        if model in self._scripts:
            await self._scripts[model](received, reply)
        elif method == "generateContent":
            await reply.json(200, self._remembered(reply_of(model, body, answers(model, body))))
        else:
            await self._stream(model, body, received, reply)

    async def _stream(self, model: str, body: JSONObject, received: Received, reply: Reply) -> None:
        events = [self._remembered(e) for e in stream_of(model, body, answers(model, body))]
        if _query(received).get("alt") != ["sse"]:
            await reply.json(200, events)
            return
        await reply.head(200, [("content-type", "text/event-stream")])
        for event in events:
            await reply.event(event, end="\r\n")

    def _remembered(self, content: JSONObject) -> JSONObject:
        for candidate in content["candidates"]:
            for part in candidate["content"]["parts"]:
                if "thoughtSignature" in part:
                    self._signatures.add(part["thoughtSignature"])
        return check_reply(content)


def _query(received: Received) -> dict[str, list[str]]:
    return parse_qs(received.target.partition("?")[2])


def _json(received: Received) -> object:
    content_type = (received.header("content-type") or "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise Refused(
            'Invalid JSON payload received. Unknown name "": Cannot bind query parameter.'
        )
    try:
        content: object = received.json
    except ValueError:
        raise Refused("Invalid JSON payload received. Unexpected token.") from None
    return content


def _model(name: str, methods: list[str]) -> JSONObject:
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name,
        "inputTokenLimit": 1048576,
        "outputTokenLimit": 65536,
        "supportedGenerationMethods": methods,
    }
