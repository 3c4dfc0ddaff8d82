"""The providers that speak OpenAI's format, a row each."""

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from llm_gateway.adapters.kinds import Kind
from llm_gateway.adapters.openai import dialects, images, models
from llm_gateway.adapters.openai.chat import OpenAIAdapter
from llm_gateway.adapters.openai.dialects import Dialect
from llm_gateway.adapters.openai.images import Drawing
from llm_gateway.adapters.openai.models import Judge
from llm_gateway.config import CredentialDefaults, ProviderDefaults


def kind(
    title: str,
    base_url: str,
    reference: str,
    keys: str = "",
    *,
    dialect: Dialect = dialects.OPENAI,
    judge: Judge | None = models.by_name,
    drawing: Drawing | None = None,
    headers: tuple[tuple[str, str], ...] = (),
) -> Kind:
    """A provider of this dialect. One that gives no ``keys`` may still be set up to want one.

    Without ``judge`` its models cannot be listed, without ``drawing`` it draws no pictures.
    """
    return Kind(
        title=title,
        reference=reference,
        keys=keys,
        defaults=ProviderDefaults(
            base_url,
            (CredentialDefaults("api_key", required=bool(keys)),),
            headers=headers,
            lists_models=judge is not None,
            draws=drawing is not None,
        ),
        chat=partial(OpenAIAdapter, dialect=dialect),
        fields=dialect.fields,
        models=None if judge is None else models.lists(judge),
        images=None if drawing is None else images.draws(drawing),
        image_fields=None if drawing is None else drawing.fields,
    )


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "openai": kind(
            "OpenAI",
            "https://api.openai.com/v1",
            "https://platform.openai.com/docs/api-reference/chat",
            "https://platform.openai.com/api-keys",
            drawing=images.OPENAI_DRAWING,
        ),
        "openrouter": kind(
            "OpenRouter",
            "https://openrouter.ai/api/v1",
            "https://openrouter.ai/docs/api-reference/overview",
            "https://openrouter.ai/settings/keys",
            dialect=dialects.OPENROUTER,
            judge=models.by_modalities,
            drawing=images.OPENROUTER_DRAWING,
            headers=(("x-title", "llm-gateway"),),
        ),
        "groq": kind(
            "Groq",
            "https://api.groq.com/openai/v1",
            "https://console.groq.com/docs/api-reference",
            "https://console.groq.com/keys",
            dialect=dialects.GROQ,
            judge=models.if_active,
        ),
        "mistral": kind(
            "Mistral",
            "https://api.mistral.ai/v1",
            "https://docs.mistral.ai/api/",
            "https://console.mistral.ai/api-keys",
            dialect=dialects.MISTRAL,
            judge=models.by_abilities,
        ),
        "deepseek": kind(
            "DeepSeek",
            "https://api.deepseek.com/v1",
            "https://api-docs.deepseek.com/",
            "https://platform.deepseek.com/api_keys",
            dialect=dialects.DEEPSEEK,
        ),
        "xai": kind(
            "xAI",
            "https://api.x.ai/v1",
            "https://docs.x.ai/docs/api-reference",
            "https://console.x.ai/",
            dialect=dialects.XAI,
            drawing=images.XAI_DRAWING,
        ),
        "together": kind(
            "Together AI",
            "https://api.together.xyz/v1",
            "https://docs.together.ai/reference/chat-completions-1",
            "https://api.together.ai/settings/api-keys",
            dialect=dialects.OLDER_TOKENS_NAME,
            judge=models.by_type,
            drawing=images.TOGETHER_DRAWING,
        ),
        "fireworks": kind(
            "Fireworks AI",
            "https://api.fireworks.ai/inference/v1",
            "https://docs.fireworks.ai/api-reference/post-chatcompletions",
            "https://app.fireworks.ai/settings/users/api-keys",
            dialect=dialects.OLDER_TOKENS_NAME,
        ),
        "cerebras": kind(
            "Cerebras",
            "https://api.cerebras.ai/v1",
            "https://inference-docs.cerebras.ai/api-reference/chat-completions",
            "https://cloud.cerebras.ai/",
            dialect=dialects.CEREBRAS,
        ),
        "sambanova": kind(
            "SambaNova",
            "https://api.sambanova.ai/v1",
            "https://docs.sambanova.ai/cloud/api-reference/",
            "https://cloud.sambanova.ai/apis",
            dialect=dialects.OLDER_TOKENS_NAME,
        ),
        "nvidia": kind(
            "NVIDIA NIM",
            "https://integrate.api.nvidia.com/v1",
            "https://docs.api.nvidia.com/nim/reference/llm-apis",
            "https://build.nvidia.com/settings/api-keys",
            dialect=dialects.OLDER_TOKENS_NAME,
        ),
        # It has no list of models at this address.
        "perplexity": kind(
            "Perplexity",
            "https://api.perplexity.ai",
            "https://docs.perplexity.ai/api-reference/chat-completions-post",
            "https://www.perplexity.ai/settings/api",
            dialect=dialects.PERPLEXITY,
            judge=None,
        ),
        # Its list of models is below another address, in a shape of its own.
        "cohere": kind(
            "Cohere",
            "https://api.cohere.ai/compatibility/v1",
            "https://docs.cohere.com/docs/compatibility-api",
            "https://dashboard.cohere.com/api-keys",
            dialect=dialects.COHERE,
            judge=None,
        ),
        # Its list of models is https://models.github.ai/catalog/models. Newer models of OpenAI's
        # there take max_completion_tokens only, so nothing is renamed.
        "github": kind(
            "GitHub Models",
            "https://models.github.ai/inference",
            "https://docs.github.com/en/rest/models/inference",
            "https://github.com/settings/personal-access-tokens",
            judge=None,
        ),
        "huggingface": kind(
            "Hugging Face",
            "https://router.huggingface.co/v1",
            "https://huggingface.co/docs/inference-providers/tasks/chat-completion",
            "https://huggingface.co/settings/tokens",
            dialect=dialects.OLDER_TOKENS_NAME,
        ),
        "moonshot": kind(
            "Moonshot AI",
            "https://api.moonshot.ai/v1",
            "https://platform.moonshot.ai/docs/api/chat",
            "https://platform.moonshot.ai/console/api-keys",
            dialect=dialects.MOONSHOT,
        ),
        # It documents no list of models.
        "zai": kind(
            "Z.ai",
            "https://api.z.ai/api/paas/v4",
            "https://docs.z.ai/api-reference/llm/chat-completion",
            "https://z.ai/manage-apikey/apikey-list",
            dialect=dialects.OLDER_TOKENS_NAME,
            judge=None,
        ),
        # In mainland China it is https://dashscope.aliyuncs.com/compatible-mode/v1.
        "dashscope": kind(
            "Alibaba Cloud Model Studio",
            "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
            "https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope",
            "https://modelstudio.console.alibabacloud.com/?tab=playground#/api-key",
            dialect=dialects.OLDER_TOKENS_NAME,
        ),
        "hyperbolic": kind(
            "Hyperbolic",
            "https://api.hyperbolic.xyz/v1",
            "https://docs.hyperbolic.xyz/docs/rest-api",
            "https://app.hyperbolic.xyz/settings",
            dialect=dialects.OLDER_TOKENS_NAME,
        ),
        "arliai": kind(
            "Arli AI",
            "https://api.arliai.com/v1",
            "https://www.arliai.com/docs",
            "https://www.arliai.com/account",
            dialect=dialects.OLDER_TOKENS_NAME,
        ),
        "ollama": kind(
            "Ollama",
            "http://127.0.0.1:11434/v1",
            "https://docs.ollama.com/api/openai-compatibility",
            dialect=dialects.OLLAMA,
        ),
        "vllm": kind(
            "vLLM",
            "http://127.0.0.1:8000/v1",
            "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        ),
        # The port is llama-server's own default. It is also the one that mitmproxy listens on if
        # not told otherwise: on the same machine one of the two has to move.
        "llamacpp": kind(
            "llama.cpp",
            "http://127.0.0.1:8080/v1",
            "https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        ),
        "lmstudio": kind(
            "LM Studio",
            "http://127.0.0.1:1234/v1",
            "https://lmstudio.ai/docs/developer/openai-compat",
            dialect=dialects.LMSTUDIO,
        ),
    }
)
