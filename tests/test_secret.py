import copy
import dataclasses
import json
import logging
import pickle
import pprint
import sys
import traceback
from dataclasses import dataclass

import orjson
import pytest

from llm_gateway.secret import Secret

TEXT = "sk-canary-0123456789"
MASKED = "***782a873f"


def test_reveal_gives_the_text() -> None:
    assert Secret(TEXT).reveal() == TEXT


def test_masked_is_three_stars_and_the_start_of_the_sha256() -> None:
    assert Secret(TEXT).masked == MASKED


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (str(Secret(TEXT)), MASKED),
        (repr(Secret(TEXT)), f"Secret({MASKED})"),
        (f"{Secret(TEXT)}", MASKED),
        (f"{Secret(TEXT):>13}", f"  {MASKED}"),
        (f"{Secret(TEXT)!r}", f"Secret({MASKED})"),
        (f"{[Secret(TEXT)]}", f"[Secret({MASKED})]"),
    ],
)
def test_every_rendering_is_masked(shown: str, expected: str) -> None:
    assert shown == expected


def test_a_dataclass_around_it_is_masked_too() -> None:
    @dataclass(frozen=True)
    class Holder:
        key: Secret

    assert TEXT not in repr(Holder(Secret(TEXT)))


def test_equal_texts_are_equal_and_hash_alike() -> None:
    assert Secret(TEXT) == Secret(TEXT)
    assert len({Secret(TEXT), Secret(TEXT)}) == 1


@pytest.mark.parametrize("other", [Secret(TEXT + "0"), Secret(""), TEXT, None])
def test_other_values_differ(other: object) -> None:
    assert Secret(TEXT) != other


def test_copies_are_the_secret_itself() -> None:
    secret = Secret(TEXT)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_raises(protocol: int) -> None:
    with pytest.raises(TypeError, match=r"^a Secret cannot be pickled$"):
        pickle.dumps(Secret(TEXT), protocol)


def test_its_state_cannot_be_asked_for() -> None:
    with pytest.raises(TypeError, match=r"^a Secret cannot be pickled$"):
        Secret(TEXT).__getstate__()


def test_json_raises_without_the_text() -> None:
    with pytest.raises(TypeError) as caught:
        json.dumps({"key": Secret(TEXT)})
    assert TEXT not in str(caught.value)


def test_it_has_no_attribute_dictionary() -> None:
    with pytest.raises(TypeError):
        vars(Secret(TEXT))


def test_bytes_that_are_not_utf8_in_the_environment_are_no_obstacle() -> None:
    assert Secret("key\udcff") == Secret("key\udcff")


@pytest.mark.parametrize(
    ("written", "reads"),
    [
        ("a+b/c&d", "a+b/c&d"),
        ("a%2Bb%2Fc%26d", "a%2Bb%2Fc%26d"),
        ("a%2bb%2fc%26d", "a%2bb%2fc%26d"),
        ("a%2Bb/c%26d", "a%2Bb/c%26d"),
        (r"a+b\/c&d", "a+b/c&d"),
        (r"a\u002Bb/c\u0026d", "a+b/c&d"),
        (r"a\u002bb\/c\u0026d", "a+b/c&d"),
    ],
)
def test_it_knows_how_else_it_is_written(written: str, reads: str) -> None:
    assert Secret("a+b/c&d").spellings[written] == reads


def test_a_plain_key_is_written_in_one_way() -> None:
    assert Secret("sk-Plain_0123.x~").spellings == {"sk-Plain_0123.x~": "sk-Plain_0123.x~"}


def test_spellings_are_looked_for_from_the_longest_on() -> None:
    lengths = [len(each) for each in Secret('a"b+c/\u00e9').spellings]
    assert lengths == sorted(lengths, reverse=True)


@dataclass(frozen=True)
class _Holder:
    key: Secret
    keys: list[Secret]


HOLDER = _Holder(Secret(TEXT), [Secret(TEXT)])


def _failing() -> None:
    key, holder = Secret(TEXT), HOLDER
    raise RuntimeError(f"{key} {holder}")


def _traceback_with_locals() -> str:
    """As rich and cgitb print it."""
    try:
        _failing()
    except RuntimeError:
        kind, error, trace = sys.exc_info()
        assert kind is not None
        told = traceback.TracebackException(kind, error or kind(), trace, capture_locals=True)
        return "".join(told.format())
    raise AssertionError("it did not fail")


@pytest.mark.parametrize(
    "told",
    [
        repr(dataclasses.asdict(HOLDER)),
        repr(dataclasses.astuple(HOLDER)),
        repr(dataclasses.replace(HOLDER)),
        repr(vars(HOLDER)),
        pprint.pformat(HOLDER),
        "{!r} {}".format({"a": [Secret(TEXT)]}, (Secret(TEXT),)),
        orjson.dumps(HOLDER, default=str).decode(),
        orjson.dumps({"a": Secret(TEXT)}, default=repr).decode(),
        json.dumps({"a": Secret(TEXT)}, default=str),
        _traceback_with_locals(),
        logging.LogRecord("n", 20, "f", 1, "%s %r", (HOLDER, Secret(TEXT)), None).getMessage(),
    ],
)
def test_nothing_that_prints_whole_objects_shows_it(told: str) -> None:
    assert MASKED in told
    assert TEXT not in told


def test_orjson_raises_without_the_text() -> None:
    with pytest.raises(TypeError) as caught:
        orjson.dumps({"key": Secret(TEXT)})
    assert TEXT not in str(caught.value)
