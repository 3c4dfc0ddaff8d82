"""How much and how fast a target may be asked: quotas, breaker, cooldown, queue, retry budget."""
