"""What must hold under pressure: quotas, outages and what follows them, overload."""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence

from soak.checks import Check, check, within
from soak.evidence import Entry, Evidence, Kind, Quota, Span, UpstreamCall
from soak.figures import quantile
from soak.plan import (
    FAILURES,
    METERED,
    METERED_MODELS,
    PER_MINUTE,
    PLACES,
    PROVIDER_PER_MINUTE,
    QUEUE_SECONDS,
    RECOVERY,
    SHARED,
    TRIO,
)

MINUTE = 60.0
OUTAGE_SHARE = 1.2
LEAST_RETRIES = 10
"""So many retries in 10 s are always allowed, at each provider."""
FAST_SECONDS = 1.0
"""How soon a request is refused that cannot be answered."""
SETTLED_SECONDS = 1.0
"""How long after the beginning of an outage all breakers are open."""
GOODPUT = 0.8
"""The share of its answers that a provider gives also under three times its load."""
TURNOVER = 0.1
"""How long a provider may take to see that its client has left, in seconds."""
LOST_IN_OUTAGE = 3
"""Calls that a provider has not seen because its connections were cut, and that count."""


def under_pressure(evidence: Evidence) -> Iterator[Check]:
    """All of them."""
    ended = [entry for entry in evidence.entries if len(entry.outcomes) == 1]
    yield from quotas(evidence.calls)
    if evidence.quota is not None:
        yield quota_left(evidence.calls, evidence.quota)
    yield places_kept(evidence.calls)
    for outage in evidence.spans_of("outage"):
        yield outage_load(outage, ended, evidence.calls)
        yield outage_speed(outage, ended)
        yield one_probe(outage, evidence.calls)
    for recovery in evidence.spans_of("recovery"):
        yield recovered(recovery, ended)
    yield overload_speed(ended)
    yield goodput(evidence)


def quotas(calls: Sequence[UpstreamCall]) -> Iterator[Check]:
    """Never more calls in any minute than there may be, as the provider counts them."""
    metered = [call for call in calls if call.provider == METERED]
    for model in METERED_MODELS:
        if model in PER_MINUTE:
            began = [call.began for call in metered if call.model == model]
            yield in_any_minute(f"{METERED}/{model}", began, PER_MINUTE[model])
    yield in_any_minute(METERED, [call.began for call in metered], PROVIDER_PER_MINUTE)


def in_any_minute(what: str, began: Sequence[float], limit: int) -> Check:
    """The check of one quota, by the times at which its calls began."""
    times = sorted(began)
    most = max(
        (bisect_right(times, time + MINUTE) - place for place, time in enumerate(times)), default=0
    )
    return within(f"the quota of {what} is kept", "calls in any minute", most, limit)


def quota_left(calls: Sequence[UpstreamCall], quota: Quota) -> Check:
    """What the gateway says is left is what the provider's own count leaves.

    A call leaves the minute up to a second late. Some may have got lost on their way.
    """
    times = [call.began for call in calls if call.provider == METERED]

    def left_after(seconds: float) -> int:
        """The call that asked began after ``quota.at``."""
        return PROVIDER_PER_MINUTE - sum(time > quota.at - seconds for time in times)

    least, most = left_after(MINUTE + 1.5) - LOST_IN_OUTAGE, left_after(MINUTE - 0.5)
    sound = max(0, least) <= quota.remaining <= max(0, most)
    return check(
        "the quota that is left is what the provider's count leaves",
        f"{quota.remaining} left, by the provider's count {max(0, least)} to {max(0, most)}",
        [] if sound else [f"{quota.remaining} is not between {least} and {most}"],
    )


def outage_load(outage: Span, entries: Sequence[Entry], calls: Sequence[UpstreamCall]) -> Check:
    """When all fail, providers get hardly more calls than clients make requests."""
    shared = (entry for entry in entries if entry.asked.name in SHARED)
    requests = sum(_during(outage, entry.began) for entry in shared)
    made = sum(_during(outage, call.began) for call in calls if call.provider in TRIO)
    windows = 1 + (outage.ended - outage.began) // 10
    floor = len(TRIO) * (FAILURES + LEAST_RETRIES * windows)
    return within(
        f"outage of round {outage.round}: at most {OUTAGE_SHARE:g} calls a request, and {floor:g}",
        f"{requests} requests, calls",
        made,
        OUTAGE_SHARE * requests + floor,
    )


