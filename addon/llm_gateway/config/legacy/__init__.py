"""The configuration file of ai-proxy (https://github.com/guyinwonder168/ai-proxy), read as ours.

That file is a list of models, each with its provider's URL and token. It becomes a tree of our own
format with the lines of the old one, so that one set of rules holds for both. What has another
meaning here, or none, is a warning on its line.
"""

from llm_gateway.config.legacy.document import translated

__all__ = ["translated"]
