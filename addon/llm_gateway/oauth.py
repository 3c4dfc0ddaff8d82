"""Access tokens: what a provider gives for the configured key, and takes for half an hour.

GigaChat's way (https://developers.sber.ru/docs/ru/gigachat/api/reference/rest/post-token): the
client credentials grant of RFC 6749 §4.4 with an id in each request, and an expiry that is a point
in time.
"""

import asyncio
import base64
import contextlib
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import orjson

from llm_gateway.adapters.contract import Whole
from llm_gateway.adapters.failures import classify, error_object, error_text
from llm_gateway.config import OAuth
from llm_gateway.errors import UpstreamAuthError, UpstreamError, UpstreamInvalidResponse
from llm_gateway.secret import Secret
from llm_gateway.tasks import spawn
from llm_gateway.wire import JSON, STANDARD_HEADERS

REFRESH_SECONDS = 60.0
"""How long before its end a token is no longer used."""

ASSUMED_SECONDS = 30 * 60.0
"""How long a token lives that does not say it."""

FORM = "application/x-www-form-urlencoded"
MIN_SECRET = 8
"""Shorter parts of a key are found in innocent words."""

_MILLISECONDS = 1e11
"""From here on a point in time is in milliseconds: in seconds it would be after the year 5000."""

_VISIBLE = re.compile(r"[\x21-\x7e]+")
"""What may stand in a header as it is."""

type Post = Callable[[str, Mapping[str, str], bytes], Awaitable[Whole]]
"""Posts a body to a URL with these headers."""


class AccessToken:
    """The token that belongs to one key: fetched when it is needed, and kept while it is good.

    ``key`` is the authorization key (base64) or ``client_id:client_secret``. ``clock`` gives the
    seconds since the epoch, ``new_id`` a UUID for each request. Belongs to one event loop.
    """

    def __init__(
        self,
        oauth: OAuth,
        key: Secret,
        post: Post,
        clock: Callable[[], float],
        new_id: Callable[[], str],
    ) -> None:
        self._oauth = oauth
        self._key = key
        self._post = post
        self._clock = clock
        self._new_id = new_id
        self._token: Secret | None = None
        self._good_until = 0.0
        self._fetching: asyncio.Future[Secret] | None = None

    async def get(self) -> Secret:
        """The current token, or else a new one.

        Who asks while a token is being fetched waits for that one, and a caller that is cancelled
        leaves the fetch to the others. Raises UpstreamError, each caller that waited the same one;
        the next caller tries again.
        """
        if self._token is not None and self._clock() < self._good_until:
            return self._token
        if self._fetching is None:
            self._fetching = fetching = asyncio.get_running_loop().create_future()
            fetching.add_done_callback(_seen)
            spawn(self._fetch(fetching), "fetch an access token")
        else:
            fetching = self._fetching
        return await asyncio.shield(fetching)

    def drop(self, token: Secret) -> None:
        """Forget ``token``, which the provider no longer takes, unless there is a newer one."""
        if self._token == token:
            self._token = None

    async def _fetch(self, fetching: asyncio.Future[Secret]) -> None:
        try:
            token, good_until = await self._ask()
        except asyncio.CancelledError:
            fetching.cancel()
            raise
        except Exception as error:
            fetching.set_exception(error)
        else:
            self._token, self._good_until = token, good_until
            fetching.set_result(token)
        finally:
            self._fetching = None

    async def _ask(self) -> tuple[Secret, float]:
        """A new token, and until when it is good. Raises UpstreamError."""
        headers = {
            **dict(STANDARD_HEADERS),
            "content-type": FORM,
            "accept": JSON,
            "authorization": f"Basic {_basic(self._key.reveal())}",
            "rquid": self._new_id(),
        }
        body = urlencode({"scope": self._oauth.scope}).encode()
        answer = await self._post(self._oauth.url, headers, body)
        if answer.status != HTTPStatus.OK:
            raise self._failure(answer)
        reply = _object(answer.body)
        now = self._clock()
        return _token(reply.get("access_token")), _end(reply.get("expires_at"), now)

    def _failure(self, answer: Whole) -> UpstreamError:
        status, sentence = answer.status, self._sentence(answer.body)
        if status == HTTPStatus.TOO_MANY_REQUESTS or not _is_client_error(status):
            return classify(status, answer.headers, {"message": sentence})
        return UpstreamAuthError(
            f"The provider gave no access token for the gateway's key (status {status})"
            f"{': ' + sentence if sentence else '.'}",
            detail=f"authorization server answered {status}",
        )

    def _sentence(self, answer: bytes) -> str:
        """The authorization server's sentence without anything in it that is secret."""
        message = error_object(answer).get("message")
        if not isinstance(message, str):
            return ""
        if self._token is not None:
            message = message.replace(self._token.reveal(), self._token.masked)
        for secret in _secrets(self._key.reveal()):
            message = message.replace(secret, self._key.masked)
        return error_text({"message": message})


def _seen(fetching: asyncio.Future[Secret]) -> None:
    """Where every caller has gone, nobody is left to take the failure: that is no bug."""
    if not fetching.cancelled():
        fetching.exception()


def _basic(key: str) -> str:
    return base64.b64encode(key.encode()).decode() if ":" in key else key


def _secrets(key: str) -> list[str]:
    """The key and its parts in every form in which they may be repeated, the longest first."""
    forms = {key, _basic(key)}
    with contextlib.suppress(ValueError):
        forms.add(base64.b64decode(_basic(key), validate=True).decode())
    forms |= {part for form in forms for part in form.split(":")}
    return sorted((form for form in forms if len(form) >= MIN_SECRET), key=len, reverse=True)


def _is_client_error(status: int) -> bool:
    return HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR


def _object(answer: bytes) -> dict[str, Any]:
    try:
        reply = orjson.loads(answer)
    except orjson.JSONDecodeError:
        reply = None
    if not isinstance(reply, dict):
        raise _invalid("no JSON object")
    return reply


def _token(value: object) -> Secret:
    if not isinstance(value, str) or not _VISIBLE.fullmatch(value):
        raise _invalid("no access token")
    return Secret(value)


def _invalid(what: str) -> UpstreamInvalidResponse:
    return UpstreamInvalidResponse(f"The provider's authorization server answered with {what}.")


def _end(expires_at: object, now: float) -> float:
    """Until when the token is good, in seconds since the epoch."""
    end = now + ASSUMED_SECONDS
    if isinstance(expires_at, int | float) and not isinstance(expires_at, bool):
        seconds = expires_at / 1000 if expires_at >= _MILLISECONDS else expires_at
        # What is over already, or never ends, says more of a clock than of the token.
        if now < seconds < math.inf:
            end = float(seconds)
    return end - REFRESH_SECONDS
