"""A kind of provider whose format is nearly nothing, for tests of what stands above the formats."""

import base64
from collections.abc import Mapping
from typing import Any, override

from llm_gateway import sse
from llm_gateway.adapters.contract import (
    Adapter,
    AdapterFactory,
    ImageAdapter,
    ImageAdapterFactory,
    ModelsLister,
    Steps,
)
from llm_gateway.adapters.fields import PASSED
from llm_gateway.adapters.kinds import Kind
from llm_gateway.config import ProviderDefaults
from llm_gateway.errors import Retry, UpstreamAuthError, UpstreamError, UpstreamUnavailable
from llm_gateway.wire import UpstreamRequest


class PlainAdapter(Adapter):
    """Sends the client's body as it is, and passes whole answers and events as they come.

    A 401 may be mended by another attempt; `[DONE]` is the end of a stream.
    """

    @override
    def encode(self) -> UpstreamRequest:
        return self.call.post("/chat", dict(self.call.body))

    @override
    def decode(self, body: bytes) -> bytes:
        return body

    @override
    def decode_as_stream(self, body: bytes) -> list[bytes]:
        self.done = True
        return [body]

    @override
    def feed(self, event: sse.Event) -> list[bytes]:
        self.done = event.data == b"[DONE]"
        return [] if self.done else [event.data]

    @override
    def end(self) -> list[bytes]:
        self.done = True
        return []

    @override
    def failure(self, status: int, headers: Mapping[str, str], body: bytes) -> UpstreamError:
        if status == 401:
            return UpstreamAuthError("The token is over.", retry=Retry.HERE)
        return UpstreamUnavailable(f"It answered {status}.", status=status)


class PlainPainter(ImageAdapter):
    """One request for each picture, whose bytes the provider answers; an `x-tokens` counts them.

    A picture it answers with a URL begins with `http`. It does not know of `quality`.
    """

    @override
    def steps(self) -> Steps[dict[str, Any]]:
        call = self.call
        self.dropped = tuple(name for name in ("quality",) if name in call.body)
        body = call.prompt.encode()
        answers = yield [call.site.request("POST", "/draw", call.label, body=body)] * call.n
        for answer in answers:
            if answer.status == 401:
                raise UpstreamAuthError("The token is over.", retry=Retry.HERE)
            if answer.status != 200:
                raise UpstreamUnavailable(f"It answered {answer.status}.", status=answer.status)
        response: dict[str, Any] = {
            "created": call.created,
            "data": [_picture(answer.body) for answer in answers],
        }
        if tokens := answers[0].headers.get("x-tokens"):
            response["usage"] = {"input_tokens": 1, "output_tokens": int(tokens)}
        return response


def _picture(content: bytes) -> dict[str, Any]:
    if content.startswith(b"http"):
        return {"url": content.decode()}
    return {"b64_json": base64.b64encode(content).decode(), "revised_prompt": "a dot"}


def make_kind(
    chat: AdapterFactory = PlainAdapter,
    *,
    images: ImageAdapterFactory | None = None,
    models: ModelsLister | None = None,
) -> Kind:
    """A kind with these adapters."""
    return Kind(
        title="Scripted",
        reference="",
        keys="",
        defaults=ProviderDefaults(None),
        chat=chat,
        fields={"*": PASSED},
        models=models,
        images=images,
    )
