"""Who else can read or change the files that the configuration comes from.

Nothing is refused: some mounted file systems show every file as everybody's, and a gateway that
does not start there is no safer.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

_SYSTEM = 0


def complaints(path: Path, *, secret: bool) -> Iterator[str]:
    """What is wrong with a file's owner and mode, and what mends it; nothing where it is not there.

    `secret`: whether it holds secrets themselves, so that nobody else should read it.
    """
    if os.name != "posix":
        return
    try:
        status = path.stat()
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(status.st_mode):
        return
    # A group with its user's number is that user's own, on systems that make one for each.
    others = 0o007 if status.st_gid == status.st_uid else 0o077
    mode = stat.S_IMODE(status.st_mode) & others
    if mode & 0o022:
        yield f"{path} can be changed by others, who may send keys anywhere: chmod go-w '{path}'"
    if secret and mode & 0o044:
        yield f"{path} holds secrets and can be read by others: chmod 600 '{path}'"
    if status.st_uid not in {_SYSTEM, os.geteuid()}:
        yield f"{path} belongs to another user (number {status.st_uid}), who can read and change it"
