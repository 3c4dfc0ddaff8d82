"""Keeping secrets out of what Python itself prints where nobody has caught an exception."""

import sys
import threading
import traceback
from collections.abc import Callable
from types import TracebackType

type _Kind = type[BaseException] | None


def install(mask: Callable[[str], str]) -> None:
    """Have ``mask`` applied to what is printed on standard error. Hooks of others stay."""

    def print_masked(
        kind: _Kind, error: BaseException | None, trace: TracebackType | None, where: str = ""
    ) -> None:
        text = where + "".join(traceback.format_exception(kind, error, trace))
        if sys.stderr is not None:
            sys.stderr.write(mask(text))

    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = print_masked
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = lambda each: print_masked(
            each.exc_type,
            each.exc_value,
            each.exc_traceback,
            f"{each.err_msg or 'Exception ignored in'}: {each.object!r}\n",
        )
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = lambda each: print_masked(
            each.exc_type,
            each.exc_value,
            each.exc_traceback,
            f"Exception in thread {each.thread.name if each.thread else '?'}:\n",
        )
