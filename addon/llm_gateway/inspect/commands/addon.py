"""The commands themselves: what mitmproxy calls, in the types that it knows.

mitmproxy's console shows what a command returns in a window. mitmweb shows it in one line of
JSON, so what has several lines or is to be copied is written to the event log as well.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import override

from mitmproxy import exceptions, types
from mitmproxy import flow as mflow
from mitmproxy.connection import Address

from llm_gateway import config
from llm_gateway.inspect.commands import again
from llm_gateway.inspect.commands.curl import curl_command
from llm_gateway.inspect.commands.har import archive, write
from llm_gateway.inspect.commands.listing import (
    change_line,
    client_lines,
    limit_lines,
    model_lines,
)
from llm_gateway.inspect.commands.placeholders import Placeholders
from llm_gateway.inspect.commands.plain import plain_command
from llm_gateway.inspect.kin import Kin
from llm_gateway.runtime import Engine

logger = logging.getLogger(__name__)

MAX_LOGGED = 16 * 1024
"""Characters of a result that the event log takes."""


class Suggestions(list[str]):
    """What to complete a name with. mitmproxy refuses any other with no more than "Invalid choice",
    so all are let pass here, and the command says what is wrong with a name."""

    @override
    def __contains__(self, name: object) -> bool:
        return True


class Commands:
    """``ai.replay``, ``ai.compare``, ``ai.models``, ``ai.limits``, ``ai.reload``, ``ai.curl``,
    ``ai.har``. An addon without hooks."""

    name = "ai_commands"

    def __init__(
        self,
        engine: Engine,
        kin: Kin,
        reload: Callable[[], None],
        listening: Callable[[], Iterable[Address]],
    ) -> None:
        """``reload`` reads the configuration again, or raises ConfigError; ``listening`` gives the
        addresses that the gateway is to be reached at."""
        self._engine = engine
        self._kin = kin
        self._reload = reload
        self._listening = listening

    @plain_command("ai.replay", model=types.Choice("ai.models.names"))
    def replay(self, flows: Sequence[mflow.Flow], model: str) -> str:
        """Send the client requests of flows again, to another model. They stay as they are; the
        copies are new rows."""
        self._check([model])
        clients = again.clients_of(flows, self._kin)
        again.send([again.copy_for(client, model) for client in clients])
        return f"Sent to {model}: {_count(len(clients), 'request')}."

    @plain_command("ai.compare")
    def compare(self, flows: Sequence[mflow.Flow], models: Sequence[str]) -> str:
        """Send the client requests of flows to several models (BIG,SMALL), all at once. The view
        AI compare, on any of the rows, shows all answers."""
        names = again.models_to_compare(models)
        self._check(names)
        clients = again.clients_of(flows, self._kin)
        again.send([copy for client in clients for copy in again.copies_to_compare(client, names)])
        sent = f"Sent to {', '.join(names)}: {_count(len(clients), 'request')}"
        return f"{sent}. The view AI compare, on any of the rows, shows all answers."

    @plain_command("ai.models")
    def models(self) -> Sequence[str]:
        """The names that can be asked for, and their targets."""
        current = self._engine.current
        return _told("ai.models", model_lines(current.config, current.catalogue))

    @plain_command("ai.models.names")
    def names(self) -> Sequence[str]:
        """Every name that can be asked for, provider/model ones included."""
        return Suggestions(self._engine.current.catalogue.names)

    @plain_command("ai.limits")
    def limits(self) -> Sequence[str]:
        """Quotas left, breakers, queues, and what is parked until when; what is left to clients."""
        current = self._engine.current
        clients = client_lines(current.clients_overview())
        return _told("ai.limits", [*limit_lines(current.overview()), *clients])

    @plain_command("ai.reload")
    def reload(self) -> str:
        """Read the configuration again, now."""
        before = self._engine.current.config
        try:
            self._reload()
        except config.ConfigError as error:
            logger.error("The configuration is refused, the old one stays.\n%s", error)
            problems = " | ".join(map(str, error.problems))
            raise exceptions.CommandError(
                f"The configuration is refused, the old one stays: {problems}"
            ) from None
        return change_line(before, self._engine.current.config)

    @plain_command("ai.curl")
    def curl(self, flow: mflow.Flow) -> str:
        """A flow's request as a curl command, with variables in place of secrets."""
        hosts = self._engine.current.config.gateway.virtual_hosts
        text = curl_command(flow, self._placeholders(), self._listening(), hosts)
        if len(text) > MAX_LOGGED:
            logger.info("ai.curl: %d characters are too many for the event log.", len(text))
        else:
            logger.info("ai.curl:\n%s", text)
        return text

    @plain_command("ai.har")
    def har(self, flows: Sequence[mflow.Flow], path: types.Path) -> str:
        """Write flows to a new HAR file: no secrets, and what the gateway knows of each flow."""
        file = Path(path).absolute()
        content = archive(flows, self._placeholders())
        size = write(content, file)
        said = f"{_count(len(content['log']['entries']), 'flow')}, {size} bytes: {file}"
        logger.info("ai.har: %s", said)
        return said

    def _check(self, models: Sequence[str]) -> None:
        again.check_names(models, self._engine.current.catalogue.names)

    def _placeholders(self) -> Placeholders:
        return Placeholders(self._engine.current.config, self._engine.tokens)


def _told(name: str, lines: Sequence[str]) -> Sequence[str]:
    """The lines, in the event log as well."""
    logger.info("%s:\n%s", name, "\n".join(lines))
    return lines


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
