"""How many files and sockets this process may have open, and how many of them clients may take."""

import resource

OTHERS = 200
"""For files, listeners, pages of mitmweb, and connections that are being accepted or closed."""


def raise_limit() -> int:
    """Raise the soft limit to the hard one, as Go's programs do; the limit that is in force."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            # macOS has a lower limit of the kernel's; what there is has to do.
            return soft
    return hard


def left_for_clients(limit: int, providers: int) -> int:
    """How many connections clients may have where providers may take so many of ``limit``.

    At least a third of all: not all providers are busy at once.
    """
    if limit == resource.RLIM_INFINITY:
        return 2**31
    return max(limit // 3, limit - providers - OTHERS)
