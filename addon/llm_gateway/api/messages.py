"""What is a message of a chat, wherever the request goes.

The kinds of content and what is in them differ from provider to provider and are not looked into.
"""

from typing import Any

from llm_gateway import faults

ROLES = ("developer", "system", "user", "assistant", "tool", "function")
"""OpenAI's, the older ones included."""

_ROLES = frozenset(ROLES)


def check_messages(messages: object, most: int) -> None:
    """Raises RequestError (400) for what is no list of 1 to ``most`` messages."""
    if not isinstance(messages, list):
        raise faults.invalid_type("messages", "an array of objects", messages)
    if not messages:
        raise faults.empty_array("messages")
    faults.at_most(messages, "messages", most)
    for index, message in enumerate(messages):
        # Nearly all are good: the place is written for the others.
        if not _is_plain(message):
            _check(message, f"messages[{index}]")


def _is_plain(message: object) -> bool:
    """Whether it is a role and a text, and not a call of tools."""
    return (
        isinstance(message, dict)
        and isinstance(message.get("content"), str)
        and isinstance(role := message.get("role"), str)
        and role in _ROLES
        and "tool_calls" not in message
    )


def _check(message: object, where: str) -> None:
    fields = faults.mapping(message, where)
    place = f"{where}.role"
    faults.one_of(faults.required(fields, "role", place), ROLES, place)
    content = fields.get("content")
    if isinstance(content, list):
        _check_parts(content, f"{where}.content")
    elif not isinstance(content, str | None):
        raise faults.invalid_type(f"{where}.content", "a string or an array of objects", content)
    calls = fields.get("tool_calls")
    if calls is not None:
        place = f"{where}.tool_calls"
        for index, call in enumerate(faults.array(calls, place)):
            faults.mapping(call, f"{place}[{index}]")


def _check_parts(parts: list[Any], where: str) -> None:
    for index, part in enumerate(parts):
        # vLLM takes bare strings, and parts that do not say their type.
        if isinstance(part, str):
            continue
        if not isinstance(part, dict):
            raise faults.invalid_type(f"{where}[{index}]", "an object", part)
        if not isinstance(part.get("type", ""), str):
            raise faults.invalid_type(f"{where}[{index}].type", "a string", part["type"])
