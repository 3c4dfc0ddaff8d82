"""What one request may grow by while it is translated, all that is in it together.

A reference in a schema stands for what it points to, and JSON in a string for the values in it; so
a short request may stand for gigabytes. No honest one comes near these numbers.
"""

from dataclasses import dataclass
from typing import Any

import orjson

from llm_gateway.json_values import most_values
from llm_gateway.nesting import too_deep


@dataclass(slots=True)
class Allowance:
    """What is left of it. One is made for each translation of a request."""

    schemas: int = 50_000
    """Those inside one another counted one by one, after the references are taken out."""
    referred_bytes: int = 4 * 1024 * 1024
    """What the references stand for: a long text may be pointed to thousands of times."""
    values: int = 1_000_000
    """JSON values in strings that are read: the arguments of tool calls, the results of tools."""

    def read(self, text: str) -> Any:
        """The JSON value in a string. Raises ValueError where there is none, or too much of it."""
        data = text.encode()
        values = most_values(data)
        if values > self.values:
            raise ValueError("more values than are left")
        value = orjson.loads(data)
        if too_deep(data, value):
            raise ValueError("too deep")
        self.values -= values
        return value
