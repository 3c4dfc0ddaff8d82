"""What the fakes of OpenAI-compatible providers say; how they wrap it is each one's own."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from support.openai_rules import texts
from support.openai_shapes import JSONObject

SAMPLES: dict[str, object] = {"integer": 1, "number": 1.5, "boolean": True, "array": []}

_DATA_URL = re.compile(r"data:(?P<type>[^;]+);base64,(?P<data>.*)", re.DOTALL)


@dataclass(frozen=True)
class Said:
    """An answer: text or tool calls, maybe with thoughts before, and what it cost."""

    words: list[str]
    calls: list[JSONObject]
    thoughts: list[str]
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int

    @property
    def text(self) -> str:
        """All of the text."""
        return "".join(self.words)

    @property
    def counted(self) -> JSONObject:
        """OpenAI's three numbers."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
        }


def answer_to(body: JSONObject) -> Said:
    """The answer to a valid request.

    It calls tools when they are offered, two if the user's text has the word "two"; repeats the
    results of tools; writes JSON if that is asked for; says what picture it saw; or else repeats
    the user's text. It thinks before if the request has a `reasoning_effort` that is not "none".
    """
    calls = _calls(body)
    words = [] if calls else _words(_text(body))
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or len(words)
    cut = limit < len(words)
    thinks = body.get("reasoning_effort") not in (None, "none")
    thoughts = ["The user ", "said something."] if thinks else []
    prompt = sum(len(text.split()) for each in body["messages"] for text in texts(each))
    return Said(
        words[:limit],
        calls,
        thoughts,
        "tool_calls" if calls else "length" if cut else "stop",
        prompt,
        max(1, len(words[:limit])) + len(thoughts),
    )


def user_text(body: JSONObject) -> str:
    """Return the text of the last user message, empty when there is none."""
    users = [each for each in body["messages"] if each["role"] == "user"]
    return " ".join(texts(users[-1])) if users else ""


def _words(text: str) -> list[str]:
    return re.findall(r"\S+\s*", text)


def _text(body: JSONObject) -> str:
    results = [text for each in _results(body) for text in texts(each)]
    if results:
        return "The tools said: " + ", ".join(results)
    text = user_text(body)
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return json.dumps(sample_of(wanted["json_schema"].get("schema") or {}, text))
    if wanted.get("type") == "json_object":
        return json.dumps({"said": text})
    seen = ". ".join(f"I see {picture}" for picture in _pictures(body))
    return seen or f"You said: {text}"


def _results(body: JSONObject) -> list[JSONObject]:
    """The tool messages at the end."""
    results: list[JSONObject] = []
    for each in reversed(body["messages"]):
        if each["role"] != "tool":
            break
        results.insert(0, each)
    return results


def _pictures(body: JSONObject) -> Iterator[str]:
    content = next((m["content"] for m in reversed(body["messages"]) if m["role"] == "user"), "")
    for part in content if isinstance(content, list) else ():
        if part["type"] == "image_url":
            url = part["image_url"]["url"]
            found = _DATA_URL.fullmatch(url)
            length = len(base64.b64decode(found["data"])) if found else 0
            yield f"{found['type']} of {length} bytes" if found else f"a picture at {url}"


def _calls(body: JSONObject) -> list[JSONObject]:
    functions = [tool["function"] for tool in body.get("tools") or () if tool["type"] == "function"]
    choice = body.get("tool_choice") or "auto"
    if isinstance(choice, dict) and choice["type"] == "function":
        functions = [each for each in functions if each["name"] == choice["function"]["name"]]
    if not functions or choice == "none" or body["messages"][-1]["role"] != "user":
        return []
    text = user_text(body)
    count = 2 if "two" in text.split() else 1
    return [_call(functions[number % len(functions)], number, text) for number in range(count)]


def _call(function: JSONObject, number: int, text: str) -> JSONObject:
    arguments = json.dumps(sample_of(function.get("parameters") or {}, text))
    return {
        "id": f"call_fake{number + 1}",
        "type": "function",
        "function": {"name": function["name"], "arguments": arguments},
    }


def sample_of(schema: JSONObject, text: str) -> dict[str, Any]:
    """Return a sample for each required property of an object: `text` for a string, say."""
    properties = schema.get("properties", {})
    return {name: _sample(properties.get(name, {}), text) for name in schema.get("required", ())}


def _sample(schema: JSONObject, text: str) -> Any:
    if "enum" in schema:
        return schema["enum"][0]
    if schema.get("type") == "object":
        return sample_of(schema, text)
    return SAMPLES.get(schema.get("type", "string"), text)
