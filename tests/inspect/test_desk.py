"""What is there for people who look, and that it costs nothing where nobody does."""

import hashlib

import pytest
from mitmproxy import options
from mitmproxy.addons.dumper import Dumper
from mitmproxy.addons.view import View
from mitmproxy.master import Master

from llm_gateway.adapters.contract import Usage
from llm_gateway.config import ClientToken, Gateway
from llm_gateway.inspect.desk import Desk
from llm_gateway.runtime import Engine
from llm_gateway.secret import Secret
from support.fakes import FakeWire, make_config, make_provider

USAGE = Usage(1_000_000, 0)
LISTED = "p/gpt-4o"


def make_desk(*addons: object, **values: object) -> Desk:
    """The desk of a mitmproxy that has these addons and options."""
    master = Master(options.Options())
    master.addons.add(*addons)
    master.options.update(**values)
    desk = Desk(master, None)
    engine = Engine(lambda _: FakeWire(), desk.wrap, Secret("token-of-the-test"), 0)
    desk.command(engine, lambda: None, lambda: ())
    provider = make_provider(base_url="https://api.openai.com/v1")
    engine.adopt(make_config([provider]))
    return desk


async def test_a_token_that_was_known_by_its_hash_is_masked_once_it_was_shown() -> None:
    desk, text = make_desk(), "canary-token-that-is-hashed"
    assert desk._engine is not None
    token = ClientToken("ci", hashlib.sha256(text.encode()).digest())
    desk._engine.adopt(make_config(gateway=Gateway(tokens=(token,))))
    desk.adopted(desk._engine.current.config)
    assert desk.masks.hide_secrets(text) == text
    desk._engine._learn(token, text)
    desk.learnt()
    assert desk.masks.hide_secrets(f"a {text} b") == f"a {Secret(text).masked} b"


def priced(desk: Desk) -> bool:
    return desk._price(LISTED, USAGE) is not None


async def test_a_price_is_looked_up_where_somebody_may_see_it() -> None:
    assert priced(make_desk(View()))
    desk = make_desk()
    desk._master.options.add_option("save_stream_file", str, "all.flow", "")
    assert priced(desk)


async def test_no_price_is_looked_up_where_nobody_sees_one() -> None:
    """The table takes 30 MB."""
    assert not priced(make_desk(Dumper(), flow_detail=1))
    assert not priced(make_desk())


async def test_a_provider_that_is_unknown_has_no_price() -> None:
    assert make_desk(View())._price("other/gpt-4o", USAGE) is None


async def test_attempts_are_published_as_soon_as_somebody_watches() -> None:
    desk = make_desk(Dumper(), flow_detail=0)
    assert not desk.publisher.watched
    desk._master.addons.add(View())
    assert desk.publisher.watched


class Nosy:
    """A script's addon that looks at flows."""

    def response(self, flow: object) -> None:
        """See mitmproxy's hook."""


class Scripts:
    """An addon with addons of its own, as mitmproxy's for scripts."""

    def __init__(self) -> None:
        self.addons: list[object] = []


async def test_a_script_that_comes_and_goes_is_noticed() -> None:
    scripts = Scripts()
    desk = make_desk(scripts)
    assert not desk.publisher.watched
    scripts.addons = [Nosy()]
    assert desk.publisher.watched
    scripts.addons = []
    assert not desk.publisher.watched


async def test_an_option_can_make_somebody_watch() -> None:
    desk = make_desk(Dumper(), flow_detail=0)
    assert not desk.publisher.watched
    desk._master.options.update(flow_detail=1)
    desk.configure({"flow_detail"})
    assert desk.publisher.watched


@pytest.mark.parametrize(
    "name", ["ai.replay", "ai.compare", "ai.models", "ai.limits", "ai.reload", "ai.curl", "ai.har"]
)
async def test_the_commands_are_mitmproxys(name: str) -> None:
    assert name in make_desk()._master.commands.commands


async def test_what_is_told_of_a_wrong_option_is_for_people() -> None:
    desk = make_desk(View())
    desk._master.options.add_option("ai_keep_flows", str, "many", "")
    with pytest.raises(ValueError, match="ai_keep_flows"):
        desk.configure({"ai_keep_flows"})
