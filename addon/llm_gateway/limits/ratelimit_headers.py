"""The ``x-ratelimit-*`` headers of an answer, as OpenAI sends them.

https://platform.openai.com/docs/guides/rate-limits ("Rate limits in headers")
"""

import math

from llm_gateway.limits.quota import Level, Standing, Unit


def headers(standing: Standing) -> tuple[tuple[str, str], ...]:
    """Limit, remaining and reset of the tightest window; nothing of a unit without a limit."""
    return (*_of("requests", standing.requests), *_of("tokens", standing.tokens))


def together(first: Standing | None, second: Standing | None) -> Standing | None:
    """Of each unit what the first one says; where that has no limit, the second."""
    if first is None or second is None:
        return first or second
    return Standing(first.requests or second.requests, first.tokens or second.tokens)


def _of(unit: Unit, level: Level | None) -> tuple[tuple[str, str], ...]:
    if level is None:
        return ()
    return (
        (f"x-ratelimit-limit-{unit}", str(level.limit)),
        (f"x-ratelimit-remaining-{unit}", str(level.remaining)),
        (f"x-ratelimit-reset-{unit}", _duration(level.reset)),
    )


def _duration(seconds: float) -> str:
    """``120ms``, ``1.5s``, ``6m0s``: in whole milliseconds, rounded up, as Go writes durations.

    https://pkg.go.dev/time#Duration.String
    """
    # Less than a microsecond comes of the clocks' own rounding, and is no further millisecond.
    whole, milliseconds = divmod(math.ceil(round(seconds * 1000, 3)), 1000)
    if not whole:
        return f"{milliseconds}ms" if milliseconds else "0s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest + milliseconds / 1000:g}s"
    if hours:
        return f"{hours}h{minutes}m{text}"
    return f"{minutes}m{text}" if minutes else text
