"""A model's name says how it is told to think, and what it does not take."""

from typing import get_args

import pytest
from anthropic.types import Model

from llm_gateway.adapters.anthropic.families import UNKNOWN, Family, Thinking, family_of
from support.anthropic_models import MODELS

NAMES = get_args(get_args(Model)[0])
TYPES = {Thinking.ADAPTIVE: "adaptive", Thinking.BUDGET: "enabled"}


@pytest.mark.parametrize("name", NAMES)
def test_every_model_that_the_sdk_knows_has_a_family(name: str) -> None:
    assert family_of(name) is not UNKNOWN


@pytest.mark.parametrize("name", MODELS)
def test_a_family_takes_what_the_documentation_says(name: str) -> None:
    family, limits = family_of(name), MODELS[name]
    assert (family.samples, family.forces) == (limits.samples, limits.forces)
    assert family.off in {*limits.thinking, ""}
    assert bool(family.off) == bool(limits.thinking - {"adaptive", "enabled"})
    assert TYPES.get(family.thinking, "disabled") in limits.thinking
    if family.thinking is Thinking.ADAPTIVE:
        assert set(family.efforts) == limits.efforts


@pytest.mark.parametrize(
    ("name", "as_name"),
    [
        ("us.anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("anthropic/claude-3-7-sonnet:thinking", "claude-3-7-sonnet-20250219"),
        ("Claude-Opus-5-5", "claude-opus-5-5"),
        ("claude-3-5-haiku-latest", "claude-3-haiku-20240307"),
        ("claude-instant-1.2", "claude-2.1"),
        ("claude-opus-5-1", "claude-opus-5"),
        ("claude-fable-5-20260609", "claude-fable-5"),
    ],
)
def test_a_name_may_be_dressed_up(name: str, as_name: str) -> None:
    assert family_of(name) is family_of(as_name) is not UNKNOWN


def test_a_name_that_says_nothing_is_asked_the_newest_way_and_sent_everything() -> None:
    unknown = family_of("my-model")
    assert unknown == Family("", Thinking.ADAPTIVE, by_default=True)
    assert (unknown.samples, unknown.forces, unknown.max_tokens) == (True, True, 32_000)


def test_old_models_write_short_answers() -> None:
    assert family_of("claude-3-haiku-20240307").max_tokens == 4096
