"""What a provider wants to see again and a client does not know of.

Some providers sign their tool calls or their thinking and refuse the next turn when the signature
is missing (Gemini's ``thoughtSignature``, Anthropic's thinking blocks). OpenAI's format has no
place for it, and clients drop keys that they do not know. So it is remembered here, by the id of
the tool call, which clients do send back.

The memory is bounded: the least recently used entries are forgotten. It does not outlive the
process; each format knows what to send when nothing is remembered.
"""

from collections import OrderedDict

MAX_ENTRIES = 10_000
MAX_CHARACTERS = 32 * 1024 * 1024


class Memory:
    """Texts by provider and id."""

    def __init__(
        self, max_entries: int = MAX_ENTRIES, max_characters: int = MAX_CHARACTERS
    ) -> None:
        self._max_entries = max_entries
        self._max_characters = max_characters
        self._characters = 0
        self._texts: OrderedDict[tuple[str, str], str] = OrderedDict()

    def keep(self, provider: str, id: str, text: str) -> None:
        """Remember ``text``, in place of what was remembered under this id."""
        self._forget((provider, id))
        if len(id) + len(text) > self._max_characters:
            return
        self._texts[provider, id] = text
        self._characters += len(id) + len(text)
        while len(self._texts) > self._max_entries or self._characters > self._max_characters:
            self._forget(next(iter(self._texts)))

    def recall(self, provider: str, id: str) -> str | None:
        """What was remembered, or None."""
        text = self._texts.get((provider, id))
        if text is not None:
            self._texts.move_to_end((provider, id))
        return text

    def _forget(self, key: tuple[str, str]) -> None:
        text = self._texts.pop(key, None)
        if text is not None:
            self._characters -= len(key[1]) + len(text)
