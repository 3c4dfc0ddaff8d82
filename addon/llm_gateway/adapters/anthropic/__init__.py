"""Anthropic's Messages API (docs.anthropic.com/en/api/messages), without pictures to be drawn."""

from llm_gateway.adapters.anthropic.adapter import AnthropicAdapter
from llm_gateway.adapters.anthropic.fields import FIELDS
from llm_gateway.adapters.anthropic.models import list_models
from llm_gateway.adapters.kinds import Kind
from llm_gateway.config import CredentialDefaults, ProviderDefaults

KIND = Kind(
    title="Anthropic",
    reference="https://docs.anthropic.com/en/api/messages",
    keys="https://console.anthropic.com/settings/keys",
    defaults=ProviderDefaults(
        base_url="https://api.anthropic.com/v1",
        credentials=(CredentialDefaults("api_key", "x-api-key", ""),),
        headers=(("anthropic-version", "2023-06-01"),),
    ),
    chat=AnthropicAdapter,
    fields=FIELDS,
    models=list_models,
)
