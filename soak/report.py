"""What is told at the end."""

from collections import Counter
from collections.abc import Iterator, Sequence

from soak.checks import Check
from soak.evidence import Evidence, Kind, Span, Vitals
from soak.figures import quantile

SHOWN = 8
"""Violations of one invariant that are told."""

_HEAD = (
    f"{'phase':<12}{'s':>6}{'asked':>7}{'whole':>7}{'refused':>8}{'broken':>7}{'left':>6}"
    f"{'wrong':>6}{'p50 ms':>8}{'p99 ms':>8}{'calls':>7}{'cpu':>6}{'lag ms':>8}{'stall ms':>9}"
    f"{'MiB':>6}"
)


def told(evidence: Evidence, checks: Sequence[Check]) -> str:
    """The phases, the invariants, and the sum of it."""
    return "\n".join([*_phases(evidence), "", *_invariants(checks)])


def _phases(evidence: Evidence) -> Iterator[str]:
    yield _HEAD
    before: Vitals | None = None
    for span, vitals in zip(evidence.spans, evidence.vitals, strict=True):
        yield _phase(evidence, span, before, vitals)
        before = vitals


def _phase(evidence: Evidence, span: Span, before: Vitals | None, vitals: Vitals) -> str:
    entries = [each for each in evidence.entries if span.began <= each.began < span.ended]
    kinds = Counter(outcome.kind for each in entries for outcome in each.outcomes)
    firsts = [o.first * 1000 for each in entries for o in each.outcomes if o.first is not None]
    calls = sum(span.began <= call.began < span.ended for call in evidence.calls)
    counts = "".join(
        f"{kinds[kind]:>{width}}" for kind, width in zip(Kind, (7, 8, 7, 6, 6), strict=True)
    )
    cpu = "" if before is None else f"{(vitals.cpu - before.cpu) / (vitals.at - before.at):.0%}"
    return (
        f"{span.name + ' ' + str(span.round):<12}{span.ended - span.began:>6.1f}{len(entries):>7}"
        f"{counts}{quantile(firsts, 0.5):>8.0f}{quantile(firsts, 0.99):>8.0f}{calls:>7}"
        f"{cpu:>6}{vitals.lag * 1000:>8.0f}{span.stall * 1000:>9.0f}{vitals.rss / 2**20:>6.0f}"
    )


def _invariants(checks: Sequence[Check]) -> Iterator[str]:
    for each in checks:
        yield f"{'ok  ' if each.holds else 'FAIL'} {each.name} [{each.seen}]"
        yield from (f"       {violation}" for violation in each.violations[:SHOWN])
        if len(each.violations) > SHOWN:
            yield f"       and {len(each.violations) - SHOWN} more"
    failed = sum(not each.holds for each in checks)
    yield ""
    yield (
        f"{len(checks)} invariants, {failed} violated"
        if failed
        else f"{len(checks)} invariants hold"
    )