def outage_speed(outage: Span, entries: Sequence[Entry]) -> Check:
    """Once all breakers are open, clients are told so at once."""
    settled = outage.began + SETTLED_SECONDS
    refused = [
        entry.seconds
        for entry in entries
        if settled <= entry.began < outage.ended and entry.outcome.kind is Kind.REFUSED
    ]
    return within(
        f"outage of round {outage.round}: refused at once",
        f"{len(refused)} refused, 99 % within seconds",
        quantile(refused, 0.99),
        FAST_SECONDS,
    )


def one_probe(outage: Span, calls: Sequence[UpstreamCall]) -> Check:
    """What a provider gets then are probes, one at a time."""
    settled = outage.began + SETTLED_SECONDS
    probes = [
        call for call in calls if call.provider in TRIO and settled <= call.began < outage.ended
    ]
    most = {name: at_once([call for call in probes if call.provider == name]) for name in TRIO}
    return check(
        f"outage of round {outage.round}: one probe at a time",
        f"{len(probes)} calls after {SETTLED_SECONDS:g} s",
        (f"{name} had {count} at once" for name, count in most.items() if count > 1),
    )


def recovered(recovery: Span, entries: Sequence[Entry]) -> Check:
    """All is answered again after two of the longest times that a breaker stays open."""
    begun = [entry for entry in entries if _during(recovery, entry.began) and _stayed(entry)]
    missed = [entry for entry in begun if entry.outcome.kind is not Kind.COMPLETE]
    last = max((entry.began - recovery.began for entry in missed), default=0.0)
    return check(
        f"recovery of round {recovery.round}: all is answered {RECOVERY:g} s later",
        f"{len(begun)} requests, {len(missed)} not answered, the last after {last:.2f} s",
        (
            f"request {entry.asked.number} ({entry.asked.name}) "
            f"{entry.began - recovery.began:.2f} s later: {entry.outcome}"
            for entry in missed
            if entry.began >= recovery.began + RECOVERY
        ),
    )


def _stayed(entry: Entry) -> bool:
    return entry.outcome.kind is not Kind.LEFT and entry.asked.name in SHARED


def places_kept(calls: Sequence[UpstreamCall]) -> Check:
    """A provider never works on more calls than it has places."""
    violations = []
    seen = []
    for provider, places in PLACES.items():
        most = at_once([call for call in calls if call.provider == provider])
        seen.append(f"{provider} {most} of {places}")
        if most > places:
            violations.append(f"{provider} had {most} calls at once")
    return check("no provider has more calls at once than places", ", ".join(seen), violations)


def at_once(calls: Sequence[UpstreamCall]) -> int:
    """The most calls that were made side by side.

    That a client has left, and its call with it, a provider sees a moment after the gateway, which
    may have given the place away by then.
    """
    changes = sorted(
        change for call in calls for change in ((call.began, 1), (_place_free(call), -1))
    )
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def _place_free(call: UpstreamCall) -> float:
    if call.ended is None:
        return math.inf
    return max(call.began, call.ended - TURNOVER) if call.ending == "left" else call.ended


def overload_speed(entries: Sequence[Entry]) -> Check:
    """Who cannot be served is told so at once, or when its time in the queue is over."""
    refused = [
        entry
        for entry in entries
        if entry.phase == "overload" and entry.outcome.kind is Kind.REFUSED
    ]
    waited = [entry.seconds for entry in refused if entry.outcome.code == "queue_timeout"]
    at_once_ = [entry.seconds for entry in refused if entry.outcome.code != "queue_timeout"]
    slow = quantile(at_once_, 0.99), quantile(waited, 0.99) - QUEUE_SECONDS
    return check(
        "overload: refused at once, or after the time in the queue",
        f"{len(at_once_)} at once, 99 % within {slow[0]:.3f} s; {len(waited)} from the queue",
        [f"{seconds:.2f} s late" for seconds in slow if seconds > FAST_SECONDS],
    )


def goodput(evidence: Evidence) -> Check:
    """Overload does not keep a provider from answering what it can."""
    pairs = evidence.capacities
    return check(
        f"overload: at least {GOODPUT:.0%} of the answers that there are without it",
        ", ".join(f"{pair.alone:.1f}/s alone, {pair.under_load:.1f}/s" for pair in pairs),
        (
            f"{pair.under_load:.1f} a second is less than {GOODPUT:.0%} of {pair.alone:.1f}"
            for pair in pairs
            if pair.under_load < GOODPUT * pair.alone
        ),
    )


def _during(span: Span, time: float) -> bool:
    return span.began <= time < span.ended
