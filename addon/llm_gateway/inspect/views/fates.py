"""What became of each field of a client's request in the request to a provider, and why.

The reasons are those of the provider's table (:mod:`llm_gateway.adapters.fields`), which is what
the adapters obey. Where the table does not say where a field went, an equal value elsewhere does.
"""

import enum
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

import orjson

from llm_gateway.adapters.fields import Fate, Fields, Rule, Table, asks_nothing
from llm_gateway.inspect.views.pieces import in_short
from llm_gateway.inspect.views.text import one_line

_BRIEF = 60
"""Characters of a value in a sentence."""
_DEPTH = 3
"""Objects within each other that are looked at for the place of a field."""
_WORD = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_CODE = re.compile(r"`[^`]*`")
_FEW_WORDS = 2
"""Outside of its code, a note has so many where it only names a place."""
_DOT = re.compile(r"\.")
_INDEX = re.compile(r"\[\d+\]")
_TRIVIAL: tuple[object, ...] = (None, True, False, 0, 1, "", [], {})
"""Values that are equal by chance."""
_COUNTS = "stream_options"
_COUNTED = "asked for by the gateway, which counts the tokens"
_OMITTED = "not sent: the model's `omit` names it, or the request was edited by hand"
_LEFT_OUT = "left out"
_UNKNOWN = "this provider does not know it"

type JSONObject = Mapping[str, Any]


_NO_TABLE: Table = {"*": Rule(Fate.PASSED)}


class Sort(enum.StrEnum):
    """What can become of a field; the value is the headline over all of them."""

    PASSED = "Passed as they are"
    MOVED = "Renamed or moved"
    CHANGED = "Changed"
    TRANSLATED = "Said in the provider's own way"
    DROPPED = "Dropped"
    IDLE = "Left out, for they ask for what happens anyway"
    ADDED = "Added by the gateway"


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one field: ``said`` names it, ``why`` is a phrase, where there is one."""

    sort: Sort
    said: str
    why: str = ""


def changes(
    asked: JSONObject,
    sent: JSONObject,
    table: Table | None,
    dropped: Sequence[str] = (),
    model: str = "",
) -> list[Change]:
    """What became of every field of ``asked`` in ``sent``, and what was added.

    ``dropped`` are the places that the gateway noted, ``model`` is the provider's name of the
    model, should it stand in the address. Without a table places are found by equal values alone.
    """
    return [*_Comparison(asked, sent, table or _NO_TABLE, dropped, model).run()]


class _Comparison:
    """See :func:`changes`."""

    def __init__(
        self,
        asked: JSONObject,
        sent: JSONObject,
        table: Table,
        dropped: Sequence[str],
        model: str,
    ) -> None:
        self._asked = asked
        self._sent = sent
        self._fields = Fields(table)
        self._dropped = dropped
        self._model = model
        self._places = dict(_flat(sent))
        self._alike: defaultdict[bytes, list[str]] = defaultdict(list)
        """The places where a value stands that the client's request has not at that place."""
        for place in self._places.keys() - asked.keys():
            self._alike[_written(self._places[place])].append(place)
        self._claimed: set[str] = set()

    def run(self) -> Iterator[Change]:
        for name, value in self._asked.items():
            yield self._field(name, value)
        yield from self._dropped_below()
        yield from self._added()

    def _field(self, name: str, value: object) -> Change:
        rule = self._fields.rule(name)
        if name in self._sent:
            return self._under_its_name(name, value, rule)
        if name == "model" and self._model:
            return self._model_elsewhere(value, rule)
        if value is None or name in self._dropped:
            return self._gone(name, value, rule)
        places = [rule.to] if rule.to in self._sent else self._places_of(name, value, rule)
        return self._moved(name, value, places, rule) if places else self._gone(name, value, rule)

    def _model_elsewhere(self, value: object, rule: Rule) -> Change:
        if value == self._model:
            return Change(Sort.MOVED, "model", rule.note)
        return Change(Sort.CHANGED, f"model: {_from_to(value, self._model)}", rule.note)

    def _under_its_name(self, name: str, value: object, rule: Rule) -> Change:
        self._claimed.add(name)
        sent = self._sent[name]
        if sent == value:
            return Change(Sort.PASSED, name)
        why = rule.note or self._why_added(name)
        if name == _COUNTS and _asks_for_usage(sent) and not _asks_for_usage(value):
            why = _COUNTED
        also: list[str] = []
        if isinstance(value, list | dict):
            also = [each for each in self._mentioned(rule.note) if each not in self._asked]
            self._claimed.update(also)
        places = f"{name} → {', '.join([name, *also])}" if also else name
        return Change(Sort.CHANGED, f"{places}: {_from_to(value, sent)}", why)

    def _moved(self, name: str, value: object, places: Sequence[str], rule: Rule) -> Change:
        self._claimed.update(places)
        said = f"{name} → {', '.join(places)}"
        sent = self._places[places[0]]
        if len(places) == 1 and sent != value:
            said = f"{said}: {_from_to(value, sent)}"
        # A renamed field's note is of where it is not given.
        explains = not rule.to and _says_more(rule.note)
        return Change(Sort.MOVED, said, rule.note if explains else "")

    def _gone(self, name: str, value: object, rule: Rule) -> Change:
        """A field that is nowhere in what was sent."""
        if name not in self._dropped and (value is None or asks_nothing(name, value)):
            return Change(Sort.IDLE, f"{name}: {_brief(value)}")
        if name not in self._dropped and rule.fate is Fate.TRANSLATED:
            return Change(Sort.TRANSLATED, f"{name}: {_brief(value)}", rule.note)
        return Change(Sort.DROPPED, name, _why_dropped(rule))

    def _places_of(self, name: str, value: object, rule: Rule) -> list[str]:
        """Where a field went: where the table says, or where its value is."""
        mentioned = self._mentioned(rule.note) if rule.fate is Fate.TRANSLATED else []
        if mentioned:
            return mentioned
        if any(value is each or value == each for each in _TRIVIAL):
            return []
        equal = [each for each in self._alike[_written(value)] if each not in self._claimed]
        return equal if len(equal) == 1 else []

    def _mentioned(self, note: str) -> list[str]:
        """The places of the sent request that a note names."""
        words = dict.fromkeys(_WORD.findall(note))
        return [
            place
            for word in words
            for place in self._places
            if place == word or place.endswith(f".{word}")
        ]

    def _dropped_below(self) -> Iterator[Change]:
        """The places that were left out below the top level; those in several messages are one."""
        below = [place for place in self._dropped if place not in self._asked]
        for pattern, times in Counter(_INDEX.sub("[]", place) for place in below).items():
            rule = self._fields.rule(pattern)
            said = pattern if times == 1 else f"{pattern} ({times} times)"
            yield Change(Sort.DROPPED, said, _why_dropped(rule))

    def _added(self) -> Iterator[Change]:
        around = {each[: dot.start()] for each in self._claimed for dot in _DOT.finditer(each)}
        for place, value in self._unclaimed(self._sent, around):
            yield Change(Sort.ADDED, f"{place}: {_brief(value)}", self._why_added(place))

    def _unclaimed(
        self, value: JSONObject, around: Set[str], outer: str = ""
    ) -> Iterator[tuple[str, Any]]:
        """What stands at a place that no field of the client's went to.

        ``around`` are the places around those to which one went.
        """
        for name, inner in value.items():
            place = f"{outer}{name}"
            if place in self._claimed:
                continue
            if place in around and isinstance(inner, dict):
                yield from self._unclaimed(inner, around, f"{place}.")
            else:
                yield place, inner

    def _why_added(self, place: str) -> str:
        if place.partition(".")[0] == _COUNTS:
            return _COUNTED
        rules = [(name, rule) for name, rule in self._fields.table.items() if rule.note]
        renamed = [rule.note for _, rule in rules if rule.to == place]
        own = [rule.note for name, rule in rules if name == place and rule.fate is not Fate.REFUSED]
        named = [
            (name not in self._asked, f"{name}: {rule.note}")
            for name, rule in rules
            if rule.fate is Fate.TRANSLATED and place in _WORD.findall(rule.note)
        ]
        # A field that the client gave explains more than one that it did not.
        explained = [note for _, note in sorted(named)]
        return next(iter([*renamed, *own, *explained]), "")


