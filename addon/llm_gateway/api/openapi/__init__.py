"""What the gateway serves, as an OpenAPI 3.1 document: the source of ``docs/api.md``, too.

It is made of the same tables as the code where there are such (routes, methods, bounds, media
types), and tests compare it with the code where there are none. It says nothing of a configuration,
so that it may be read without a token.
"""

from llm_gateway.api.openapi.assembly import document, reply

__all__ = ["document", "reply"]
