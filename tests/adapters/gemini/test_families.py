"""What a model can do is told by its name."""

from typing import Any

import pytest

from llm_gateway.adapters.gemini.families import EFFORTS, effort_of, family_of
from llm_gateway.errors import RequestError

NONE = [None] * len(EFFORTS)
FLASH_2_5 = [0, 512, 1024, 8192, 24576, 24576, 24576]
PRO_2_5 = [128, 512, 1024, 8192, 24576, 32768, 32768]
FLASH_3 = ["MINIMAL", "MINIMAL", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"]
PRO_3 = ["LOW", "LOW", "LOW", "HIGH", "HIGH", "HIGH", "HIGH"]
NEWER = ["LOW", "LOW", "LOW", "MEDIUM", "HIGH", "HIGH", "HIGH"]


@pytest.mark.parametrize(
    ("model", "setting", "values"),
    [
        ("gemini-2.5-flash", "thinkingBudget", FLASH_2_5),
        ("models/gemini-2.5-flash", "thinkingBudget", FLASH_2_5),
        ("gemini-2.5-flash-lite-preview-09-2025", "thinkingBudget", FLASH_2_5),
        ("gemini-2.5-pro", "thinkingBudget", PRO_2_5),
        ("gemini-3-flash", "thinkingLevel", FLASH_3),
        ("gemini-3-flash-preview", "thinkingLevel", FLASH_3),
        ("gemini-3.1-flash-lite", "thinkingLevel", FLASH_3),
        ("gemini-3.5-flash", "thinkingLevel", FLASH_3),
        ("models/gemini-3.6-flash", "thinkingLevel", FLASH_3),
        ("gemini-3.8-flash-lite", "thinkingLevel", FLASH_3),
        ("gemini-flash-lite-latest", "thinkingLevel", FLASH_3),
        ("gemini-3.7-flash", "thinkingLevel", NEWER),
        ("gemini-3.8-flash", "thinkingLevel", NEWER),
        ("gemini-3.10-flash", "thinkingLevel", NEWER),
        ("gemini-flash-latest", "thinkingLevel", NEWER),
        ("gemini-4-argon", "thinkingLevel", NEWER),
        ("something-new", "thinkingLevel", NEWER),
        ("gemini-3-pro", "thinkingLevel", PRO_3),
        ("gemini-3-pro-preview", "thinkingLevel", PRO_3),
        ("gemini-3.1-pro-preview", "thinkingLevel", NEWER),
        ("gemini-pro-latest", "thinkingLevel", NEWER),
    ],
)
def test_each_effort_has_its_level_or_budget(model: str, setting: str, values: list[Any]) -> None:
    family = family_of(model)
    configs = [family.thinking_config(effort) for effort in EFFORTS]
    assert [config and config[setting] for config in configs] == values
    assert [config and config.get("includeThoughts") for config in configs] == [None] + [True] * 6


@pytest.mark.parametrize(
    "model",
    [
        "gemini-2.0-flash",
        "gemini-1.5-pro",
        "gemma-3-27b-it",
        "gemini-3-pro-image",
        "gemini-2.5-flash-image",
        "gemini-2.5-flash-preview-tts",
        "nano-banana-pro-preview",
        "gemini-nano-banana-2.1",
    ],
)
def test_some_models_cannot_be_told_how_much_to_think(model: str) -> None:
    assert [family_of(model).thinking_config(effort) for effort in EFFORTS] == NONE


@pytest.mark.parametrize(
    ("model", "since_3"),
    [
        ("gemini-3-pro", True),
        ("gemini-3.5-flash", True),
        ("gemini-flash-latest", True),
        ("gemini-4-argon", True),
        ("gemini-2.5-pro", False),
        ("gemini-2.0-flash", False),
        ("gemini-3-pro-image", False),
        ("gemma-3-27b-it", False),
    ],
)
def test_generations_are_told_apart(model: str, since_3: bool) -> None:
    assert family_of(model).since_3 is since_3


def test_an_effort_is_one_of_openai_s() -> None:
    assert effort_of({"reasoning_effort": "low"}) == "low"
    assert effort_of({"reasoning_effort": None}) is None
    for wrong in ("a lot", 5):
        with pytest.raises(RequestError) as caught:
            effort_of({"reasoning_effort": wrong})
        assert caught.value.param == "reasoning_effort"
