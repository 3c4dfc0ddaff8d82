"""A strict fake of GigaChat on loopback: its API, its files, and its authorization server.

It refuses what GigaChat refuses, calls the functions it is offered, says what it saw of pictures,
and draws when it is told to. It can be scripted for each model name.
"""

import base64
import json
import re
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import override
from urllib.parse import parse_qs

from support.gigachat_answers import Answer, answer_to, asks_for_a_picture, events, reply_body
from support.gigachat_rules import FILE_TYPES, Refused, check_chat_request
from support.http1 import values
from support.openai_shapes import CREATED, JSONObject
from support.pictures import JPEG
from support.recording_server import Handler, Received, RecordingServer, Reply

CLIENT_ID = "b5f9d3c2-1f40-4f4a-9a56-0a1d7a3f2f11"
CLIENT_SECRET = "2f6c1f0e-7a1b-4c8d-8f0a-3c9d5b7e9a22"
SCOPE = "GIGACHAT_API_PERS"
MAX_FILE = 15 * 1024 * 1024
FORM = "application/x-www-form-urlencoded"
FILE_CONTENT = re.compile(r"/api/v1/files/([A-Za-z0-9-]+)/content")
FIELD = re.compile(rb'\bname="([^"]*)"(?:; filename="([^"]*)")?')
MEDIA_TYPE = re.compile(rb"content-type: ([^\r\n]+)", re.IGNORECASE)


@dataclass(frozen=True)
class File:
    """A file that was uploaded, or drawn; `client` is the X-Client-ID it belongs to."""

    content: bytes
    media_type: str
    client: str | None


