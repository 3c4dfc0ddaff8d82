"""Figures of many."""

import math
from collections.abc import Sequence


def quantile(figures: Sequence[float], share: float) -> float:
    """The figure that this share of them is not above; 0 for none."""
    if not figures:
        return 0.0
    return sorted(figures)[max(0, math.ceil(share * len(figures)) - 1)]
