"""Where the configuration comes from: its file, the demo, or a recording; and what changes it.

A configuration that is refused changes nothing. A file that has changed is read again; so is
everything that it names.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from llm_gateway import config
from llm_gateway.adapters import KINDS
from llm_gateway.config.files import at_home
from llm_gateway.recordings.playback import Playback
from llm_gateway.reload import FileWatch
from llm_gateway.runtime import Engine

logger = logging.getLogger(__name__)

DEFAULT_CONFIG = Path("provider_config.yaml")
RELOAD_SECONDS = 1.0
"""How often the configuration files are looked at."""


class Source:
    """Reads the configuration, and reads it again."""

    def __init__(
        self,
        option: Callable[[], str],
        engine: Engine,
        playback: Playback,
        check: Callable[[config.Config], None],
        adopted: Callable[[config.Config], None],
        changed: Callable[[config.Config], None],
    ) -> None:
        """``option`` names the file, see :func:`read_config`; ``playback`` may put a recording in
        the place of its providers. ``check`` may refuse it with a ConfigError. ``adopted`` hears
        of each configuration that ``engine`` has taken, ``changed`` of those that came while it
        ran.
        """
        self._option = option
        self._engine = engine
        self._playback = playback
        self._check = check
        self._adopted = adopted
        self._changed = changed
        self._files = FileWatch()

    def begin(self) -> None:
        """Read it for the first time, or because an option has changed. Raises ConfigError."""
        self._adopt(self._read(or_demo=True))

    def reload(self) -> None:
        """Read it again, now. Raises ConfigError, and then nothing has changed."""
        self._take(self._read_again())

    async def watch(self) -> None:
        """Read it again whenever its files change, without end."""
        while True:
            await asyncio.sleep(RELOAD_SECONDS)
            try:
                if self._files.changed():
                    await self._follow()
            except Exception:
                logger.exception("Reading the configuration again failed; the old one stays.")

    async def _follow(self) -> None:
        try:
            # In a thread: a large file takes the YAML parser a while.
            self._take(await asyncio.to_thread(self._read_again))
        except config.ConfigError as error:
            self._watch(self._engine.current.config, error.files)
            logger.error("The changed configuration is refused, the old one stays.\n%s", error)

    def _read(self, *, or_demo: bool) -> config.Config:
        return self._playback.instead_of(read_config(self._option(), or_demo=or_demo))

    def _read_again(self) -> config.Config:
        # The demo is for who never had a file; a file that vanishes is being written, or a mistake.
        current = self._engine.current.config
        return self._read(or_demo=current.source == config.DEMO_SOURCE)

    def _take(self, new: config.Config) -> None:
        if new == self._engine.current.config:
            logger.info("The configuration %s is as it was.", new.source)
            return
        self._adopt(new)
        self._changed(new)

    def _adopt(self, new: config.Config) -> None:
        self._check(new)
        self._engine.adopt(new)
        self._adopted(new)
        self._watch(new)

    def _watch(self, current: config.Config, more: Iterable[Path] = ()) -> None:
        """Look at the files of a configuration, and those where one that was refused is mended."""
        # What was seen of the files before this was read: a change since then is another change.
        watched = (*current.watched, config_path(self._option()).absolute(), *more)
        self._files = FileWatch(watched, self._files)


def config_path(option: str) -> Path:
    """The file that the option names."""
    return at_home(option) if option else DEFAULT_CONFIG


def read_config(option: str, *, or_demo: bool) -> config.Config:
    """The configuration; perhaps, where no file is named and none is there, the demo.

    Raises ConfigError.
    """
    path = config_path(option)
    if or_demo and not option and not path.exists():
        return config.demo(Path(), os.environ)
    kinds = {name: kind.defaults for name, kind in KINDS.items()}
    return config.load(path, os.environ, kinds)
