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
_HOUR = "ephemeral_1h_input_tokens"
_SEARCHES = "web_search_requests"

_USUAL = {
    "service_tier": (None, "standard"),
    "speed": (None, "standard"),
    "inference_geo": (None, "", "global", "not_available"),
}
"""What has another price otherwise: https://platform.claude.com/docs/en/about-claude/pricing"""


@dataclass(slots=True)
class Counter:
    """Takes the usage objects of one answer. Their counts are cumulative: the highest counts."""

    counts: dict[str, int] = field(default_factory=dict)
    special: bool = False

    def add(self, usage: Mapping[str, Any]) -> None:
        """One usage object; what is no count in it is ignored."""
        nested = {
            _THOUGHT: object_in(usage, "output_tokens_details").get(_THOUGHT),
            _HOUR: object_in(usage, "cache_creation").get(_HOUR),
            _SEARCHES: object_in(usage, "server_tool_use").get(_SEARCHES),
        }
        for name, value in {**usage, **nested}.items():
            if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
                self.counts[name] = max(value, self.counts.get(name, 0))
        if any(usage.get(name) not in usual for name, usual in _USUAL.items()):
            self.special = True

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
            written=counts.get(_WRITTEN, 0),
            written_for_an_hour=counts.get(_HOUR, 0),
            special=self.special or counts.get(_SEARCHES, 0) > 0,
        )
