"""mitmproxy knows the commands and calls them with its own words; what goes wrong is a sentence."""

import gc
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import exceptions, http
from mitmproxy.addons.view import View
from mitmproxy.test import taddons

from llm_gateway.config import Config, ConfigError, Problem
from llm_gateway.inspect.commands.addon import MAX_LOGGED, Commands
from llm_gateway.inspect.kin import Kin
from llm_gateway.runtime import Engine
from llm_gateway.secret import Secret
from support.fakes import FakeWire, make_config, make_model, make_provider
from support.our_flows import answered, attempt_flow, client_flow

CONFIG = make_config(
    [make_provider(), make_provider("q", off="Q_KEY is not set")],
    [make_model("m", model="up"), make_model("n", provider="q")],
)


class Desk:
    """mitmproxy with the commands, and a list of flows, which is `view`."""

    def __init__(self, context: Any, view: View) -> None:
        self.context = context
        self.view = view
        self.kin = Kin()
        self.engine = Engine(lambda _: FakeWire(), lambda wire: wire, Secret("a-token-made-up"), 0)
        self.engine.adopt(CONFIG)
        self.next: Config | Exception = CONFIG
        """What the configuration's file holds now."""
        commands = Commands(self.engine, self.kin, self.reload, lambda: [("127.0.0.1", 8080)])
        context.master.commands.collect_commands(commands)

    def reload(self) -> None:
        if isinstance(self.next, Exception):
            raise self.next
        self.engine.adopt(self.next)

    def show(self, *flows: http.HTTPFlow) -> None:
        """Put flows in the list."""
        self.view.add(flows)
        for flow in flows:
            self.kin.add(flow)

    def run(self, line: str) -> Any:
        """What a person types, and what comes of it."""
        return self.context.master.commands.execute(line)

    def refused(self, line: str) -> str:
        """Why it cannot be done."""
        with pytest.raises(exceptions.CommandError) as caught:
            self.run(line)
        return str(caught.value)


@pytest.fixture
async def desk(caplog: pytest.LogCaptureFixture) -> AsyncIterator[Desk]:
    caplog.set_level(logging.INFO)
    view = View()
    with taddons.context(view) as context:
        desk = Desk(context, view)
        try:
            yield desk
            await desk.engine.close()
        finally:
            # The handler would outlive its event loop, and fail on what later tests log.
            context.master._legacy_log_events.uninstall()
            gc.unfreeze()


async def test_models_are_told_and_logged(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    assert desk.run("ai.models") == ["m  → p/up", "n  off: Q_KEY is not set"]
    assert "ai.models:\nm  → p/up\nn  off: Q_KEY is not set" in caplog.text


async def test_limits_are_told_and_logged(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    assert desk.run("ai.limits") == [
        "p       0 of 100 places taken",
        "  p/up  ready, not asked yet",
        "q       off: Q_KEY is not set",
        "client test  0 of 1000 under way",
    ]
    assert "ai.limits:\np " in caplog.text


async def test_names_are_completed_and_an_unknown_one_is_refused_in_words(desk: Desk) -> None:
    desk.show(client_flow())
    commands = desk.context.master.commands
    [_, model] = commands.commands["ai.replay"].parameters
    suggested = commands.execute(model.type.options_command)
    assert [*suggested] == ["m", "p/m", "p/up"]
    assert desk.refused("ai.replay @all mm") == (
        "No model is called 'mm' here. Did you mean m? The command ai.models lists them."
    )
    assert desk.refused("ai.compare @all m,x").startswith("No model is called 'x' here.")


async def test_nothing_is_sent_where_one_of_the_flows_cannot_be(desk: Desk) -> None:
    desk.show(client_flow(), attempt_flow(exchange="req_gone"))
    assert "is not in the list any more" in desk.refused("ai.replay @all m")
    assert "is not in the list any more" in desk.refused("ai.compare @all m")
    assert len(desk.view) == 2


@pytest.mark.parametrize("line", ["ai.replay ~q m", "ai.compare @marked m", "ai.har @marked x.har"])
async def test_choosing_no_flow_is_an_error(desk: Desk, line: str) -> None:
    assert "xpected for example @" in desk.refused(line)


async def test_a_command_is_told_and_logged_if_it_is_not_too_long(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    flow, large = client_flow(), client_flow({"model": "m", "user": "x" * MAX_LOGGED})
    desk.show(flow, large)
    text = desk.run(f"ai.curl @{flow.id}")
    assert text.startswith("curl http://127.0.0.1:8080/v1/chat/completions")
    assert f"ai.curl:\n{text}" in caplog.text
    assert len(desk.run(f"ai.curl @{large.id}")) > MAX_LOGGED
    assert "characters are too many for the event log" in caplog.text
    assert "x" * 100 not in caplog.text


async def test_an_archive_is_written(desk: Desk, tmp_path: Path) -> None:
    desk.show(client_flow(answer=answered({})), attempt_flow())
    path = tmp_path / "x.har"
    assert desk.run(f"ai.har @all {path}") == f"2 flows, {path.stat().st_size} bytes: {path}"
    assert len(json.loads(path.read_text())["log"]["entries"]) == 2
    assert "is there already" in desk.refused(f"ai.har @all {path}")


async def test_reading_the_configuration_again_says_what_has_changed(desk: Desk) -> None:
    assert desk.run("ai.reload") == "The configuration test.yaml is as it was."
    desk.next = make_config(models=[make_model("m"), make_model("new")])
    assert desk.run("ai.reload") == (
        "The configuration test.yaml was read again: 2 models at 1 providers; new: new; gone: n."
    )


async def test_a_refused_configuration_is_told_with_its_lines(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    problems = [Problem("c.yaml", 3, "models", "is odd"), Problem("c.yaml", 0, "", "is not there")]
    desk.next = ConfigError(problems)
    assert desk.refused("ai.reload") == (
        "The configuration is refused, the old one stays: c.yaml:3: models: is odd | c.yaml: is "
        "not there"
    )
    assert "c.yaml:3: models: is odd\nc.yaml: is not there" in caplog.text


async def test_a_bug_is_a_sentence_and_its_traceback_is_logged(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk.next = KeyError("made up")
    assert desk.refused("ai.reload") == (
        "ai.reload failed in the gateway (KeyError); the event log has more."
    )
    assert "made up" in caplog.text


async def test_all_of_them_can_be_called_from_mitmweb(desk: Desk) -> None:
    """Its address takes small letters and dots; and it needs a sentence to show."""
    ours = {
        name: command
        for name, command in desk.context.master.commands.commands.items()
        if name.startswith("ai.")
    }
    assert len(ours) == 8
    for name, command in ours.items():
        assert name.replace(".", "").isalpha()
        assert name.islower()
        assert command.help
        assert "->" in command.signature_help()
