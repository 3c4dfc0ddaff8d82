"""Somebody watches when an addon would show, keep or change an attempt; checked on all addons.

The table of mitmproxy's addons is compared with what its three tools really load, so that a new
addon in a new mitmproxy fails here until somebody has looked at what it does to flows.
"""

import types
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import pytest
from mitmproxy.addonmanager import traverse
from mitmproxy.connection import Client
from mitmproxy.master import Master
from mitmproxy.options import Options
from mitmproxy.proxy.layers.http import HttpRequestHeadersHook, HttpRequestHook
from mitmproxy.proxy.mode_specs import ProxyMode
from mitmproxy.tools.console.master import ConsoleMaster
from mitmproxy.tools.dump import DumpMaster
from mitmproxy.tools.web.master import WebMaster

from llm_gateway.inspect.as_flow import make_flow
from llm_gateway.inspect.attempts import Publisher
from llm_gateway.inspect.watchers import someone_watches
from llm_gateway.wire import Label, UpstreamRequest

FLOW_HOOKS = {"requestheaders", "request", "responseheaders", "response", "error", "update"}
TOOLS: dict[str, type[Master]] = {
    "mitmdump": DumpMaster,
    "mitmweb": WebMaster,
    "mitmproxy": ConsoleMaster,
}

ALWAYS = {"view", "consoleaddon"}
"""Show every flow."""

OPTION_OF = {
    "anticache": ("anticache", True),
    "anticomp": ("anticomp", True),
    "blocklist": ("block_list", ["/~all/444"]),
    "dumper": ("flow_detail", 1),
    "intercept": ("intercept", "~all"),
    "maplocal": ("map_local", ["|x|/"]),
    "mapremote": ("map_remote", ["|x|y"]),
    "modifybody": ("modify_body", ["/~q/x/y"]),
    "modifyheaders": ("modify_headers", ["/~q/x/y"]),
    "save": ("save_stream_file", "flows"),
    "savehar": ("hardump", "flows.har"),
    "serverplayback": ("server_replay", ["flows"]),
    "stickyauth": ("stickyauth", "~all"),
    "stickycookie": ("stickycookie", "~all"),
}
"""Act on flows when the option is set so, and by default not (the dumper does)."""

INDIFFERENT = {"disableh2c", "onboarding", "tlsconfig", "updatealtsvc"}
"""Look for requests that no attempt is."""

FOR_CLIENTS = {"proxyauth", "upstreamauth"}
"""Look after clients of a proxy and hosts behind it; an attempt has to do with neither."""

ALWAYS_OR_NEVER = ALWAYS | INDIFFERENT | FOR_CLIENTS

REQUEST = UpstreamRequest(
    method="POST",
    url="https://api.example/v1/chat/completions",
    headers=(("authorization", "Bearer ***01234567"),),
    body=b"{}",
    label=Label("req_1", 1, "example", "model"),
)


def name_of(addon: object) -> str:
    return str(getattr(addon, "name", type(addon).__name__.lower()))


def hooks_of(addon: object) -> set[str]:
    return {hook for hook in FLOW_HOOKS if callable(getattr(addon, hook, None))}


@asynccontextmanager
async def master(tool: str, **options: object) -> AsyncIterator[Master]:
    """One of mitmproxy's masters with its addons, not running."""
    made: Master = TOOLS[tool](Options())
    made.options.update(**options)
    try:
        yield made
    finally:
        # Not the console's own: it stops a loop that never ran.
        await Master.done(made)


def watches(addons: Iterable[object], **options: object) -> bool:
    return someone_watches(addons, cast(Options, types.SimpleNamespace(**options)), None)


@pytest.mark.parametrize(
    ("tool", "watched"), [("mitmdump", True), ("mitmweb", True), ("mitmproxy", True)]
)
async def test_every_tool_watches_by_default(tool: str, watched: bool) -> None:
    async with master(tool) as made:
        assert someone_watches(made.addons.chain, made.options, None) is watched


async def test_a_quiet_mitmdump_does_not_watch() -> None:
    async with master("mitmdump", flow_detail=0) as made:
        assert not someone_watches(made.addons.chain, made.options, None)


