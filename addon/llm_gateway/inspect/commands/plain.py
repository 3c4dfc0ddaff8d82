"""A command of mitmproxy's that says what went wrong in a sentence.

mitmproxy's console shows a traceback of what a command raises, mitmweb the bare text of it.
"""

import functools
import logging
from collections.abc import Callable

from mitmproxy import command, exceptions

logger = logging.getLogger(__name__)


def plain_command[**P, R](
    name: str, **arguments: object
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Makes a method the command of this name. What it raises becomes a CommandError.

    ``arguments`` are types by the names of arguments, where mitmproxy's are none for annotations.
    """

    def decorate(method: Callable[P, R]) -> Callable[P, R]:
        method.__annotations__.update(arguments)

        @functools.wraps(method)
        def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return method(*args, **kwargs)
            except exceptions.CommandError:
                raise
            except Exception as error:
                logger.exception("The command %s failed.", name)
                raise exceptions.CommandError(
                    f"{name} failed in the gateway ({type(error).__name__}); the event log has "
                    "more."
                ) from None

        registered: Callable[P, R] = command.command(name)(guarded)
        return registered

    return decorate
