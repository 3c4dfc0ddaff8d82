"""Reading small text files."""

import stat
from pathlib import Path

from llm_gateway.config.values import ConfigError, Problem

MAX_BYTES = 1024 * 1024


def at_home(text: str) -> Path:
    """The path of a text that may begin with `~`; as it stands where nobody has such a home."""
    try:
        return Path(text).expanduser()
    except RuntimeError:
        return Path(text)


def is_file(path: Path) -> bool:
    """Whether a regular file is at `path`, or what is there cannot even be looked at."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False
    except OSError:
        return True  # so that reading it says why not


def read_text(path: Path, file: str) -> str:
    """The UTF-8 text of the file at `path`; `file` is its name in messages.

    Raises `ConfigError` when there is no such file, it is not a regular one, cannot be read, is
    longer than `MAX_BYTES` or is not UTF-8. A byte order mark is dropped.
    """
    try:
        # Asked first because opening a pipe would wait for its writer.
        if path.exists() and not path.is_file():
            raise _error(file, "expected a file, found something else")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _error(file, f"cannot be read: {error.strerror}") from None
    except ValueError:
        raise _error(file, "cannot be read: not a valid path") from None
    if len(data) > MAX_BYTES:
        raise _error(file, "expected at most 1 MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _error(file, "expected UTF-8 text", data.count(b"\n", 0, error.start) + 1) from None


def _error(file: str, message: str, line: int = 0) -> ConfigError:
    return ConfigError([Problem(file, line, "", message)])