@pytest.mark.parametrize("tool", TOOLS)
async def test_every_addon_with_a_hook_on_flows_is_known(tool: str) -> None:
    async with master(tool) as made:
        hooked = {name_of(addon) for addon in traverse(made.addons.chain) if hooks_of(addon)}
    assert hooked - OPTION_OF.keys() == ALWAYS_OR_NEVER & hooked


async def test_the_table_holds_no_addon_that_is_gone() -> None:
    names: set[str] = set()
    for tool in TOOLS:
        async with master(tool) as made:
            names |= {name_of(addon) for addon in traverse(made.addons.chain)}
    assert (ALWAYS_OR_NEVER | OPTION_OF.keys()) - names == set()


@pytest.mark.parametrize("tool", TOOLS)
async def test_each_addon_alone_watches_exactly_when_its_option_is_set(tool: str) -> None:
    async with master(tool, **({"flow_detail": 0} if tool == "mitmdump" else {})) as made:
        for addon in traverse(made.addons.chain):
            name = name_of(addon)
            options = {key: option.current() for key, option in made.options._options.items()}
            assert watches([addon], **options) is (name in ALWAYS), name
            if name in OPTION_OF:
                option, value = OPTION_OF[name]
                assert option in made.options, name
                assert watches([addon], **{**options, option: value}), name


@pytest.mark.parametrize("option", ["proxyauth", "upstream_auth"])
@pytest.mark.parametrize("tool", TOOLS)
async def test_addons_that_look_after_clients_leave_an_attempt_alone(
    tool: str, option: str, tmp_path: Path
) -> None:
    """Else an attempt would carry the credentials of another server, or be refused as a client."""
    mode = ProxyMode.parse("reverse:http://127.0.0.1:1")
    client = Client(peername=("127.0.0.1", 1), sockname=("127.0.0.1", 2), proxy_mode=mode)
    quiet = {"flow_detail": 0} if tool == "mitmdump" else {}
    options = {option: "user:password", "confdir": str(tmp_path), **quiet}
    async with master(tool, **options) as made:
        publisher = Publisher(made.addons, lambda: True)
        flow = make_flow(REQUEST, client)
        request = flow.request.get_state()
        for hook in (HttpRequestHeadersHook(flow), HttpRequestHook(flow)):
            await publisher.run(hook)
    assert flow.response is None
    assert flow.request.get_state() == request


@pytest.mark.parametrize("hook", sorted(FLOW_HOOKS))
def test_any_hook_on_flows_of_a_users_addon_watches(hook: str) -> None:
    addon = type("Mine", (), {hook: lambda self, flow: None})()
    assert watches([addon])


@pytest.mark.parametrize("name", ["Intercept", "ReadFile", "EventStore", "View", "Mine"])
def test_a_users_addon_watches_whatever_its_name(name: str) -> None:
    """Names are unique among loaded addons only: mitmdump has no Intercept of its own."""
    addon = type(name, (), {"response": lambda self, flow: None})()
    assert watches([addon], intercept=None)


@pytest.mark.parametrize("hook", ["running", "client_connected", "tcp_message", "websocket_end"])
def test_other_hooks_of_a_users_addon_do_not_watch(hook: str) -> None:
    addon = type("Mine", (), {hook: lambda self, data: None})()
    assert not watches([addon])


def test_a_module_that_has_a_hooks_name_is_no_hook() -> None:
    addon = types.SimpleNamespace(request=types.ModuleType("request"))
    assert not watches([addon])


def test_addons_inside_addons_are_seen() -> None:
    inner = type("Inner", (), {"response": lambda self, flow: None})()
    outer = types.SimpleNamespace(addons=[types.SimpleNamespace(addons=[inner])])
    assert watches([outer])


def test_the_gateways_own_addon_does_not_watch_itself() -> None:
    ours = type("AIProxy", (), {"request": lambda self, flow: None})()
    script = types.SimpleNamespace(addons=[ours])
    options = cast(Options, types.SimpleNamespace())
    assert not someone_watches([script], options, ours)
    assert someone_watches([script], options, None)
