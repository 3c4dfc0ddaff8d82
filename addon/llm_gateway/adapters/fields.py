"""What becomes of each field of a client's request: data, obeyed here and printed in the docs.

A kind of provider has one table for chat completions and, if it draws, one for pictures: a
:class:`Rule` for each field of OpenAI's API. What a rule says is what happens:

- ``PASSED``: sent under its own name.
- ``RENAMED``: sent under the name ``to``.
- ``TRANSLATED``: sent in the provider's own way, which ``note`` describes.
- ``DROPPED``: left out, because it only hints; the answer's headers name it.
- ``REFUSED``: a 400 that names it, because the answer would not be what was asked for.

Top-level fields are looked up by name, what stands deeper by a pattern such as
``messages[].content[].input_audio``. What the table does not list falls under the star of where it
begins, ``messages[].*`` for one, or else under ``*``. Null, and a value that asks for what happens
anyway (:data:`NEUTRAL`), is no demand at all, and neither reported nor refused.
"""

import enum
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from llm_gateway import faults
from llm_gateway.adapters.allowance import Allowance
from llm_gateway.errors import UpstreamUnsupported, shown


class Fate(enum.StrEnum):
    """What becomes of a field."""

    PASSED = "passed"
    RENAMED = "renamed"
    TRANSLATED = "translated"
    DROPPED = "dropped"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Rule:
    """A field's fate. ``to`` is a renamed field's new name, ``note`` a phrase for the docs."""

    fate: Fate
    note: str = ""
    to: str = ""


PASSED = Rule(Fate.PASSED)


def renamed(to: str, note: str = "") -> Rule:
    """Sent under the name ``to``."""
    return Rule(Fate.RENAMED, note, to)


def translated(note: str) -> Rule:
    """Sent in the provider's own way."""
    return Rule(Fate.TRANSLATED, note)


def dropped(note: str = "") -> Rule:
    """Left out and reported."""
    return Rule(Fate.DROPPED, note)


def refused(note: str = "") -> Rule:
    """A 400; ``note`` ends the sentence "… is not supported by this provider: …"."""
    return Rule(Fate.REFUSED, note)


PICTURE_HINTS = (
    "complexity",
    "moderation",
    "output_compression",
    "output_format",
    "partial_images",
    "quality",
    "safety_identifier",
    "style",
    "user",
    "*",
)
"""What a request for pictures wishes for besides, for providers that know none of it."""

type Table = Mapping[str, Rule]

NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "frequency_penalty": (0,),
    "function_call": ("auto", "none"),
    "functions": ([],),
    "logit_bias": ({},),
    "logprobs": (False,),
    "metadata": ({},),
    "modalities": (["text"],),
    "n": (1,),
    "parallel_tool_calls": (True,),
    "presence_penalty": (0,),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "stop": ([],),
    "store": (False,),
    "stream": (False,),
    "stream_options": ({}, {"include_usage": False}),
    "top_logprobs": (0,),
    "tools": ([],),
    "verbosity": ("medium",),
    "background": ("auto",),
    "moderation": ("auto",),
    "partial_images": (0,),
    "quality": ("auto",),
    "size": ("auto",),
    "messages[].annotations": ([],),
    "messages[].content[].image_url.detail": ("auto",),
    # Providers do not keep to a schema to the letter unless they are told to.
    "tools[].function.strict": (False,),
    "response_format.json_schema.strict": (False,),
}
"""Values that ask for the default, by the pattern of their field."""


class Fields:
    """One request's way through a table: decides on each field, and notes what was dropped."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.allowance = Allowance()
        """What is left of what the request may grow by."""
        self.dropped: list[str] = []
        """The places that were left out, each once, in the order they were met."""
        # Fast, however many fields a client makes up.
        self._noted: set[str] = set()

    def sift(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The top-level fields that are to be sent, renamed where the table says so.

        Raises UpstreamUnsupported for one that is refused, RequestError where two of them say the
        same thing.
        """
        sent: dict[str, Any] = {}
        for name, value in body.items():
            pattern = name if name.isidentifier() else "*"
            if not self.takes(pattern, shown(name), value):
                continue
            to = self.rule(pattern).to or name
            if value is None:
                sent.setdefault(to, None)
            elif sent.get(to) in (None, value):
                sent[to] = value
            else:
                raise faults.invalid_value(shown(name), f"it or '{shown(to)}', not both")
        return sent

    def further(
        self, values: Mapping[str, Any], known: Collection[str], where: str, pattern: str
    ) -> dict[str, Any]:
        """The entries of an object beyond the known ones that are to be sent.

        The object stands at ``where``, which as a pattern is ``pattern``; the row of a key is
        looked up below it. Raises UpstreamUnsupported for one that is refused.
        """
        return {
            key: value
            for key, value in values.items()
            if key not in known
            and value is not None
            and self.takes(
                f"{pattern}.{key if key.isidentifier() else '*'}", f"{where}.{shown(key)}", value
            )
        }

    def takes(self, pattern: str, where: str, value: object = ...) -> bool:
        """Whether what stands at ``where`` is to be sent.

        ``pattern`` is its row in the table; see the module for those that the table does not list.
        What is dropped is noted. Raises UpstreamUnsupported for what is refused.
        """
        rule = self.rule(pattern)
        if rule.fate not in {Fate.DROPPED, Fate.REFUSED}:
            return True
        if value is None or asks_nothing(pattern, value):
            return False
        if rule.fate is Fate.REFUSED:
            raise unsupported(where, rule.note)
        self.drop(where)
        return False

    def drop(self, where: str) -> None:
        """Note that what stands at ``where`` is left out."""
        if where not in self._noted:
            self._noted.add(where)
            self.dropped.append(where)

    def rule(self, pattern: str) -> Rule:
        """The row that decides on what this pattern names."""
        below = f"{pattern.partition('.')[0]}.*"
        return self.table.get(pattern) or self.table.get(below) or self.table["*"]


def asks_nothing(pattern: str, value: object) -> bool:
    """Whether a field's value asks for what happens without it."""
    return any(_same(value, neutral) for neutral in NEUTRAL.get(pattern, ()))


def _same(value: object, neutral: object) -> bool:
    # True is 1 to Python, and it is not to JSON.
    return value == neutral and isinstance(value, bool) == isinstance(neutral, bool)


def unsupported(where: str, note: str = "") -> UpstreamUnsupported:
    """The refusal of what the provider cannot do."""
    return UpstreamUnsupported(
        f"'{where}' is not supported by this provider{': ' if note else ''}{note}.", param=where
    )


def rules(rule: Rule, names: Iterable[str]) -> dict[str, Rule]:
    """The same rule for several fields."""
    return dict.fromkeys(names, rule)
