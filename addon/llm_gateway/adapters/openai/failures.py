"""What error replies mean where a provider says it in a way of its own.

Each function takes a status, headers and the error object, as
:func:`llm_gateway.adapters.failures.classify` does, which reads the rest.
"""

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from llm_gateway.adapters import failures
from llm_gateway.adapters.translating import object_in, objects, text_in
from llm_gateway.errors import Retry, UpstreamError


def classify(status: int, headers: Mapping[str, str], error: Mapping[str, Any]) -> UpstreamError:
    """The common reading, also of what FastAPI's validation says: places and complaints."""
    for holder in (error, object_in(error, "message")):
        if complaints := "; ".join(_complaints(holder)):
            return failures.classify(status, headers, {**error, "message": complaints})
    return failures.classify(status, headers, error)


def _complaints(holder: Mapping[str, Any]) -> Iterator[str]:
    for each in objects(holder.get("detail")):
        place = each.get("loc")
        where = ".".join(map(str, place)) if isinstance(place, list) else ""
        if what := text_in(each, "msg"):
            yield f"{where}: {what}" if where else what


_GROQ_AGAIN = {"json_validate_failed", "tool_use_failed"}
"""The model wrote something that does not parse; the next sample of it may well."""


def classify_groq(
    status: int, headers: Mapping[str, str], error: Mapping[str, Any]
) -> UpstreamError:
    """Groq's: a 400 that another try may mend, and one that another model may."""
    failure = classify(status, headers, error)
    if text_in(error, "code") in _GROQ_AGAIN:
        failure.retry = Retry.HERE
    elif failure.status == HTTPStatus.BAD_REQUEST and "with this model" in failure.message:
        failure.retry = Retry.ELSEWHERE
    return failure
