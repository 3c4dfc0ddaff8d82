"""An answer as text: what was said, the tools called, the pictures as sizes, the tokens counted.

It is laid out from an OpenAI chat completion, an images response or an error, whatever is missing
in it, or in it besides.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from llm_gateway.adapters.images import media_type_of_base64
from llm_gateway.adapters.translating import count_in, object_in, objects, text_in
from llm_gateway.errors import UpstreamInvalidResponse
from llm_gateway.inspect.views.text import counted, cut, grouped, one_line, size, wrapped

MAX_TEXT = 200_000
"""Characters of one text that are shown."""
MAX_CALLS = 100
MAX_STRING = 300
"""Characters of a string in JSON that is shown as it is."""
MAX_ENTRIES = 100
"""Entries of a list in JSON that is shown as it is."""

_INDENT = "  "
_SPOKEN = frozenset(
    {"role", "content", "reasoning", "reasoning_content", "refusal", "tool_calls", "images"}
)
_NUMBERS = 4 / 3
"""Characters of base64 for each byte."""

type JSONObject = dict[str, Any]


def answer_lines(completion: Mapping[str, Any], *, over: bool = True) -> Iterator[str]:
    """A chat completion: each choice's message, then the tokens. Not ``over``: more may come."""
    choices = objects(completion.get("choices"))
    for number, choice in enumerate(choices, 1):
        if number > 1:
            yield ""
        place = f", choice {number} of {len(choices)}" if len(choices) > 1 else ""
        yield from _choice_lines(choice, place, over=over)
    usage = usage_line(object_in(completion, "usage"))
    if usage:
        yield ""
        yield usage
    if own := _own_line(completion):
        yield own


def picture_lines(pictures: list[JSONObject]) -> Iterator[str]:
    """The pictures of an images response: the entries of its ``data``."""
    for picture in pictures[:MAX_ENTRIES]:
        yield _INDENT + _picture(text_in(picture, "url"), text_in(picture, "b64_json"))
        if revised := text_in(picture, "revised_prompt"):
            yield from wrapped(cut(revised, MAX_TEXT), _INDENT * 2, f"{_INDENT * 2}drawn from: ")


def usage_line(usage: Mapping[str, Any]) -> str:
    """OpenAI's usage in a line, empty if there is none."""
    prompt = count_in(usage, "prompt_tokens") or count_in(usage, "input_tokens")
    completion = count_in(usage, "completion_tokens") or count_in(usage, "output_tokens")
    if not prompt and not completion:
        return ""
    read = _details(usage, "prompt_tokens_details", {"cached_tokens": "from a cache"})
    made = _details(usage, "completion_tokens_details", {"reasoning_tokens": "reasoning"})
    return f"tokens: {grouped(prompt)} read{read}, {grouped(completion)} written{made}"


def error_lines(error: Mapping[str, Any]) -> Iterator[str]:
    """An error object: its sentence, and then what else is in it."""
    message = text_in(error, "message")
    if message:
        yield from wrapped(cut(message, MAX_TEXT), _INDENT)
    rest = {name: value for name, value in error.items() if name != "message" and value is not None}
    if not rest and not message:
        yield f"{_INDENT}(nothing was said)"
    for name, value in rest.items():
        text = value if isinstance(value, str) else outline(value)
        yield from wrapped(cut(text, MAX_TEXT), _INDENT * 2, f"{_INDENT}{one_line(name, 40)}: ")


def outline(value: object) -> str:
    """JSON for people; strings and lists that are long are cut, and say so."""
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        return "(nested too deep to be shown)"
    return cut(orjson.dumps(_shortened(value), option=orjson.OPT_INDENT_2).decode(), MAX_TEXT)


def indented(text: str) -> Iterator[str]:
    """The lines of a text below a headline."""
    return wrapped(text, _INDENT)


