"""How long, how much, and the configuration that the gateway gets for it."""

import json
from dataclasses import dataclass

from support.fault_scene import KEY, TOKEN
from support.openai_shapes import JSONObject

MODEL = "soak"
"""What every provider but the metered one calls its model."""
TRIO = ("alpha", "beta", "gamma")
"""The providers that stand in for each other."""
SHARED = ("even", "first", "hedged", "unbroken")
"""The names whose targets are at all three of them."""
NARROW = "narrow"
METERED = "metered"
METERED_MODELS = ("one", "two")

PLACES = {**dict.fromkeys(TRIO, 48), NARROW: 3}
"""Calls that each of them takes at a time."""
NARROW_QUEUE = 16
"""Calls that may wait for the narrow one, and for how many seconds."""
QUEUE_SECONDS = 0.4
PER_MINUTE = {"one": 40}
"""Calls a minute that models of the metered provider take."""
PROVIDER_PER_MINUTE = 90
METERED_RATE = 4.0
"""Requests a second for metered models: more than twice what they take."""

MAX_ATTEMPTS = 6
DEADLINE = 10.0
FAILURES = 5
OPEN = 0.5
MAX_OPEN = 1.0
JITTER = 0.2
LONGEST_OPEN = MAX_OPEN * (1 + JITTER)
"""Seconds that a breaker stays open at most."""
RECOVERY = 2 * LONGEST_OPEN
"""Seconds after an outage from which on everything is answered."""
DRAIN = 2.0
KEEPALIVE = 1.0
"""Seconds that an idle connection to a provider is kept."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. Phases in seconds (``quiet`` at most), ``rate`` in requests a second.

    ``fault`` is how long one fault lasts in the chaos, ``bound`` the seconds in which all is over.
    """

    seed: int
    rate: float
    warm: float
    steady: float
    chaos: float
    fault: float
    outage: float
    recovery: float
    overload: float
    quiet: float
    bound: float
    rounds: int = 2


def full(seed: int, rate: float | None = None) -> Plan:
    """A few minutes."""
    return Plan(
        seed=seed,
        rate=rate or 60.0,
        warm=6.0,
        steady=15.0,
        chaos=36.0,
        fault=2.0,
        outage=8.0,
        recovery=6.0,
        overload=8.0,
        quiet=8.0,
        bound=240.0,
    )


def short(seed: int, rate: float | None = None) -> Plan:
    """Less than a minute."""
    return Plan(
        seed=seed,
        rate=rate or 20.0,
        warm=2.0,
        steady=2.0,
        chaos=6.0,
        fault=0.5,
        outage=3.0,
        recovery=3.5,
        overload=2.5,
        quiet=6.0,
        bound=120.0,
    )


def configuration(url: str, *, other: bool = False) -> str:
    """The gateway's configuration in front of the provider at ``url``.

    The ``other`` one differs in what may change under load: how a provider is connected to, so that
    its connections are made anew, how many calls another one takes, and how often is retried.
    """
    content = {
        "gateway": {
            "tokens": [TOKEN],
            "deadline": DEADLINE,
            "max_attempts": MAX_ATTEMPTS,
            "keepalive": "1s",
            "drain": DRAIN,
        },
        "retry": {
            "attempts": 2 if other else 3,
            "base": "50ms",
            "max": "400ms",
            "honour_retry_after": "1s",
        },
        "breaker": {
            "failures": FAILURES,
            "open": OPEN,
            "max_open": MAX_OPEN,
            "jitter": JITTER,
        },
        "providers": _providers(url, other=other),
        "routing": {"strategies": {"even": "round_robin"}},
        "models": _models(),
    }
    # JSON is YAML.
    return json.dumps(content)


def _providers(url: str, *, other: bool) -> JSONObject:
    http = {"first_event": 1.5, "answer": 2, "idle": 1, "connect": 1, "keepalive": KEEPALIVE}
    providers: JSONObject = {
        name: {"kind": "openai", "base_url": f"{url}/{name}/v1", "api_key": KEY, "http": http}
        for name in (*TRIO, NARROW, METERED)
    }
    for name, places in PLACES.items():
        providers[name]["throttle"] = {"max_concurrent": places}
    providers[NARROW]["throttle"] |= {"queue": NARROW_QUEUE, "queue_timeout": QUEUE_SECONDS}
    providers[METERED]["limits"] = {"minute": PROVIDER_PER_MINUTE}
    if other:
        providers[TRIO[1]]["http"] = {**http, "connect": 1.5}
        providers[NARROW]["throttle"]["max_concurrent"] -= 1
    return providers


def _models() -> list[JSONObject]:
    models: list[JSONObject] = []
    special: JSONObject = {
        "hedged": {"hedge": 0.4},
        "unbroken": {"resume": "prefill", "capabilities": ["chat", "prefill"]},
    }
    for name in SHARED:
        for place, provider in enumerate(TRIO):
            entry = {"name": name, "provider": provider, "model": MODEL, "priority": place + 1}
            models.append({**entry, **special.get(name, {})})
    models.append({"name": "narrow", "provider": NARROW, "model": MODEL})
    for model in METERED_MODELS:
        entry = {"name": f"metered-{model}", "provider": METERED, "model": model}
        limits = {"limits": {"minute": PER_MINUTE[model]}} if model in PER_MINUTE else {}
        models.append({**entry, **limits})
    return models
