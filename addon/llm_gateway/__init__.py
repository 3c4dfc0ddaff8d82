"""An LLM gateway that lives inside mitmproxy: OpenAI's API in front, any provider behind."""

__version__ = "0.1.0"
