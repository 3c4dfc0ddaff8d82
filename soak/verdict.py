"""Every invariant."""

from soak.afterwards import afterwards
from soak.checks import Check
from soak.evidence import Evidence
from soak.invariants import of_requests
from soak.pressure import under_pressure


def judge(evidence: Evidence) -> list[Check]:
    """What they all come to for this run."""
    return [*of_requests(evidence), *under_pressure(evidence), *afterwards(evidence)]
