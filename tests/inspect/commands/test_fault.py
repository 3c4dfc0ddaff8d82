"""``ai.fault`` as mitmproxy calls it."""

from collections.abc import Iterator

import pytest
from mitmproxy import exceptions
from mitmproxy.command import CommandManager
from mitmproxy.test import taddons

from llm_gateway.config import Model
from llm_gateway.injection import Faults
from llm_gateway.inspect.commands.fault import NOTHING, SHOWN_TARGETS, FaultCommands
from llm_gateway.routing import Target
from support.fakes import make_provider


def target(model: str) -> Target:
    provider = make_provider(name="p")
    return Target(provider, Model(model, "p", model, None, 0))


@pytest.fixture
def commands() -> Iterator[CommandManager]:
    """The commands, for a gateway with the targets p/one and p/two."""
    names = {"BIG": (target("one"), target("two")), "one": (target("one"),)}
    with taddons.context() as context:
        context.master.commands.collect_commands(FaultCommands(Faults(), lambda: names))
        yield context.master.commands


def run(commands: CommandManager, line: str) -> object:
    """As mitmweb does, which takes a line apart itself."""
    name, *arguments = line.split()
    return commands.call_strings(name, arguments)


def test_nothing_is_pending_at_first(commands: CommandManager) -> None:
    assert run(commands, "ai.faults") == NOTHING


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("ai.fault p/one 429", "the next attempt meets 429 at p/one"),
        ("ai.fault p stall 3", "the next 3 attempts meet stall at p"),
        ("ai.fault * cut", "the next attempt meets cut at any target"),
    ],
)
def test_a_fault_is_pending_once_it_was_asked_for(
    commands: CommandManager, line: str, said: str
) -> None:
    assert run(commands, line) == said
    assert run(commands, "ai.faults") == said


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("ai.fault off", NOTHING),
        ("ai.fault * off", NOTHING),
        ("ai.fault p off", "the next attempt meets 500 at p/two"),
        ("ai.fault p 500 0", "the next attempt meets 500 at p/two"),
        (
            "ai.fault p/one off",
            "the next attempt meets 500 at p\nthe next attempt meets 500 at p/two",
        ),
    ],
)
def test_faults_end_when_they_are_switched_off(
    commands: CommandManager, line: str, left: str
) -> None:
    run(commands, "ai.fault p 500")
    run(commands, "ai.fault p/two 500")
    assert run(commands, line) == left


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("ai.fault nobody 429", r"no target 'nobody'. There are: \*, p, p/one, p/two\."),
        ("ai.fault BIG 429", "no target 'BIG'"),
        ("ai.fault p nothing", r"(?s)no fault 'nothing'.*stall.*cut.*refuse"),
        ("ai.fault p 429 -1", "cannot be negative"),
    ],
)
def test_what_there_is_not_is_answered_with_what_there_is(
    commands: CommandManager, line: str, told: str
) -> None:
    with pytest.raises(exceptions.CommandError, match=told):
        run(commands, line)
    assert run(commands, "ai.faults") == NOTHING


def test_a_message_lists_no_more_targets_than_one_can_read() -> None:
    names = {str(n): (target(f"m{n}"),) for n in range(SHOWN_TARGETS + 7)}
    with pytest.raises(exceptions.CommandError, match=r"m\d+ and 7 more\.$"):
        FaultCommands(Faults(), lambda: names).fault("nobody", "429")