def _choice_lines(choice: Mapping[str, Any], place: str, *, over: bool) -> Iterator[str]:
    message = object_in(choice, "message")
    if reasoning := text_in(message, "reasoning_content") or text_in(message, "reasoning"):
        yield f"reasoning{place}"
        yield from indented(cut(reasoning, MAX_TEXT))
        yield ""
    yield f"{text_in(message, 'role') or 'assistant'}{place}"
    said = [*_said(message)]
    yield from said or [f"{_INDENT}(nothing was said)"]
    calls = objects(message.get("tool_calls"))
    for call in calls[:MAX_CALLS]:
        yield ""
        yield from _call_lines(call)
    if len(calls) > MAX_CALLS:
        yield f"… {counted(len(calls) - MAX_CALLS, 'more tool call')}"
    rest = {name: value for name, value in message.items() if name not in _SPOKEN and value}
    if rest:
        yield ""
        yield "also in the message"
        yield from indented(outline(rest))
    yield ""
    finish = choice.get("finish_reason") or ("none was said" if over else "not yet")
    yield f"finish: {one_line(str(finish), 80)}"


def _said(message: Mapping[str, Any]) -> Iterator[str]:
    content = message.get("content")
    if isinstance(content, str) and content:
        yield from indented(cut(content, MAX_TEXT))
    elif content:
        yield from indented(outline(content))
    if refusal := text_in(message, "refusal"):
        yield from wrapped(cut(refusal, MAX_TEXT), _INDENT, f"{_INDENT}refused: ")
    for image in objects(message.get("images"))[:MAX_ENTRIES]:
        yield _INDENT + _picture(text_in(object_in(image, "image_url"), "url"), "")
    if message.get("tool_calls") and not content:
        yield f"{_INDENT}(no text)"


def _call_lines(call: Mapping[str, Any]) -> Iterator[str]:
    function = object_in(call, "function")
    name = one_line(text_in(function, "name"), 128) or "without a name"
    id = one_line(text_in(call, "id"), 80)
    yield f"tool call {name}" + (f"   {id}" if id else "")
    yield from _arguments(text_in(function, "arguments"))


def _arguments(text: str) -> Iterator[str]:
    if not text:
        yield f"{_INDENT}(no arguments)"
        return
    try:
        text = orjson.dumps(orjson.loads(text), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError as error:
        yield f"{_INDENT}(the arguments are no JSON: {error})"
    except orjson.JSONEncodeError:
        yield f"{_INDENT}(the arguments are nested too deep)"
    yield from indented(cut(text, MAX_TEXT))


def _picture(url: str, encoded: str) -> str:
    """``[picture png 34 KB]``, or where it is."""
    if url.startswith("data:"):
        head, _, encoded = url.partition(",")
        kind = head.removeprefix("data:").partition(";")[0].removeprefix("image/")
        return f"[picture {one_line(kind, 40)} {size(int(len(encoded) / _NUMBERS))}]"
    if url:
        return f"[picture at {one_line(url, 200)}]"
    if not encoded:
        return "[no picture]"
    try:
        media_type = media_type_of_base64(encoded)
    except UpstreamInvalidResponse:
        return f"[no picture: {size(len(encoded))} that are no base64]"
    kind = (media_type or "of an unknown kind").removeprefix("image/")
    return f"[picture {kind} {size(int(len(encoded) / _NUMBERS))}]"


def _details(usage: Mapping[str, Any], name: str, words: Mapping[str, str]) -> str:
    details = object_in(usage, name)
    said = [f"{grouped(n)} {word}" for key, word in words.items() if (n := count_in(details, key))]
    return f" ({', '.join(said)})" if said else ""


def _own_line(completion: Mapping[str, Any]) -> str:
    """What a completion says of itself."""
    words = [
        f"{word}: {one_line(text, 100)}"
        for name, word in (("model", "model"), ("id", "id"), ("service_tier", "tier"))
        if (text := text_in(completion, name))
    ]
    return " · ".join(words)


def _shortened(value: object) -> object:
    if isinstance(value, str) and len(value) > MAX_STRING:
        return f"{value[:MAX_STRING]}… [{counted(len(value) - MAX_STRING, 'more character')}]"
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in value.items()}
    if isinstance(value, list):
        left = len(value) - MAX_ENTRIES
        entries = [_shortened(each) for each in value[:MAX_ENTRIES]]
        return [*entries, f"… {grouped(left)} more"] if left > 0 else entries
    return value
