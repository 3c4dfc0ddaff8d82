"""Tokens as Anthropic counts them: what was cached is not among ``input_tokens``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_gateway.adapters.answers import Tokens
from llm_gateway.adapters.translating import object_in

_INPUT = "input_tokens"
_WRITTEN = "cache_creation_input_tokens"
_READ = "cache_read_input_tokens"
_OUTPUT = "output_tokens"
_THOUGHT = "thinking_tokens"


@dataclass(slots=True)
class Counter:
    """Takes the usage objects of one answer. Their counts are cumulative: the highest counts."""

    counts: dict[str, int] = field(default_factory=dict)

    def add(self, usage: Mapping[str, Any]) -> None:
        """One usage object; what is no count in it is ignored."""
        details = object_in(usage, "output_tokens_details")
        for name, value in {**usage, _THOUGHT: details.get(_THOUGHT)}.items():
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                self.counts[name] = max(value, self.counts.get(name, 0))

    def tokens(self) -> Tokens | None:
        """The account so far, None if nothing was counted."""
        counts = self.counts
        if not counts.keys() & {_INPUT, _OUTPUT}:
            return None
        return Tokens(
            prompt=sum(counts.get(name, 0) for name in (_INPUT, _WRITTEN, _READ)),
            completion=counts.get(_OUTPUT, 0),
            cached=counts.get(_READ),
            reasoning=counts.get(_THOUGHT),
        )
