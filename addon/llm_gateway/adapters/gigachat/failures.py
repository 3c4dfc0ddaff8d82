"""What GigaChat's errors mean: ``{"status": 429, "message": "Too many requests"}``.

Source: https://developers.sber.ru/docs/ru/gigachat/api/errors-description.
"""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from llm_gateway.adapters.contract import Whole
from llm_gateway.adapters.failures import as_error_object, classify, error_object
from llm_gateway.adapters.translating import parse_object
from llm_gateway.errors import Retry, UpstreamError

_ERROR = {"status", "message", "code"}
"""Keys that an error has, and no reply or event of a success."""


def failure_of(status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
    """The failure that a reply with this status, which is no success, stands for.

    A 401 says that the access token is no longer taken: the next attempt is made with a new one.
    """
    retry = Retry.HERE if status == HTTPStatus.UNAUTHORIZED else None
    return classify(status, headers, error_object(body), retry=retry)


def refuse_error(reply: Mapping[str, Any]) -> None:
    """Raises UpstreamError if a success, or an event of a stream, is an error all the same."""
    if reply.get("choices"):
        return
    wrapped = as_error_object(reply.get("error"))
    if wrapped or _ERROR & reply.keys():
        raise classify(HTTPStatus.OK, {}, wrapped or reply)


def successful(answer: Whole) -> bytes:
    """The body of a success. Raises UpstreamError if it is none."""
    if answer.status != HTTPStatus.OK:
        raise failure_of(answer.status, answer.headers, answer.body)
    return answer.body


def successful_object(answer: Whole, what: str) -> dict[str, Any]:
    """The JSON object of a success; ``what`` begins the sentence that says it is none."""
    reply = parse_object(successful(answer), what)
    refuse_error(reply)
    return reply
