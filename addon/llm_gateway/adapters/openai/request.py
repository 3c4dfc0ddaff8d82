"""A client's request as a dialect wants it: a copy in which its table of fields is obeyed.

Unlike for the formats that translate, nothing is checked here that the provider checks itself: what
is malformed is passed on, and refused there in its own words.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from llm_gateway.adapters.fields import Fate, Fields
from llm_gateway.adapters.openai.dialects import Dialect
from llm_gateway.errors import shown

type JSONObject = dict[str, Any]

_MESSAGE = "messages[]"
_CORE = frozenset({"role", "content", "tool_calls", "tool_call_id"})
"""The keys of a message without which there is no conversation; no table decides on them."""


def encode(body: Mapping[str, Any], model: str, dialect: Dialect) -> tuple[JSONObject, list[str]]:
    """The body to be sent, and the places in the client's that were left out.

    Raises UpstreamUnsupported for what the table refuses, RequestError for what is said twice.
    """
    if dialect.passes:
        return {**body, "model": model}, []
    fields = Fields(dialect.fields)
    sent = fields.sift(body)
    if dialect.counts_anyway:
        sent.pop("stream_options", None)
    for name, words in dialect.values.items():
        if isinstance(word := sent.get(name), str):
            sent[name] = words.get(word, word)
    deeper = _Deeper(fields, dialect)
    for name, read in (
        ("messages", deeper.messages),
        ("tools", deeper.tools),
        ("tool_choice", deeper.tool_choice),
        ("response_format", deeper.response_format),
    ):
        value = sent.pop(name, None)
        if value is not None and (value := read(value)) is not None:
            sent[name] = value
    sent["model"] = model
    return sent, fields.dropped


@dataclass(frozen=True, slots=True)
class _Deeper:
    """Obeys what the table says of what stands below the top level."""

    fields: Fields
    dialect: Dialect

    def messages(self, messages: list[JSONObject]) -> list[JSONObject]:
        return [self._message(each, f"messages[{i}]") for i, each in enumerate(messages)]

    def tools(self, tools: object) -> object:
        if not isinstance(tools, list):
            return tools
        taken = (self._tool(each, f"tools[{i}]") for i, each in enumerate(tools))
        return [tool for tool in taken if tool is not None]

    def tool_choice(self, choice: object) -> object:
        if not isinstance(choice, dict):
            return choice
        place = "tool_choice"
        if choice.get("type") == "allowed_tools" and not self._takes(
            f"{place}.allowed_tools", place
        ):
            return None
        return self._known(choice, {"type", "function", "custom", "allowed_tools"}, place, place)

    def response_format(self, value: object) -> object:
        if not isinstance(value, dict):
            return value
        place, kind = "response_format", value.get("type")
        if kind in ("json_object", "json_schema") and not self._takes(f"{place}.{kind}", place):
            return None
        sent = self._known(value, {"type", "json_schema"}, place, place)
        spec, place = sent.get("json_schema"), f"{place}.json_schema"
        if isinstance(spec, dict):
            spec = self._known(spec, {"name", "description", "schema", "strict"}, place, place)
            sent["json_schema"] = self._strictness(spec, place, place)
        return sent

    def _strictness(self, spec: JSONObject, where: str, pattern: str) -> JSONObject:
        strict = spec.get("strict")
        if self._takes(f"{pattern}.strict", f"{where}.strict", strict):
            return spec
        return _without(spec, "strict")

    def _message(self, message: JSONObject, where: str) -> JSONObject:
        sent: JSONObject = {}
        for key, value in message.items():
            if key in _CORE:
                sent[key] = self._core(key, value, where)
            else:
                self._further(sent, message, key, where)
        return sent

    def _core(self, key: str, value: object, where: str) -> object:
        where = f"{where}.{key}"
        match key, value:
            case "role", str():
                return self.dialect.roles.get(value, value)
            case "tool_call_id", str():
                return self._call_id(value)
            case "tool_calls", list():
                return [self._call(each, f"{where}[{i}]") for i, each in enumerate(value)]
            case "content", list():
                parts = (self._part(each, f"{where}[{i}]") for i, each in enumerate(value))
                return [part for part in parts if part is not None]
            case _:
                return value

    def _further(self, sent: JSONObject, message: JSONObject, key: str, where: str) -> None:
        """A key of a message that the table decides on."""
        pattern, value = f"{_MESSAGE}.{key}", message[key]
        if value is None and self._unknown(f"{_MESSAGE}.*"):
            return
        if name := self.fields.rule(pattern).to:
            # What an answer said under both names comes back under both.
            if value and not message.get(name):
                sent[name] = value
        elif key == "refusal" and value and not message.get("content") and self._unknown(pattern):
            # What the model refused with is all that it said.
            sent["content"] = value
        elif self._takes(pattern, f"{where}.{shown(key)}", None if value == "" else value):
            # What is renamed may have come under this name before.
            sent[key] = value or sent.get(key, value)

    def _call(self, call: object, where: str) -> object:
        if not isinstance(call, dict):
            return call
        # Streams number the calls, and what came in a stream may come back.
        known = {"id", "type", "function"}
        number = "index" if self._unknown(f"{_MESSAGE}.tool_calls[].index") else ""
        sent = self._known(_without(call, number), known, where, f"{_MESSAGE}.tool_calls[]")
        if isinstance(sent.get("id"), str):
            sent["id"] = self._call_id(sent["id"])
        return sent

    def _call_id(self, id: str) -> str:
        return self.dialect.call_id(id) if self.dialect.call_id is not None else id

    def _part(self, part: object, where: str) -> object:
        if not isinstance(part, dict):
            return part
        pattern, kind = f"{_MESSAGE}.content[]", part.get("type")
        sent = self._known(part, {"type", str(kind)}, where, pattern)
        match sent:
            case {"type": "image_url", "image_url": {"url": str(url)}}:
                return self._image(sent, url, f"{where}.image_url", f"{pattern}.image_url")
            case {"type": "input_audio" | "file"}:
                return sent if self._takes(f"{pattern}.{kind}", f"{where}.{kind}") else None
            case {"type": "refusal", "refusal": text} if self._unknown(f"{_MESSAGE}.refusal"):
                return {"type": "text", "text": text}
            case _:
                return sent

    def _image(self, part: JSONObject, url: str, where: str, pattern: str) -> object:
        scheme = "data:" if url[:5].lower() == "data:" else "https:"
        if not self._takes(f"{pattern} ({scheme})", f"{where}.url"):
            return None
        image = self._known(part["image_url"], {"url", "detail"}, where, pattern)
        if not self._takes(f"{pattern}.detail", f"{where}.detail", image.get("detail")):
            image.pop("detail", None)
        return {**part, "image_url": image}

    def _tool(self, tool: object, where: str) -> object:
        if not isinstance(tool, dict):
            return tool
        if tool.get("type") != "function":
            return tool if self._takes("tools[].custom", where) else None
        sent = self._known(tool, {"type", "function"}, where, "tools[]")
        function = tool.get("function")
        if isinstance(function, dict):
            where, pattern = f"{where}.function", "tools[].function"
            known = {"name", "description", "parameters", "strict"}
            function = self._known(function, known, where, pattern)
            sent["function"] = self._strictness(function, where, pattern)
        return sent

    def _known(
        self, value: JSONObject, known: Collection[str], where: str, pattern: str
    ) -> JSONObject:
        """A copy with the known keys, and those of the others that are to be sent."""
        further = self.fields.further(value, known, where, pattern)
        return {key: each for key, each in value.items() if key in known or key in further}

    def _takes(self, pattern: str, where: str, value: object = ...) -> bool:
        return self.fields.takes(pattern, where, value)

    def _unknown(self, pattern: str) -> bool:
        """Whether the provider does not know what this pattern names."""
        return self.fields.rule(pattern).fate in {Fate.DROPPED, Fate.REFUSED}


def _without(value: Mapping[str, Any], key: str) -> JSONObject:
    return {name: each for name, each in value.items() if name != key}
