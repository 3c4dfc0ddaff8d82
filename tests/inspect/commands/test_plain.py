"""Whatever happens in a command, a person gets a sentence."""

import logging

import pytest
from mitmproxy import exceptions
from mitmproxy.command import CommandManager
from mitmproxy.test import taddons
from mitmproxy.types import Choice

from llm_gateway.inspect.commands.plain import plain_command


class Some:
    """Commands."""

    @plain_command("some.half")
    def half(self, number: int) -> int:
        """Half of a number."""
        if number % 2:
            raise exceptions.CommandError("Expected an even number.")
        return number // (number - 4)

    @plain_command("some.colour", colour=Choice("some.colours"))
    def colour(self, colour: str) -> str:
        """One of them."""
        return colour


@pytest.fixture
async def commands() -> CommandManager:
    with taddons.context() as context:
        context.master.commands.collect_commands(Some())
        # The handler would outlive its event loop, and fail on what later tests log.
        context.master._legacy_log_events.uninstall()
        known: CommandManager = context.master.commands
        return known


def refused(commands: CommandManager, name: str, *arguments: str) -> str:
    with pytest.raises(exceptions.CommandError) as caught:
        commands.call_strings(name, arguments)
    return str(caught.value)


async def test_what_it_refuses_is_said_as_it_is(commands: CommandManager) -> None:
    assert commands.call_strings("some.half", ["8"]) == 2
    assert refused(commands, "some.half", "3") == "Expected an even number."


async def test_a_bug_is_a_sentence_and_its_traceback_is_logged(
    commands: CommandManager, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    assert refused(commands, "some.half", "4") == (
        "some.half failed in the gateway (ZeroDivisionError); the event log has more."
    )
    assert "The command some.half failed." in caplog.text
    assert "ZeroDivisionError" in caplog.text


async def test_mitmproxy_knows_its_arguments_and_its_help(commands: CommandManager) -> None:
    known = commands.commands["some.colour"]
    assert known.signature_help() == "some.colour colour -> str"
    assert known.help == "One of them."
    [colour] = known.parameters
    assert isinstance(colour.type, Choice)
    assert colour.type.options_command == "some.colours"
