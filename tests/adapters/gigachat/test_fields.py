"""GigaChat's tables say what becomes of everything that OpenAI knows."""

from typing import Any

import pytest
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from openai.types.image_generate_params import ImageGenerateParamsStreaming
from typing_extensions import get_type_hints

from llm_gateway.adapters.conversation import CONVERSATION_FIELDS
from llm_gateway.adapters.fields import Fate
from llm_gateway.adapters.gigachat.fields import EFFORTS, FIELDS, IMAGE_FIELDS

OPENAI: dict[str, Any] = get_type_hints(CompletionCreateParamsStreaming)
PICTURES: dict[str, Any] = get_type_hints(ImageGenerateParamsStreaming)


def test_every_field_has_a_row() -> None:
    assert {*OPENAI, *CONVERSATION_FIELDS, "top_k", "*"} <= FIELDS.keys()
    assert {*PICTURES, "*"} <= IMAGE_FIELDS.keys()


@pytest.mark.parametrize("table", [FIELDS, IMAGE_FIELDS])
def test_what_is_translated_or_renamed_says_how(table: Any) -> None:
    for name, rule in table.items():
        assert bool(rule.to) is (rule.fate is Fate.RENAMED), name
        assert rule.note or rule.fate is not Fate.TRANSLATED, name


def test_openais_efforts_are_known() -> None:
    known = {"none", "minimal", "low", "medium", "high", "xhigh", "max"}
    assert EFFORTS.keys() == known
    assert {*EFFORTS.values()} == {None, "low", "medium", "high"}
