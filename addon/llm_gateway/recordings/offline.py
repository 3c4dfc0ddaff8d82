"""The configuration by which recordings are served, and nothing else."""

from collections.abc import Sequence
from dataclasses import replace
from types import MappingProxyType

from llm_gateway.adapters.openai import recorded
from llm_gateway.config import (
    BREAKER_NONE,
    Capability,
    Config,
    Http,
    Model,
    Provider,
    RetryPolicy,
    Routing,
)
from llm_gateway.config.scalars import upstream_model

_DAY = 24 * 60 * 60.0
"""Seconds in which what was recorded has come, whatever the time limits were then."""
_HTTP = Http(first_event=_DAY, answer=_DAY, idle=_DAY)
_ONCE = RetryPolicy(attempts=1, fallback_on=frozenset())
_PROVIDER = Provider(
    name=recorded.NAME,
    kind=recorded.NAME,
    base_url="http://recording.invalid/v1",
    http=_HTTP,
    off=None,
    retry=_ONCE,
    breaker=BREAKER_NONE,
)
_NAMELESS = "recorded"
"""What the model is called of requests that named none."""


def offline(config: Config, names: Sequence[str]) -> Config:
    """The same front door, with recordings of these models in place of all providers.

    Other names are served, too, so that they are told what was recorded instead. Nothing passes to
    other hosts.
    """
    usable = [name for name in names if _is_usable(name)] or [_NAMELESS]
    return replace(
        config,
        gateway=replace(config.gateway, passthrough=False),
        providers=MappingProxyType({_PROVIDER.name: _PROVIDER}),
        models=tuple(map(_model, usable)),
        warnings=tuple(each for each in config.warnings if each.startswith("gateway")),
        routing=Routing(),
        others=usable[0],
    )


def _model(name: str) -> Model:
    return Model(
        name=name,
        provider=_PROVIDER.name,
        model=name,
        size=None,
        priority=1,
        capabilities=frozenset({Capability.CHAT, Capability.IMAGE}),
        http=_HTTP,
        retry=_ONCE,
        breaker=BREAKER_NONE,
    )


def _is_usable(name: str) -> bool:
    """Whether it may stand in headers; others were refused when they were recorded."""
    try:
        upstream_model(name)
    except ValueError:
        return False
    return True
