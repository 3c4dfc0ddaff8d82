"""Cloudflare: Workers AI by its own endpoint and by its compatible one, and the AI Gateway."""

from collections.abc import Mapping
from functools import partial

from llm_gateway.adapters.cloudflare.chat import NativeAdapter
from llm_gateway.adapters.cloudflare.compatible import GATEWAY, WORKERS, CompatibleAdapter
from llm_gateway.adapters.cloudflare.fields import FIELDS, IMAGE_FIELDS
from llm_gateway.adapters.cloudflare.images import NativeImages
from llm_gateway.adapters.cloudflare.models import list_chat_models, list_models
from llm_gateway.adapters.kinds import Kind
from llm_gateway.config import CredentialDefaults, ProviderDefaults

__all__ = ["KINDS"]

_KEYS = "https://dash.cloudflare.com/profile/api-tokens"
_KEY = CredentialDefaults("api_key")
_ACCOUNT = "https://api.cloudflare.com/client/v4/accounts/{account_id}/ai"
_GATEWAY = "https://gateway.ai.cloudflare.com/v1/{account_id}/{gateway_id}/compat"

KINDS: Mapping[str, Kind] = {
    "cloudflare": Kind(
        title="Cloudflare Workers AI",
        reference="https://developers.cloudflare.com/workers-ai/",
        keys=_KEYS,
        defaults=ProviderDefaults(_ACCOUNT, (_KEY,), ("account_id",), draws=True),
        chat=NativeAdapter,
        fields=FIELDS,
        models=list_models,
        images=NativeImages,
        image_fields=IMAGE_FIELDS,
    ),
    "cloudflare-openai": Kind(
        title="Cloudflare Workers AI (OpenAI-compatible)",
        reference=(
            "https://developers.cloudflare.com/workers-ai/configuration/open-ai-compatibility/"
        ),
        keys=_KEYS,
        defaults=ProviderDefaults(
            f"{_ACCOUNT}/v1", (_KEY,), ("account_id",), variables="CLOUDFLARE"
        ),
        chat=partial(CompatibleAdapter, dialect=WORKERS),
        fields=WORKERS.fields,
        models=list_chat_models,
    ),
    "cloudflare-gateway": Kind(
        title="Cloudflare AI Gateway",
        reference="https://developers.cloudflare.com/ai-gateway/usage/chat-completion/",
        keys="https://dash.cloudflare.com/?to=/:account/ai/ai-gateway",
        # The providers' own keys may be stored there, and a gateway may be open to everybody.
        defaults=ProviderDefaults(
            _GATEWAY,
            (
                CredentialDefaults("api_key", required=False),
                CredentialDefaults("gateway_key", header="cf-aig-authorization", required=False),
            ),
            ("account_id", "gateway_id"),
            lists_models=False,
        ),
        chat=partial(CompatibleAdapter, dialect=GATEWAY),
        fields=GATEWAY.fields,
    ),
}
