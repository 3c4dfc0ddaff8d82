"""The way to a provider, by its kind."""

import pytest

from llm_gateway.config import ConfigError
from llm_gateway.echo import EchoWire
from llm_gateway.http_wire import HttpWire
from llm_gateway.wires import wire_to
from support.fakes import make_provider
from support.wires import clear_proxies


async def test_the_way_to_a_provider_follows_its_kind() -> None:
    echo = wire_to(make_provider("echo", kind="echo", key=None), "")
    assert isinstance(echo, EchoWire)
    wire = wire_to(make_provider(base_url="http://127.0.0.1:9/v1"), "")
    assert isinstance(wire, HttpWire)
    await wire.close()


async def test_a_proxy_that_is_none_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clear_proxies(monkeypatch)
    monkeypatch.setenv("https_proxy", "user:canary@127.0.0.1:notaport")
    with pytest.raises(ConfigError, match="HTTPS_PROXY") as refused:
        wire_to(make_provider(base_url="https://p.invalid/v1"), "")
    assert "canary" not in str(refused.value)
