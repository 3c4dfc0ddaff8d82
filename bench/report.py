"""Medians, ratios and the table."""

import platform
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import psutil

from bench.contenders import Mode, Subject
from bench.measure import Measurement, Result
from bench.traffic import EVENTS, Case

_TITLES = {
    Case.WHOLE: ("whole answers", "CPU ms per request"),
    Case.STREAM: (f"streams of {EVENTS}, event by event", "CPU µs per event"),
    Case.BURST: (f"streams of {EVENTS}, all at once", "CPU µs per event"),
}
_MEANING = """\
CPU is user and system time of the proxy's process alone, with the provider on plain HTTP and every
connection kept open; an event's cost includes its share of its request. Figures are medians of the
rounds with (lowest - highest). A ratio is the gateway's cost by that of bare mitmproxy in the same
round and mode: 1.00 is a reverse proxy that does none of the gateway's work. quiet is mitmdump -q;
plain prints all flows, and there the gateway publishes each upstream attempt as one more flow.
Computing is the share of the time on the clock in which the measured process had a core: where it
is far below 100 %, others used the machine, and the figures of such rounds are somewhat high.
Memory is what open, silent streams add to the resident size of the process, each with connections
of its own."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, lowest and highest of some figures."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> "Spread":
        """The spread of at least one figure."""
        return cls(statistics.median(figures), min(figures), max(figures))

    def shown(self, digits: int) -> str:
        """As text."""
        low, high = f"{self.low:.{digits}f}", f"{self.high:.{digits}f}"
        return f"{self.median:.{digits}f} ({low} - {high})"


def costs(result: Result, case: Case, mode: Mode, subject: Subject) -> list[float]:
    """The costs of a contender, round by round."""

    def wanted(each: Measurement) -> bool:
        return (each.case, each.mode, each.subject) == (case, mode, subject)

    return [each.cost for each in result.measurements if wanted(each)]


def ratios(result: Result, case: Case, mode: Mode) -> list[float]:
    """The gateway's cost by bare mitmproxy's, round by round."""
    pairs = zip(
        costs(result, case, mode, Subject.GATEWAY),
        costs(result, case, mode, Subject.BARE),
        strict=True,
    )
    return [gateway / bare for gateway, bare in pairs]


def machine() -> dict[str, Any]:
    """What it ran on."""
    return {
        "python": platform.python_version(),
        **{name: version(name) for name in ("mitmproxy", "aiohttp")},
        "system": f"{platform.system()} {platform.machine()}",
        "cores": psutil.cpu_count(),
        "load": round(psutil.getloadavg()[0], 2),
    }


def table(result: Result, on: dict[str, Any]) -> str:
    """The result for people."""
    return "\n".join([*_lines(result, on), "", _MEANING])


def _lines(result: Result, on: dict[str, Any]) -> Iterator[str]:
    plan = result.plan
    yield (
        f"Python {on['python']}, mitmproxy {on['mitmproxy']}, aiohttp {on['aiohttp']}, "
        f"{on['system']}, {on['cores']} cores, load average {on['load']} before"
    )
    left_out = f" (of {plan.rounds}: the time was up)" if result.rounds < plan.rounds else ""
    counts = " / ".join(f"{plan.count(case)}" for case in _TITLES)
    yield (f"{result.rounds} rounds{left_out} of {counts} requests, {plan.concurrency} connections")
    busy = Spread.of([each.busy * 100 for each in result.measurements])
    yield f"computing: {busy.shown(0)} %"
    for case, (title, unit) in _TITLES.items():
        yield f"\n{title + ', ' + unit:<52}{'ratio to bare':>26}"
        for mode in Mode:
            yield from _case_lines(result, case, mode)
    yield f"\n{plan.held} open idle streams, KiB of memory for each"
    for memory in result.memory:
        yield f"  {Mode.QUIET:<6} {memory.subject:<8}{memory.per_stream / 1024:>14.1f}"


def _case_lines(result: Result, case: Case, mode: Mode) -> Iterator[str]:
    digits = 2 if case is Case.WHOLE else 1
    for subject in Subject:
        spread = Spread.of(costs(result, case, mode, subject)).shown(digits)
        ratio = ""
        if subject is Subject.GATEWAY:
            ratio = Spread.of(ratios(result, case, mode)).shown(2)
        yield f"  {mode:<6} {subject:<8}{spread:>34}{ratio:>27}".rstrip()


def as_json(result: Result, on: dict[str, Any]) -> dict[str, Any]:
    """The result for programs: every measurement, and the medians."""
    return {
        "machine": on,
        "plan": asdict(result.plan),
        "rounds": result.rounds,
        "events_per_stream": EVENTS,
        "summary": [_summary(result, case, mode) for case in _TITLES for mode in Mode],
        "memory": [asdict(each) for each in result.memory],
        "measurements": [asdict(each) for each in result.measurements],
    }


def _summary(result: Result, case: Case, mode: Mode) -> dict[str, Any]:
    spreads = {
        subject.value: asdict(Spread.of(costs(result, case, mode, subject))) for subject in Subject
    }
    ratio = asdict(Spread.of(ratios(result, case, mode)))
    return {"case": case, "mode": mode, "unit": _TITLES[case][1], **spreads, "ratio": ratio}
