"""The addon's hooks fail closed, and its options are obeyed or refused."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import exceptions, http
from mitmproxy.proxy.layers import http as layers
from mitmproxy.proxy.layers.http._http1 import Http1Server
from mitmproxy.proxy.server import ConnectionHandler
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test import tflow

from llm_gateway.addon import proxyserver
from llm_gateway.bridge.http1 import ClientHttp1
from support.house import House, open_house, start

TOKEN = "canary-client-token"
CONFIG = """\
gateway: {tokens: [canary-client-token]}
providers:
  local: {kind: openai, base_url: "http://127.0.0.1:9/v1"}
models:
  - {name: m, provider: local}
"""


class Broken:
    """An entrance or a bridge that fails in every hook."""

    def __getattr__(self, name: str) -> Any:
        def fail(*_: object) -> None:
            raise KeyError(f"made up in {name}")

        return fail


@pytest.fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AUTH_TOKEN", raising=False)
    async with open_house() as house:
        yield house


def break_entrance(house: House) -> None:
    house.configure()
    house.addon._entrance = Broken()  # type: ignore[assignment] # a stand-in that only fails


def check_500(flow: http.HTTPFlow, caplog: pytest.LogCaptureFixture, where: str) -> None:
    assert flow.response is not None
    assert flow.response.status_code == 500
    assert json.loads(flow.response.content or b"")["error"]["code"] == "internal_error"
    assert flow.request.stream is False
    assert f"made up in {where}" in caplog.text
    assert "made up" not in (flow.response.get_text() or "")


async def test_requestheaders_fails_closed(house: House, caplog: pytest.LogCaptureFixture) -> None:
    break_entrance(house)
    flow = tflow.tflow()
    flow.request.stream = True
    house.addon.requestheaders(flow)
    check_500(flow, caplog, "requestheaders")


async def test_request_fails_closed(house: House, caplog: pytest.LogCaptureFixture) -> None:
    break_entrance(house)
    flow = tflow.tflow()
    await house.addon.request(flow)
    check_500(flow, caplog, "request")


async def test_http_connect_fails_closed(house: House, caplog: pytest.LogCaptureFixture) -> None:
    break_entrance(house)
    flow = tflow.tflow()
    house.addon.http_connect(flow)
    check_500(flow, caplog, "http_connect")


async def test_server_connect_fails_closed(house: House, caplog: pytest.LogCaptureFixture) -> None:
    break_entrance(house)
    data = ServerConnectionHookData(tflow.tserver_conn(), tflow.tclient_conn())
    await house.addon.server_connect(data)
    assert data.server.error == "The gateway failed."
    assert "made up in server_connect" in caplog.text


async def test_the_500_of_a_failed_hook_names_the_exchange(house: House) -> None:
    break_entrance(house)
    flow = tflow.tflow()
    flow.metadata["ai.exchange"] = "req_of_the_test"
    await house.addon.request(flow)
    assert flow.response is not None
    assert flow.response.headers["x-request-id"] == "req_of_the_test"


async def test_the_500_of_a_hook_that_failed_before_the_exchange_names_the_flow(
    house: House,
) -> None:
    break_entrance(house)
    flow = tflow.tflow()
    house.addon.requestheaders(flow)
    assert flow.response is not None
    assert flow.response.headers["x-request-id"] == flow.id


async def test_a_client_that_comes_before_the_start_is_over_waits(house: House) -> None:
    house.configure()
    waiting = asyncio.ensure_future(house.addon.client_connected(tflow.tclient_conn()))
    await asyncio.sleep(0)
    assert not waiting.done()
    house.addon.running()
    await asyncio.wait_for(waiting, 5)


async def test_hooks_after_the_end_of_a_flow_or_client_raise_nothing(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.configure()
    house.addon._bridge = Broken()  # type: ignore[assignment] # a stand-in that only fails
    house.addon.error(tflow.tflow(err=True))
    house.addon.client_disconnected(tflow.tclient_conn())
    assert "made up in cancel" in caplog.text
    assert "made up in client_gone" in caplog.text


async def test_hooks_of_tunnels_raise_nothing(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.configure()
    addon, tunnel, socket = house.addon, tflow.ttcpflow(), tflow.twebsocketflow()
    with monkeypatch.context() as patch:
        patch.setattr(addon, "_connections", Broken())
        addon.tcp_start(tunnel)
        addon.tcp_end(tunnel)
        addon.tcp_error(tunnel)
        addon.websocket_start(socket)
        addon.websocket_end(socket)
    for hook in ("tcp_start", "tcp_end", "tcp_error", "websocket_start", "websocket_end"):
        assert f"The gateway failed in {hook}." in caplog.text


async def test_hooks_before_a_configuration_is_there_fail_closed(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    flow = tflow.tflow()
    flow.live = True
    house.addon.requestheaders(flow)
    assert flow.response is not None
    assert flow.response.status_code == 500
    assert "no configuration yet" in caplog.text


async def test_no_connection_is_opened_unless_other_hosts_may_pass(house: House) -> None:
    house.configure()
    data = ServerConnectionHookData(tflow.tserver_conn(), tflow.tclient_conn())
    await house.addon.server_connect(data)
    assert data.server.error


async def test_without_a_file_the_demo_is_served(house: House) -> None:
    house.configure()
    assert house.source == "built-in demo"


async def test_the_file_in_the_working_directory_is_taken(house: House, tmp_path: Path) -> None:
    (tmp_path / "provider_config.yaml").write_text(CONFIG)
    house.configure()
    assert house.source == "provider_config.yaml"


async def test_the_file_that_the_option_names_is_taken(house: House, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(CONFIG)
    house.configure()
    house.context.options.update(ai_config=str(tmp_path / "other.yaml"))
    assert house.source == str(tmp_path / "other.yaml")


async def test_a_bad_file_is_refused_and_changes_nothing(house: House, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text(CONFIG.replace("models", "model"))
    house.configure()
    with pytest.raises(exceptions.OptionsError, match=r"(?s)refused.*unknown key 'model'"):
        house.context.options.update(ai_config=str(tmp_path / "bad.yaml"))
    assert house.source == "built-in demo"
    assert house.context.options.ai_config == ""


@pytest.mark.parametrize(
    ("name", "value"),
    [("keep_host_header", False), ("connection_strategy", "eager"), ("mode", ["socks5"])],
)
async def test_an_option_that_does_not_fit_is_refused_while_it_runs(
    house: House, name: str, value: Any
) -> None:
    house.configure()
    before = getattr(house.context.options, name)
    with pytest.raises(exceptions.OptionsError):
        house.context.options.update(**{name: value})
    assert getattr(house.context.options, name) == before


async def test_it_needs_the_proxyserver_addon(house: House) -> None:
    house.context.master.addons.remove(house.context.master.addons.get("proxyserver"))
    with pytest.raises(exceptions.OptionsError, match="proxyserver"):
        proxyserver()


async def test_the_start_tells_version_configuration_address_and_models(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    said = start(house, caplog, ("127.0.0.1", 8080))
    for text in (
        "llm-gateway ",
        "configuration  built-in demo",
        "listening at   http://127.0.0.1:8080",
        "answering for  ai.localhost, localhost, 127.0.0.1, [::1]",
        "model on       echo-small (SMALL) at echo",
        "curl -N http://127.0.0.1:8080/v1/chat/completions",
    ):
        assert text in said
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


async def test_an_address_of_ipv6_is_told_in_brackets(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    said = start(house, caplog, ("::1", 8080, 0, 0))
    assert "http://[::1]:8080/v1/chat/completions" in said


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "::"])
async def test_listening_everywhere_invites_to_an_address_that_is_answered(
    house: House, caplog: pytest.LogCaptureFixture, wildcard: str
) -> None:
    """No client can connect to a wildcard by a Host that the gateway answers for."""
    said = start(house, caplog, (wildcard, 8080))
    [line] = [line for line in said.splitlines() if "curl -N" in line]
    host = line.split("//")[1].rpartition(":8080")[0]
    assert host in {"127.0.0.1", "localhost", "ai.localhost", "[::1]"}


async def test_a_token_that_is_configured_is_not_shown(
    house: House, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    (tmp_path / "provider_config.yaml").write_text(CONFIG)
    said = start(house, caplog, ("127.0.0.1", 8080))
    assert "model on       m at local" in said
    assert TOKEN not in said
    assert "curl" not in said


async def test_a_mistyped_option_is_an_error(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.context.options.update_defer(ai_typo="1")
    start(house, caplog, ("127.0.0.1", 8080))
    [error] = [r.message for r in caplog.records if r.levelno == logging.ERROR]
    assert "ai_typo" in error


async def test_a_mitmproxy_that_is_different_inside_is_told_and_answers_go_whole(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(ConnectionHandler, "drain_writers")
    said = start(house, caplog, ("127.0.0.1", 8080))
    assert "Answers will be sent whole, not streamed: " in said
    assert "ConnectionHandler has no drain_writers" in said
    assert not house.addon._bridge._enabled


async def test_where_heads_cannot_be_bounded_that_is_told_and_mitmproxy_serves_by_itself(
    house: House, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(ClientHttp1, "read_headers")
    said = start(house, caplog, ("127.0.0.1", 8080))
    assert "Clients' heads and frames are not bounded: " in said
    assert layers.Http1Server is Http1Server


async def test_in_the_end_nothing_new_is_taken_and_the_wires_are_closed(house: House) -> None:
    house.configure()
    await house.addon.done()
    assert house.addon._draining.stopping
    assert house.addon._bridge.closing
    assert not house.addon._engine._open


async def test_it_ends_well_where_it_never_began(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await house.addon.done()
    assert caplog.text == ""


async def fail(*_: object) -> None:
    raise KeyError("made up")


@pytest.mark.parametrize(
    ("part", "said"),
    [("listening", "failed to stop listening"), ("draining", "failed to stop in good order")],
)
async def test_whatever_fails_in_the_end_the_wires_are_closed(
    house: House,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    said: str,
) -> None:
    house.configure()
    if part == "listening":
        monkeypatch.setattr(house.addon._proxyserver.servers, "update", fail)
    else:
        monkeypatch.setattr(house.addon._draining, "drain", fail)
    await house.addon.done()
    assert said in caplog.text
    assert house.addon._draining.stopping
    assert not house.addon._engine._open
