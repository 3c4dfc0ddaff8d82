"""Inputs made of others, by their shape: one thing in a JSON value or in a stream is changed.

Bytes flipped at random leave JSON that is none, and so never get past the first line of a reader.
"""

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any

import orjson

from fuzz.target import Shape, Target

MOST_WORDS = 2000
_DEEPEST = 300
_STRANGE: Sequence[Any] = (
    *(None, True, False, 0, 1, -1, 2**31, 2**53 + 1, 2**63, 2**64 - 1, -(2**63)),
    *(
        0.5,
        1e308,
        -1e-308,
        "",
        " ",
        "0",
        "-1",
        "null",
        "NaN",
        "é",
        "😀",
        "\0",
        "\n",
        "\r\n",
        "\u2028",
    ),
    *("a" * 300, "../..", "%2e%2e", "?", "#", "data:image/png;base64,AAAA", "[DONE]", "{}", "[1]"),
    *([], {}, [[]], [None], [{}], {"": None}, {"error": {"message": "No."}}),
)

type Mutate = Callable[[bytes, Random], bytes]
type Place = tuple[Any, Any]


class Mutator:
    """Mutates the inputs of one target. ``words`` are the keys and strings of known inputs."""

    def __init__(self, target: Target, words: Sequence[str], plainly: Mutate) -> None:
        """``plainly`` mutates bytes as bytes."""
        self._target = target
        self._words = words or ("a",)
        self._plainly = plainly

    def __call__(self, data: bytes, longest: int, random: Random) -> bytes:
        """Another input, of at most ``longest`` bytes."""
        choices, rest = data[: self._target.choices], data[self._target.choices :]
        if choices and random.random() < 0.1:
            at = random.randrange(len(choices))
            choices = choices[:at] + random.randbytes(1) + choices[at + 1 :]
        if random.random() < 0.02:
            return (choices + _pumped(rest, longest, random))[:longest]
        changed = self._by_shape(rest, random) if random.random() < 0.75 else None
        made = choices + (self._plainly(rest, random) if changed is None else changed)
        return made[:longest]

    def _by_shape(self, data: bytes, random: Random) -> bytes | None:
        if self._target.shape is Shape.JSON:
            return self._json(data, random)
        return self._events(data, random) if self._target.shape is Shape.EVENTS else None

    def _json(self, data: bytes, random: Random) -> bytes | None:
        try:
            value = [orjson.loads(data)]
            for _ in range(random.choice((1, 1, 1, 2, 4))):
                self._disturb(random, value)
            return orjson.dumps(value[0])
        except (orjson.JSONDecodeError, RecursionError, TypeError):
            # It is none, or nested deeper than can be written.
            return None

    def _disturb(self, random: Random, value: list[Any]) -> None:
        places = [*_places(value)]
        container, key = random.choice(places)
        _CHANGES[random.randrange(len(_CHANGES))](random, places, (container, key), self._words)

    def _events(self, data: bytes, random: Random) -> bytes | None:
        blocks = data.split(b"\n\n")
        at = random.randrange(len(blocks))
        way = random.randrange(8)
        if way == 0:
            del blocks[at]
        elif way == 1:
            blocks.insert(random.randrange(len(blocks) + 1), blocks[at])
        elif way == 2:
            other = random.randrange(len(blocks))
            blocks[at], blocks[other] = blocks[other], blocks[at]
        elif way == 3:
            blocks.insert(
                at, random.choice((b": ping", b"data: [DONE]", b"event: error", b"id: 1"))
            )
        else:
            changed = self._event(blocks[at], random)
            if changed is None:
                return None
            blocks[at] = changed
        return b"\n\n".join(blocks)

    def _event(self, block: bytes, random: Random) -> bytes | None:
        head, data, value = block.partition(b"data:")
        changed = self._json(value, random)
        return None if changed is None else head + data + b" " + changed


