"""A strict fake of Anthropic's Messages API on loopback.

It refuses what Anthropic refuses, with its error bodies, and can be scripted for each model name.
By itself it answers as support.anthropic_answers has it.
"""

import ssl
from collections.abc import Iterable
from typing import override
from urllib.parse import parse_qs, urlsplit

from support.anthropic_answers import check_signatures, respond
from support.anthropic_rules import NEWEST_VERSION, VERSION, Refused, check_messages_request
from support.http1 import values
from support.openai_shapes import JSONObject
from support.recording_server import Handler, Received, RecordingServer, Reply

REQUEST_ID = ("request-id", "req_fake")
MAX_PAGE = 1000
DEFAULT_PAGE = 20


class FakeAnthropic(RecordingServer):
    """`async with FakeAnthropic(key="sk-ant-test") as provider:` serves at `provider.base_url`."""

    def __init__(
        self,
        key: str = "sk-ant-test",
        *,
        models: Iterable[str] = ("claude-haiku-4-5",),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(respond, tls=tls)
        self._key = key
        self._scripts: dict[str, Handler] = dict.fromkeys(models, respond)
        self._routes: dict[str, tuple[str, Handler]] = {
            "/v1/messages": ("POST", self._messages),
            "/v1/models": ("GET", self._models),
        }

    @property
    def base_url(self) -> str:
        """What the gateway takes as its base URL; Anthropic's SDK takes `url`."""
        return f"{self.url}/v1"

    def script(self, model: str, handler: Handler) -> None:
        """Let `handler` answer valid requests for `model`, which is made known thereby."""
        self._scripts[model] = handler

    @override
    async def answer(self, received: Received, reply: Reply) -> None:
        try:
            await self._route(received)(received, reply)
        except Refused as refusal:
            await reply.json(refusal.status, refusal.body, [REQUEST_ID])

    def _route(self, received: Received) -> Handler:
        method, handler = self._routes.get(received.path, ("", respond))
        if not method:
            raise Refused("Not found", "not_found_error", 404)
        if received.method != method:
            raise Refused("Method Not Allowed", "invalid_request_error", 405)
        self._check_key(received)
        _check_version(received)
        return handler

    def _check_key(self, received: Received) -> None:
        keys = values(received.headers, "x-api-key")
        tokens = values(received.headers, "authorization")
        if not keys and not tokens:
            raise Refused("x-api-key header is required", "authentication_error", 401)
        if keys not in ([], [self._key]) or (not keys and tokens != [f"Bearer {self._key}"]):
            raise Refused("invalid x-api-key", "authentication_error", 401)

    async def _messages(self, received: Received, reply: Reply) -> None:
        version = received.header("anthropic-version") or ""
        body = check_messages_request(_json(received), version)
        check_signatures(body)
        handler = self._scripts.get(body["model"])
        if handler is None:
            raise Refused(f"model: {body['model']}", "not_found_error", 404)
        await handler(received, reply)

    async def _models(self, received: Received, reply: Reply) -> None:
        asked = parse_qs(urlsplit(received.target).query)
        limit = int(asked.get("limit", [str(DEFAULT_PAGE)])[0])
        if not 1 <= limit <= MAX_PAGE:
            raise Refused(f"limit: Input should be from 1 to {MAX_PAGE}")
        names = list(self._scripts)
        if "after_id" in asked:
            names = names[names.index(asked["after_id"][0]) + 1 :]
        page = [_card(name) for name in names[:limit]]
        ends = {
            "first_id": page[0]["id"] if page else None,
            "last_id": page[-1]["id"] if page else None,
        }
        await reply.json(200, {"data": page, "has_more": len(names) > limit, **ends}, [REQUEST_ID])


def _card(name: str) -> JSONObject:
    return {
        "type": "model",
        "id": name,
        "display_name": name.title(),
        "created_at": "2026-02-19T00:00:00Z",
        "lifecycle": "active",
    }


def _check_version(received: Received) -> None:
    version = received.header("anthropic-version")
    if version is None:
        raise Refused("anthropic-version: header is required")
    if version not in {VERSION, NEWEST_VERSION}:
        raise Refused(f'anthropic-version: "{version}" is not a valid version')


def _json(received: Received) -> object:
    content_type = (received.header("content-type") or "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise Refused("Content-Type must be application/json", "invalid_request_error", 415)
    try:
        content: object = received.json
    except ValueError:
        raise Refused("The request body is not valid JSON") from None
    return content
