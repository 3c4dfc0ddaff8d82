"""The tables of fields are complete."""

from typing import get_type_hints

import pytest
from openai.types import image_generate_params
from openai.types.chat import completion_create_params

from llm_gateway.adapters.cloudflare.fields import FIELDS, IMAGE_FIELDS
from llm_gateway.adapters.conversation import CONVERSATION_FIELDS

CHAT = {
    *get_type_hints(completion_create_params.CompletionCreateParamsStreaming),
    *CONVERSATION_FIELDS,
    "top_k",
    "*",
}
IMAGES = {*get_type_hints(image_generate_params.ImageGenerateParamsStreaming), "*"}


@pytest.mark.parametrize("name", sorted(CHAT))
def test_every_field_of_a_chat_request_has_a_fate(name: str) -> None:
    assert name in FIELDS


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_every_field_of_a_picture_request_has_a_fate(name: str) -> None:
    assert name in IMAGE_FIELDS


def test_no_other_field_is_there_but_workers_ais_own() -> None:
    assert FIELDS.keys() - CHAT == {"chat_template_kwargs", "lora", "raw", "repetition_penalty"}
    assert IMAGE_FIELDS.keys() - IMAGES == {
        "guidance", "image_b64", "negative_prompt", "num_steps", "seed", "steps", "strength",
    }  # fmt: skip
