"""Every target by its name."""

from collections.abc import Mapping
from types import MappingProxyType

from fuzz.target import Target
from fuzz.targets import (
    configuration,
    connections,
    door,
    flows,
    hints,
    keys,
    replies,
    requests,
    streams,
    texts,
    wire,
)

_MODULES = (
    streams,
    requests,
    replies,
    door,
    hints,
    configuration,
    texts,
    flows,
    wire,
    connections,
    keys,
)

TARGETS: Mapping[str, Target] = MappingProxyType(
    {target.name: target for module in _MODULES for target in module.TARGETS}
)
