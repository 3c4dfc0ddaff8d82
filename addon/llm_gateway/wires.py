"""The way to each provider, by what it is."""

from llm_gateway import config
from llm_gateway.echo import EchoWire
from llm_gateway.http_wire import HttpWire
from llm_gateway.wire import Wire


def wire_to(provider: config.Provider, mark: str) -> Wire:
    """The way to one provider; requests carry ``mark``. Raises ConfigError."""
    if provider.kind == "echo":
        return EchoWire(provider)
    try:
        return HttpWire(provider, mark)
    except ValueError:
        raise config.ConfigError(
            [
                config.Problem(
                    "environment",
                    0,
                    f"providers.{provider.name}",
                    "expected HTTPS_PROXY, HTTP_PROXY or ALL_PROXY to be a proxy's URL",
                )
            ]
        ) from None