def _why_dropped(rule: Rule) -> str:
    if rule.fate in (Fate.PASSED, Fate.RENAMED):
        return _OMITTED
    if rule.fate is Fate.TRANSLATED and _LEFT_OUT not in rule.note:
        return f"{rule.note}; or the model's `omit` names it"
    return rule.note or _UNKNOWN


def _flat(value: JSONObject, around: str = "", depth: int = _DEPTH) -> Iterator[tuple[str, Any]]:
    """Every place in objects within objects, and what stands there; the outer ones first."""
    for name, inner in value.items():
        yield f"{around}{name}", inner
        if isinstance(inner, dict) and depth > 1:
            yield from _flat(inner, f"{around}{name}.", depth - 1)


def _written(value: object) -> bytes:
    """The same for equal values, but for ``2`` and ``2.0``."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _asks_for_usage(value: object) -> bool:
    return isinstance(value, dict) and value.get("include_usage") is True


def _says_more(note: str) -> bool:
    """Whether a note says more than the name of a place."""
    return len(_CODE.sub("", note).split()) > _FEW_WORDS


def _from_to(before: object, after: object) -> str:
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        changed = sum(one != other for one, other in zip(before, after, strict=True))
        some = f"{changed} of them changed" if changed < len(before) else "changed inside"
        return f"{_brief(before)}, {some}"
    first, second = _brief(before), _brief(after)
    return f"{first} → {second}" if first != second else f"{first}, changed inside"


def _brief(value: object) -> str:
    if isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        return "1 entry" if len(value) == 1 else f"{len(value)} entries"
    return one_line(in_short(value), _BRIEF)
