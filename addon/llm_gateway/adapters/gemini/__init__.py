"""Google Gemini: the Developer API's own format, ``generateContent`` of version ``v1beta``."""

from llm_gateway.adapters.gemini.chat import GeminiAdapter
from llm_gateway.adapters.gemini.fields import FIELDS, IMAGE_FIELDS
from llm_gateway.adapters.gemini.images import GeminiImageAdapter
from llm_gateway.adapters.gemini.models import list_models
from llm_gateway.adapters.kinds import Kind
from llm_gateway.config import CredentialDefaults, ProviderDefaults

KIND = Kind(
    title="Google Gemini",
    reference="https://ai.google.dev/api/generate-content",
    keys="https://aistudio.google.com/apikey",
    defaults=ProviderDefaults(
        "https://generativelanguage.googleapis.com/v1beta",
        (CredentialDefaults("api_key", "x-goog-api-key", ""),),
        draws=True,
    ),
    chat=GeminiAdapter,
    fields=FIELDS,
    models=list_models,
    images=GeminiImageAdapter,
    image_fields=IMAGE_FIELDS,
)

__all__ = ["KIND"]