class FakeGigaChat(RecordingServer):
    """`async with FakeGigaChat() as provider:` serves at `provider.base_url`.

    Tokens live for `lifetime` seconds of `clock`.
    """

    def __init__(
        self,
        *,
        models: Iterable[str] = ("GigaChat-2", "GigaChat-2-Max"),
        lifetime: float = 1800,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(self._talk)
        self._scripts: dict[str, Handler] = dict.fromkeys(models, self._talk)
        self._lifetime = lifetime
        self._clock = clock
        self._ends: dict[str, float] = {}
        self._request_ids: set[str] = set()
        self.files: dict[str, File] = {}
        self.token_requests = 0
        """How often the authorization server was asked, whatever it answered."""

    @property
    def base_url(self) -> str:
        """Where the API is."""
        return f"{self.url}/api/v1"

    @property
    def auth_url(self) -> str:
        """Where the authorization server is."""
        return f"{self.url}/api/v2/oauth"

    @property
    def key(self) -> str:
        """The authorization key."""
        return base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()

    @property
    def tokens(self) -> list[str]:
        """Every access token that was given, the newest last."""
        return [*self._ends]

    def expire_tokens(self) -> None:
        """Every token given so far is answered with 401 from here on."""
        self._ends = dict.fromkeys(self._ends, 0.0)

    def script(self, model: str, handler: Handler) -> None:
        """Let `handler` answer valid chat requests for `model`, which is made known thereby."""
        self._scripts[model] = handler

    @override
    async def answer(self, received: Received, reply: Reply) -> None:
        if received.path == "/api/v2/oauth":
            await self._oauth(received, reply)
            return
        try:
            await self._route(received)(received, reply)
        except Refused as refusal:
            await reply.json(refusal.status, refusal.body)

    def _route(self, received: Received) -> Handler:
        self._check_access(received)
        match received.method, received.path:
            case "POST", "/api/v1/chat/completions":
                return self._chat
            case "POST", "/api/v1/files":
                return self._upload
            case "GET", "/api/v1/models":
                return self._models
            case "GET", path if FILE_CONTENT.fullmatch(path):
                return self._content
            case _:
                raise Refused(404, "Not Found")

    def _check_access(self, received: Received) -> None:
        if not received.header("user-agent"):
            raise Refused(403, "Forbidden")
        given = values(received.headers, "authorization")
        scheme, _, token = (given[0] if len(given) == 1 else "").partition(" ")
        if scheme != "Bearer" or token not in self._ends:
            raise Refused(401, "Unauthorized")
        if self._ends[token] <= self._clock():
            raise Refused(401, "Token has expired")

    async def _oauth(self, received: Received, reply: Reply) -> None:
        self.token_requests += 1
        refusal = self._refusal_of_a_token(received)
        if refusal is not None:
            status, code, text = refusal
            await reply.json(status, {"code": code, "message": text})
            return
        token = f"eyJjdHkiOiJqd3QifQ.fake-token-{len(self._ends) + 1}"
        self._ends[token] = self._clock() + self._lifetime
        end = int(self._ends[token] * 1000)
        await reply.json(200, {"access_token": token, "expires_at": end})

    def _refusal_of_a_token(self, received: Received) -> tuple[int, int, str] | None:
        """The status, the code and the sentence of a refusal."""
        scope = parse_qs(received.body.decode("latin-1")).get("scope")
        scheme, _, key = (received.header("authorization") or "").partition(" ")
        is_form = received.method == "POST" and _media_type(received) == FORM
        refusals = (
            (is_form, (400, 1, "Invalid request format")),
            (self._is_new_request_id(received.header("rquid")), (400, 1, "Invalid RqUID format")),
            (
                scheme == "Basic" and _is_base64(key),
                (400, 4, "Can't decode 'Authorization' header"),
            ),
            (key == self.key, (401, 6, "credentials doesn't match db data")),
            (bool(scope), (400, 5, "scope is empty")),
            (scope == [SCOPE], (400, 7, "scope from db not fully includes consumed scope")),
        )
        return next((refusal for fine, refusal in refusals if not fine), None)

    def _is_new_request_id(self, text: str | None) -> bool:
        try:
            id = uuid.UUID(text or "")
        except ValueError:
            return False
        fresh = id.version == 4 and str(id) == text and text not in self._request_ids
        self._request_ids.add(str(id))
        return fresh

    async def _models(self, _received: Received, reply: Reply) -> None:
        kinds = {**dict.fromkeys(self._scripts, "chat"), "Embeddings": "embedder"}
        cards = [
            {"id": name, "object": "model", "owned_by": "salutedevices", "type": kind}
            for name, kind in kinds.items()
        ]
        await reply.json(200, {"object": "list", "data": cards})

    async def _upload(self, received: Received, reply: Reply) -> None:
        parts = _form(received)
        name, media_type, content = parts.get("file", ("", "", b""))
        if not name or not content or parts.get("purpose", ("", "", b""))[2] != b"general":
            raise Refused(400, "Invalid params: a file and the purpose 'general' are required")
        if media_type not in FILE_TYPES:
            raise Refused(400, f"Invalid params: files of type {media_type} are not supported")
        if len(content) > MAX_FILE:
            raise Refused(413, "Request Entity Too Large")
        card = {
            "id": self._keep(File(content, media_type, received.header("x-client-id"))),
            "object": "file",
            "bytes": len(content),
            "created_at": CREATED,
            "filename": name,
            "purpose": "general",
            "access_policy": "private",
        }
        await reply.json(200, card)

    async def _content(self, received: Received, reply: Reply) -> None:
        found = FILE_CONTENT.fullmatch(received.path)
        file = self._file(found[1] if found else "", received)
        if received.header("accept") != "application/jpg":
            raise Refused(406, "Not Acceptable")
        await reply.whole(200, file.content, "application/jpg")

    async def _chat(self, received: Received, reply: Reply) -> None:
        if _media_type(received) != "application/json":
            raise Refused(415, "Unsupported Media Type")
        try:
            content = received.json
        except ValueError:
            raise Refused(400, "Your request contains invalid JSON syntax.") from None
        body = check_chat_request(content)
        for message in body["messages"]:
            for id in message.get("attachments", ()):
                self._file(id, received)
        handler = self._scripts.get(body["model"])
        if handler is None:
            raise Refused(404, "No such model")
        await handler(received, reply)

    async def _talk(self, received: Received, reply: Reply) -> None:
        body: JSONObject = received.json
        answer = self._answer(body, received)
        headers = [("x-request-id", str(uuid.uuid4())), ("x-session-id", str(uuid.uuid4()))]
        if not body.get("stream"):
            text = json.dumps(reply_body(body, answer), ensure_ascii=False)
            await reply.whole(200, text.encode(), "application/json; charset=utf-8", headers)
            return
        await reply.head(200, [("content-type", "text/event-stream"), *headers])
        for event in events(body, answer):
            await reply.event(event)
        await reply.event("[DONE]")

    def _answer(self, body: JSONObject, received: Received) -> Answer:
        if asks_for_a_picture(body):
            id = self._keep(File(JPEG, "image/jpeg", received.header("x-client-id")))
            return Answer(f'<img src="{id}" fuse="true"/> Готово!', drawn=True)
        return answer_to(body, lambda id: _sight(self.files[id]))

    def _keep(self, file: File) -> str:
        id = str(uuid.UUID(int=len(self.files) + 1, version=4))
        self.files[id] = file
        return id

    def _file(self, id: str, received: Received) -> File:
        """The client's file of this id."""
        file = self.files.get(id)
        if file is None or file.client != received.header("x-client-id"):
            raise Refused(404, "No such file")
        return file


def _sight(file: File) -> str:
    return f"{file.media_type} of {len(file.content)} bytes"


def _media_type(received: Received) -> str:
    return (received.header("content-type") or "").partition(";")[0].strip().lower()


def _is_base64(text: str) -> bool:
    try:
        return bool(base64.b64decode(text, validate=True))
    except ValueError:
        return False


def _form(received: Received) -> dict[str, tuple[str, str, bytes]]:
    """The parts of a form: file name, media type and content by their names (RFC 7578)."""
    kind, _, boundary = (received.header("content-type") or "").partition("; boundary=")
    if kind != "multipart/form-data" or not boundary:
        raise Refused(400, "Invalid params: multipart/form-data is required")
    head, *sections = (b"\r\n" + received.body).split(b"\r\n--" + boundary.encode())
    if head or sections[-1:] != [b"--\r\n"]:
        raise Refused(400, "Invalid params: the form is broken")
    parts: dict[str, tuple[str, str, bytes]] = {}
    for section in sections[:-1]:
        fields, _, content = section.partition(b"\r\n\r\n")
        name, media_type = FIELD.search(fields), MEDIA_TYPE.search(fields)
        if name is None:
            raise Refused(400, "Invalid params: a part has no name")
        kind = media_type[1].decode() if media_type else ""
        parts[name[1].decode()] = ((name[2] or b"").decode(), kind, content)
    return parts
