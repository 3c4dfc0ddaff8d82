"""What is fuzzed holds for the inputs that fuzzing begins with, and for some made of them."""

from functools import cache
from random import Random

import pytest
from fuzz.mutation import Mutator, flipped, words_of
from fuzz.session import as_dictionary, outcome
from fuzz.target import CORPUS, Choices, Shape, Target
from fuzz.targets import TARGETS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

MOST_SEEDS = 40
"""Of each target: more are recorded, and other tests have them."""
LONGEST = 2000
"""Bytes of an input that is made up, or that one is made of."""
MADE_UP = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)

every_target = pytest.mark.parametrize("name", TARGETS)


@cache
def some_seeds(name: str) -> list[bytes]:
    """A target's inputs, evenly thinned out."""
    seeds = TARGETS[name].seeds() or [b""]
    return seeds[:: max(1, len(seeds) // MOST_SEEDS)]


@cache
def short_seeds(name: str) -> tuple[list[bytes], Mutator]:
    """Those that others are made of, and what makes them."""
    seeds = [seed for seed in some_seeds(name) if len(seed) <= LONGEST] or [b""]
    return seeds, Mutator(TARGETS[name], words_of(seeds, TARGETS[name]), flipped)


def test_every_directory_of_inputs_is_a_targets() -> None:
    assert {each.name for each in CORPUS.iterdir()} <= TARGETS.keys()


@every_target
def test_inputs_that_fuzzing_begins_with(name: str) -> None:
    target = TARGETS[name]
    files = [*(CORPUS / name).glob("*")]
    for seed in [*(path.read_bytes() for path in files), *some_seeds(name)]:
        target.run(seed)


@every_target
@given(st.data())
@MADE_UP
def test_inputs_made_of_these(name: str, choose: st.DataObject) -> None:
    target = TARGETS[name]
    seeds, mutate = short_seeds(name)
    seed = choose.draw(st.sampled_from(seeds))
    random = Random(choose.draw(st.integers(0, 2**32)))
    for _ in range(random.randint(1, 3)):
        seed = mutate(seed, min(target.longest, LONGEST), random)
    target.run(seed)


@every_target
@given(data=st.binary(max_size=60))
@MADE_UP
def test_any_bytes(name: str, data: bytes) -> None:
    TARGETS[name].run(data)


def nothing(_: bytes) -> None:
    """A target without bugs."""


def test_choices_are_bytes_and_missing_ones_are_zeros() -> None:
    choices = Choices(b"\x05\x01rest")
    assert (choices.one_of("abc"), choices.flag(), choices.rest) == ("c", True, b"rest")
    short = Choices(b"")
    assert (short.one_of("abc"), short.flag(), short.rest) == ("a", False, b"")


@pytest.mark.parametrize(
    ("shape", "seed"),
    [
        (Shape.JSON, b'\x00{"a": [1, "b", {"c": null}], "d": "e"}'),
        (Shape.EVENTS, b'\x00data: {"a": 1}\n\ndata: [DONE]\n\n'),
        (Shape.BYTES, b"\x00abc"),
    ],
)
def test_the_same_chance_makes_the_same_input_and_another_makes_another(
    shape: Shape, seed: bytes
) -> None:
    target = Target("t", nothing, choices=1, shape=shape)

    def made(number: int) -> bytes:
        random = Random(number)
        return Mutator(target, ["w"], flipped)(seed, 100, random)

    numbers = range(200)
    assert [made(each) for each in numbers] == [made(each) for each in numbers]
    assert len({made(each) for each in numbers}) > len(numbers) // 3
    assert all(len(made(each)) <= 100 for each in numbers)


def test_words_are_the_keys_and_short_strings_of_inputs() -> None:
    target = Target("t", nothing, choices=1, shape=Shape.JSON, words=("w",))
    seed = b'\x00{"key": ["text", 1, "%s"]}' % (b"x" * 41)
    assert words_of([seed, b"\x00no JSON"], target) == ["w", "key", "text"]


def test_a_dictionary_has_a_line_for_each_word() -> None:
    assert as_dictionary(["a", "", 'é"']) == '"\\x61"\n"\\xc3\\xa9\\x22"\n'


GOOD = b"#2\tINITED cov: 5 ft: 7\n#90\tDONE cov: 12 ft: 40\nstat::number_of_executed_units: 91\n"
BAD = b"#2\tINITED cov: 5\n#64\tNEW cov: 9\n == ERROR\nTest unit written to found/t-crash-1\n"


def test_an_outcome_is_read_from_what_the_fuzzer_says() -> None:
    good = outcome("t", GOOD, 0)
    assert (good.runs, good.coverage, good.found, good.is_good) == (91, 12, [], True)
    bad = outcome("t", BAD, 77)
    assert (bad.runs, bad.coverage, bad.is_good) == (64, 9, False)
    assert [str(path) for path in bad.found] == ["found/t-crash-1"]
    assert "ERROR" in bad.trouble
    assert not outcome("t", b"ImportError: no", 1).is_good