def words_of(seeds: Iterable[bytes], target: Target) -> list[str]:
    """The target's words, and the keys and short strings of its inputs."""
    found: dict[str, None] = dict.fromkeys(target.words)
    for seed in seeds:
        for text in _texts(seed[target.choices :], target.shape):
            found[text] = None
            if len(found) >= MOST_WORDS:
                return [*found]
    return [*found]


def flipped(data: bytes, random: Random) -> bytes:
    """Some bytes changed, gone or more: the plain mutation where there is no atheris."""
    made = bytearray(data)
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(made) + 1)
        end = min(len(made), at + random.choice((0, 1, 1, 2, 8)))
        made[at:end] = random.choice((b"", random.randbytes(1), made[at:end] * 2, b"\n", b'"'))
    return bytes(made)


def _pumped(data: bytes, longest: int, random: Random) -> bytes:
    """A piece of it again and again: what takes quadratic time does so now."""
    at = random.randrange(len(data) + 1)
    piece = data[at : at + random.choice((1, 2, 3, 8, 30))] or b"a"
    return data[:at] + piece * (longest // len(piece)) + data[at:]


def _texts(data: bytes, shape: Shape) -> Iterator[str]:
    blocks = data.split(b"\n\n") if shape is Shape.EVENTS else [data]
    for block in blocks if shape is not Shape.BYTES else ():
        try:
            value = orjson.loads(block.rpartition(b"data:")[2] if shape is Shape.EVENTS else block)
        except orjson.JSONDecodeError:
            continue
        for container, key in _places([value]):
            yield from (text for text in (key, container[key]) if _is_word(text))


def _is_word(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 40


def _places(value: Any) -> Iterator[Place]:
    """Every container in a value, with each of its keys or indexes."""
    if isinstance(value, dict | list):
        for key in [*value] if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from _places(value[key])


def _strange(random: Random) -> Any:
    return copy.deepcopy(random.choice(_STRANGE))


type _Change = Callable[[Random, Sequence[Place], Place, Sequence[str]], None]


def _replace(random: Random, _: Sequence[Place], place: Place, words: Sequence[str]) -> None:
    container, key = place
    container[key] = _strange(random) if random.random() < 0.7 else random.choice(words)


def _remove(_: Random, places: Sequence[Place], place: Place, __: Sequence[str]) -> None:
    container, key = place
    if place is not places[0] and container is not places[0][0]:
        del container[key]


def _copy(random: Random, places: Sequence[Place], place: Place, _: Sequence[str]) -> None:
    """What stands elsewhere, here."""
    (source, name), (container, key) = random.choice(places), place
    container[key] = copy.deepcopy(source[name])


def _double(random: Random, _: Sequence[Place], place: Place, words: Sequence[str]) -> None:
    container, key = place
    inner = container[key]
    if isinstance(inner, list) and inner:
        inner.insert(random.randrange(len(inner) + 1), copy.deepcopy(random.choice(inner)))
    elif isinstance(inner, dict):
        inner[random.choice(words)] = _strange(random)
    elif isinstance(inner, str):
        container[key] = inner * random.choice((2, 3, 50))


def _nest(random: Random, _: Sequence[Place], place: Place, words: Sequence[str]) -> None:
    container, key = place
    for _level in range(random.choice((1, 1, 2, 60, 130, _DEEPEST // 2))):
        inner = container[key]
        container[key] = [inner] if random.random() < 0.5 else {random.choice(words): inner}


def _cut(random: Random, _: Sequence[Place], place: Place, words: Sequence[str]) -> None:
    container, key = place
    inner = container[key]
    if isinstance(inner, str):
        at = random.randrange(len(inner) + 1)
        container[key] = (
            inner[:at] + random.choice(("", "\0", "é", random.choice(words))) + inner[at:][1:]
        )
    elif isinstance(inner, int):
        container[key] = float(inner) if random.random() < 0.5 else str(inner)


def _rename(random: Random, _: Sequence[Place], place: Place, words: Sequence[str]) -> None:
    container, key = place
    if isinstance(container, dict):
        container[random.choice(words)] = container.pop(key)


_CHANGES: Sequence[_Change] = (_replace, _replace, _remove, _copy, _double, _nest, _cut, _rename)
