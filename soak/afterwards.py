"""What must hold when all is over: nothing is left behind, and nothing is lost."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from soak.checks import Check, check
from soak.evidence import Entry, Evidence, Kind, Vitals
from soak.plan import METERED, PLACES

SPREAD = 2
"""How far from the baseline tasks, sockets and descriptors may be at rest."""
RSS_MIB = 5.0
OBJECTS_PER_REQUEST = 0.1
"""Python objects that may be more for each request of a round: far less than one for each."""
OBJECTS_ONCE = 500
"""Objects that are made the first time that something happens, which may be in the last round."""


def afterwards(evidence: Evidence) -> Iterator[Check]:
    """All of them."""
    ended = [entry for entry in evidence.entries if len(entry.outcomes) == 1]
    yield from at_rest(evidence.rests)
    yield memory(evidence)
    yield last_round(evidence, ended)
    yield ended_well(evidence)


def at_rest(rests: Sequence[Vitals]) -> Iterator[Check]:
    """Nothing is left over when nobody asks for anything."""
    baseline, *later = rests
    for name in ("tasks", "sockets", "descriptors"):
        before = getattr(baseline, name)
        now = [getattr(vitals, name) for vitals in later]
        yield check(
            f"at rest: {name} as at the beginning, give or take {SPREAD}",
            f"{before}, then {', '.join(map(str, now))}",
            (
                f"{count} instead of {before}{_new_kinds(baseline, vitals, name)}"
                for count, vitals in zip(now, later, strict=True)
                if abs(count - before) > SPREAD
            ),
        )
    held = [(name, count) for vitals in later for name, count in vitals.held.items() if count]
    yield check(
        "at rest: no place, turn, probe, request or connection is held",
        f"{len(later[-1].held)} counts" if later else "",
        (f"{name}: {count}" for name, count in held),
    )


def _new_kinds(before: Vitals, after: Vitals, name: str) -> str:
    if name != "tasks":
        return ""
    more = {
        kind: count - before.kinds.get(kind, 0)
        for kind, count in after.kinds.items()
        if count > before.kinds.get(kind, 0)
    }
    return f": {more}"


def memory(evidence: Evidence) -> Check:
    """From quiet to quiet, memory does not grow with the number of requests."""
    quiet = evidence.rests[1:]
    violations = []
    seen = []
    for before, after in pairwise(quiet):
        requests = sum(before.at <= entry.began < after.at for entry in evidence.entries)
        rss, objects = (after.rss - before.rss) / 2**20, after.objects - before.objects
        seen.append(f"{rss:+.1f} MiB, {objects:+} objects for {requests} requests")
        if rss > RSS_MIB:
            violations.append(f"{rss:.1f} MiB are more than {RSS_MIB:g}")
        most = OBJECTS_ONCE + OBJECTS_PER_REQUEST * requests
        if objects > most:
            violations.append(f"{objects} objects are more than {most:.0f}")
    return check(
        f"memory is flat from quiet to quiet (RSS within {RSS_MIB:g} MiB)",
        ", ".join(seen),
        violations,
    )


def last_round(evidence: Evidence, entries: Sequence[Entry]) -> Check:
    """Every target takes as many requests as it has places, and answers them."""
    violations = [
        f"request {entry.asked.number} ({entry.asked.name}): {entry.outcome.kind} "
        f"{entry.outcome.status} {entry.outcome.code}"
        for entry in entries
        if entry.phase == "last"
        and entry.outcome.kind is not Kind.COMPLETE
        and not entry.asked.name.startswith(METERED)
    ]
    violations += [
        f"{provider} had {evidence.places.get(provider)} calls at once of {places}"
        for provider, places in PLACES.items()
        if evidence.places.get(provider) != places
    ]
    return check(
        "last of all, every target takes and answers as many requests as it has places",
        ", ".join(f"{name} {count}" for name, count in evidence.places.items()),
        violations,
    )


def ended_well(evidence: Evidence) -> Check:
    """The gateway stops when it is told to, and the providers saw nothing malformed."""
    violations = list(evidence.provider_failures)
    if evidence.exit_status != 0:
        violations.append(f"the exit status is {evidence.exit_status}")
    return check("the gateway stops in good order", f"status {evidence.exit_status}", violations)
