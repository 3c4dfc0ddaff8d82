"""Client flows that show something else than what is sent: see :mod:`llm_gateway.masks`.

A client's request is masked in its flow as soon as its body is there, before anybody can stop it
or look at it. What the client wrote is kept until it is served, and is what the provider is asked;
only if somebody has edited the flow meanwhile, the texts are put back into what it holds then.
"""

import weakref

from mitmproxy import http

from llm_gateway.masks import Covered, Masks

_REPLAYED = "request"


class Veil:
    """Covers requests, and lifts the cover when they are served."""

    def __init__(self, masks: Masks) -> None:
        self._masks = masks
        self._covered: weakref.WeakKeyDictionary[http.HTTPFlow, Covered] = (
            weakref.WeakKeyDictionary()
        )

    def cover_path(self, flow: http.HTTPFlow) -> None:
        """Mask tokens and keys in the request's address, which the log tells as well."""
        path = flow.request.path
        shown = self._masks.hide_secrets(path)
        if shown is not path:
            flow.request.path = shown

    def cover_fields(self, flow: http.HTTPFlow) -> None:
        """Mask tokens and keys in the request's header fields, where nobody looks for any."""
        fields = flow.request.headers.fields
        known = b"\n".join([value for _, value in fields]).decode("utf-8", "surrogateescape")
        if self._masks.hide_secrets(known) is not known:
            flow.request.headers.fields = tuple((name, self._hidden(each)) for name, each in fields)

    def _hidden(self, value: bytes) -> bytes:
        text = value.decode("utf-8", "surrogateescape")
        return self._masks.hide_secrets(text).encode("utf-8", "surrogateescape")

    def cover(self, flow: http.HTTPFlow) -> None:
        """Mask the request's body, which has just come."""
        replayed = flow.is_replay == _REPLAYED
        content = flow.request.raw_content
        if content is None:
            return
        covered = self._masks.cover(self._masks.show(content) if replayed else content)
        self._covered[flow] = covered
        if covered.shown != content:
            flow.request.data.content = covered.shown
            if "content-length" in flow.request.headers:
                flow.request.headers["content-length"] = str(len(covered.shown))

    def lift(self, flow: http.HTTPFlow) -> bytes:
        """The request's body as it is to be served."""
        content = flow.request.raw_content or b""
        covered = self._covered.pop(flow, None)
        return content if covered is None else covered.now(content)

    def cover_answer(self, flow: http.HTTPFlow) -> None:
        """Mask an answer that goes to nobody any more."""
        if flow.response is not None and flow.response.data.content:
            flow.response.data.content = self._masks.hide(flow.response.data.content)
