"""The check of what mitmweb keeps finds memory that grows, and flows that stay."""

from soak.keeping import KEEP, MOST_GROWTH, ROUND, WARM, Look, judge, told

MEGABYTE = 2**20


def looks(growth: float = 0.0, *, more: int = 0) -> list[Look]:
    """A run of 5,000 exchanges whose memory grows so much after the warm-up."""
    return [
        Look(
            exchanges=count,
            rss=int(100 * MEGABYTE + growth * max(0, count - WARM) / (5000 - WARM)),
            cpu=count * 0.005,
            flows=min(2 * count, KEEP + more),
        )
        for count in range(0, 5001, ROUND)
    ]


def failed(growth: float = 0.0, *, more: int = 0, keep: int = KEEP) -> list[str]:
    return [each.name for each in judge(looks(growth, more=more), keep) if not each.holds]


def test_flat_memory_is_good() -> None:
    assert failed() == failed(MOST_GROWTH) == []


def test_memory_that_grows_is_not() -> None:
    assert failed(MOST_GROWTH + MEGABYTE) == ["memory"]


def test_only_a_few_live_flows_may_be_there_beside_those_that_are_kept() -> None:
    assert failed(more=8) == []
    assert failed(more=9) == ["flows"]
    assert failed(more=9, keep=0) == []


def test_every_look_is_told() -> None:
    seen = looks()
    lines = told(seen, judge(seen, KEEP)).splitlines()
    assert len(lines) == 1 + len(seen) + 2
    assert lines[2].split() == ["250", "500", "100.0", "5.0"]
    assert lines[-1].startswith("ok")
