"""What holds keys: answers that bring one, and commands that people paste into a shell."""

import asyncio
import json
import math
import re
from collections.abc import Mapping
from typing import Final

import orjson
from mitmproxy.exceptions import CommandError

from fuzz.oracles import check_error
from fuzz.target import Choices, Shape, Target
from fuzz.targets.door import TOKEN, WORDS, flow_of
from llm_gateway.adapters.contract import Whole
from llm_gateway.config import OAuth
from llm_gateway.errors import UpstreamError
from llm_gateway.inspect.commands.curl import curl_command
from llm_gateway.inspect.commands.har import archive
from llm_gateway.inspect.commands.placeholders import Placeholders
from llm_gateway.oauth import AccessToken
from llm_gateway.secret import Secret
from support.fakes import make_config
from support.our_flows import answered

KEY: Final = "0f1e2d3c-client-id:9e8d7c6b-client-secret"
STATUSES = (200, 200, 201, 302, 400, 401, 403, 429, 500)
NAMES = Placeholders(make_config(), [Secret(TOKEN)])
_VISIBLE = re.compile(r"[!-~]+")
_IN_QUOTES = re.compile(r"\\'|'[^']*'")
_VARIABLE = re.compile(r'"[A-Za-z-]+: (?:[A-Za-z]+ +)?\$[A-Z_]+"')
_PLAIN = re.compile(r"(?:[A-Za-z0-9@%+=:,./_ -]|\\\n)*")
_FROM_STDIN = re.compile(r" \|(?: base64 -d \|)? curl ")


def fetch(data: bytes) -> None:
    """A token is one that can be sent, or it is said that none came, and never with what key."""
    choices = Choices(data)
    answer = Whole(choices.one_of(STATUSES), {}, choices.rest)

    async def post(_url: str, _headers: Mapping[str, str], _body: bytes) -> Whole:
        return answer

    oauth = OAuth("https://auth.invalid/oauth", "SCOPE")
    tokens = AccessToken(oauth, Secret(KEY), post, lambda: 1763700000.0, lambda: "id")
    try:
        token = asyncio.run(tokens.get())
    except UpstreamError as error:
        check_error(error)
        assert error.status != 401
        assert not any(part in error.message for part in KEY.split(":"))
        assert error.retry_after is None or math.isfinite(error.retry_after)
        return
    assert _VISIBLE.fullmatch(token.reveal())


def export(data: bytes) -> None:
    """A HAR has no token, and nothing that a client sent is more to a shell than a word."""
    head, _, body = data.partition(b"\r\n\r\n")
    flow = flow_of(head + b"\r\n\r\n")
    if flow is None:
        return
    flow.request.raw_content = body
    flow.response = answered(body, "application/json")
    flow.metadata["ai.exchange"] = "req_1"
    archived = json.dumps(archive([flow], NAMES))
    assert TOKEN not in archived
    try:
        command = curl_command(flow, NAMES, [("127.0.0.1", 8080)], ("ai.localhost",))
    except CommandError:
        return
    bare = _FROM_STDIN.sub("", _VARIABLE.sub("", _IN_QUOTES.sub("", command)), count=1)
    assert _PLAIN.fullmatch(bare), bare
    assert TOKEN not in command


def _answers() -> list[bytes]:
    told = ({"access_token": "abc", "expires_at": 1763701800000}, {"message": f"{KEY} is wrong"})
    return [bytes([number * 5]) + orjson.dumps(each) for number, each in enumerate(told)]


TARGETS = (
    Target("oauth", fetch, 1, Shape.JSON, _answers, ("access_token", "expires_at", KEY[:16])),
    Target(
        "exports", export, words=(*WORDS, "'", "`id`", "$(id)", '"', "\\", "X-Api-Key: ", "cookie")
    ),
)
