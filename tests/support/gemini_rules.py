"""What Gemini refuses in a request to generateContent, checked with Google's own types.

The protobuf messages of google.ai.generativelanguage know the names, the types and that a part has
one payload; they are older than the API, so that two newer fields go to google.genai's models. What
neither knows stands here: whose turn it is, which result answers which call, what names look like,
what does not go together, and the signatures of tool calls.
"""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from google.ai import generativelanguage_v1beta as glm
from google.genai import types
from google.protobuf.json_format import ParseError  # type: ignore[import-untyped] # has no types
from pydantic import ValidationError

from support.gemini_schemas import check_schema
from support.openai_shapes import JSONObject

SKIP_SIGNATURE = "skip_thought_signature_validator"
FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,63}")
OLD = re.compile(r"gemini-(1|2)\b|gemma")
MINIMAL = re.compile(r"gemini-3(\.[1-6])?-flash|gemini-(\S+-)?flash-lite")
FETCHED = re.compile(
    r"https://(generativelanguage\.googleapis\.com/|www\.youtube\.com/|youtu\.be/)"
)
LEVELS = {"MINIMAL", "LOW", "MEDIUM", "HIGH", "XHIGH"}
IMAGE_SIZES = {"1K", "2K", "4K"}
MEDIA = re.compile(
    r"(image/(png|jpeg|webp|heic|heif)|audio/[\w.+-]+|video/[\w.+-]+|text/\w+|application/pdf)"
)
RANGES = {
    "temperature": (0, 2),
    "topP": (0, 1),
    "topK": (1, 1000),
    "candidateCount": (1, 8),
    "maxOutputTokens": (1, 2**31 - 1),
    "presencePenalty": (-2, 2),
    "frequencyPenalty": (-2, 2),
    "logprobs": (0, 20),
}
MAX_STOPS = 5
FREE = {"args", "response", "parametersJsonSchema", "responseJsonSchema"}
"""What stands in these is the client's, and named as it likes."""
_SNAKE = re.compile(r"_([a-z])")
STATUSES = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND"}

type Known = Callable[[str], bool]


class Refused(Exception):
    """The request is refused with `status` and Google's error `body`."""

    def __init__(self, text: str, status: int = 400, reason: str = "") -> None:
        super().__init__(f"{status} {text}")
        self.status = status
        self.body = error_body(text, status, STATUSES[status], reason)


def error_body(text: str, code: int, status: str, reason: str = "") -> JSONObject:
    """Return Google's error body; `reason` is that of an ErrorInfo."""
    error: JSONObject = {"code": code, "message": text, "status": status}
    if reason:
        info = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": reason,
            "domain": "googleapis.com",
            "metadata": {"service": "generativelanguage.googleapis.com"},
        }
        error["details"] = [info]
    return {"error": error}


def check_generate_request(
    body: object, model: str = "gemini-3-pro", *, knows_signature: Known = lambda _: True
) -> JSONObject:
    """Return `body`, its names in camel case, when the model would take it; or raises Refused.

    `knows_signature` tells whether a signature is one that Google made.
    """
    if not isinstance(body, dict):
        raise Refused("Invalid JSON payload received. Expected an object.")
    return _checked(_in_camel_case(body), model, knows_signature)


def check_reply(body: JSONObject) -> JSONObject:
    """Return a reply, or an event of a stream, when it is one; raises an error when not."""
    glm.GenerateContentResponse.from_json(json.dumps(body), ignore_unknown_fields=False)
    types.GenerateContentResponse.model_validate(body)
    return body


def _checked(body: JSONObject, model: str, knows_signature: Known) -> JSONObject:
    _check_types(body)
    _check_contents(body.get("contents") or [])
    system = body.get("systemInstruction")
    if system is not None:
        _check_system(system)
    _check_tools(body)
    _check_config(body, model)
    if not OLD.match(model):
        _check_signatures(body["contents"], knows_signature)
    return body


def _in_camel_case(value: Any) -> Any:
    """Google takes snake case as well, which its SDK sends in places."""
    if isinstance(value, list):
        return [_in_camel_case(each) for each in value]
    if not isinstance(value, dict):
        return value
    named = {_SNAKE.sub(lambda match: match[1].upper(), name): name for name in value}
    return {
        new: value[old] if new in FREE else _in_camel_case(value[old]) for new, old in named.items()
    }


def _check_types(body: JSONObject) -> None:
    try:
        older = _without_newer_fields(body)
        glm.GenerateContentRequest.from_json(json.dumps(older), ignore_unknown_fields=False)
    except ParseError as error:
        raise Refused(f"Invalid JSON payload received. {error}") from None


def _without_newer_fields(body: JSONObject) -> JSONObject:
    """The body without the fields that the protobuf messages do not know, which are checked."""
    config = dict(body.get("generationConfig") or {})
    thinking = dict(config.get("thinkingConfig") or {})
    image = dict(config.get("imageConfig") or {})
    level, size = thinking.get("thinkingLevel"), image.get("imageSize")
    # An unknown word only makes the models warn.
    if level is not None and (level not in LEVELS or "thinkingBudget" in thinking):
        raise Refused("Invalid value at 'generation_config.thinking_config'")
    if size is not None and size not in IMAGE_SIZES:
        raise Refused("Invalid value at 'generation_config.image_config.image_size'")
    try:
        types.ThinkingConfig.model_validate(thinking)
        types.ImageConfig.model_validate(image)
    except ValidationError as error:
        raise Refused(f"Invalid JSON payload received. {error}") from None
    thinking.pop("thinkingLevel", None)
    image.pop("imageSize", None)
    config |= {"thinkingConfig": thinking} if thinking else {}
    config |= {"imageConfig": image} if image else {}
    for name, left in (("thinkingConfig", thinking), ("imageConfig", image)):
        if not left:
            config.pop(name, None)
    return {**body, "generationConfig": config}


def _check_contents(contents: list[JSONObject]) -> None:
    if not contents:
        raise Refused("* GenerateContentRequest.contents: contents is not specified")
    if contents[0].get("role") != "user":
        raise Refused("Please ensure that the conversation begins with a user turn.")
    before: JSONObject = {}
    for index, content in enumerate(contents):
        where = f"contents[{index}]"
        if content.get("role") not in {"user", "model"}:
            raise Refused("Please use a valid role: user, model.")
        if not content.get("parts"):
            raise Refused(
                f"* GenerateContentRequest.{where}.parts: contents.parts must not be empty."
            )
        for number, part in enumerate(content["parts"]):
            _check_part(part, content["role"], f"{where}.parts[{number}]")
        _check_order(before, content)
        before = content
    if list(_payloads(before, "functionCall")):
        raise Refused("Please ensure that function call turn is followed by a function response.")


def _check_part(part: JSONObject, role: str, where: str) -> None:
    payloads = part.keys() - {"thought", "thoughtSignature", "videoMetadata"}
    if len(payloads) != 1:
        raise Refused(
            f"* {where}.data: required oneof field 'data' must have one initialized field"
        )
    if "text" in part and not part["text"]:
        raise Refused(f"Unable to submit request because {where} must have a text parameter.")
    if "functionCall" in part:
        _check_of("model", role, where)
        _check_name(part["functionCall"].get("name", ""))
    if "functionResponse" in part:
        _check_of("user", role, where)
        _check_name(part["functionResponse"].get("name", ""))
    if "inlineData" in part:
        _check_media(part["inlineData"], where)
    if "fileData" in part and not FETCHED.match(part["fileData"].get("fileUri", "")):
        raise Refused("Cannot fetch content from the provided URL.")


def _check_of(expected: str, role: str, where: str) -> None:
    if role != expected:
        raise Refused(f"Please ensure that {where} is of a turn with the role {expected}.")


def _check_name(name: str) -> None:
    if not FUNCTION_NAME.fullmatch(name):
        raise Refused("Invalid function name. Must start with a letter or an underscore.")


def _check_media(data: JSONObject, where: str) -> None:
    if not MEDIA.fullmatch(data.get("mimeType", "")):
        raise Refused(f"Unsupported MIME type: {data.get('mimeType')}")
    if not decoded(data.get("data", "")):
        raise Refused(f"Unable to process input at {where}.")


def decoded(data: str) -> bytes:
    """The bytes in base64 of either alphabet; raises Refused."""
    try:
        return base64.b64decode(data.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        raise Refused("Invalid value (TYPE_BYTES), Base64 decoding failed") from None


def _check_order(before: JSONObject, content: JSONObject) -> None:
    asked = list(_payloads(before, "functionCall"))
    answered = list(_payloads(content, "functionResponse"))
    if len(asked) != len(answered) or (answered and len(answered) != len(content["parts"])):
        raise Refused(
            "Please ensure that the number of function response parts is equal to the number of "
            "function call parts of the function call turn."
        )
    for call, response in zip(asked, answered, strict=True):
        if (call.get("id"), call["name"]) != (response.get("id"), response["name"]):
            raise Refused("Please ensure that function responses match the function calls.")
    if before and content["role"] == before["role"] == "model":
        raise Refused(
            "Please ensure that function call turn comes immediately after a user turn or after a "
            "function response turn."
        )
    if before and content["role"] == before["role"] and not _payloads_in(before):
        raise Refused("Stricter than Google: what one side says in a row is one turn.")


def _payloads(content: JSONObject, name: str) -> Iterator[JSONObject]:
    return (part[name] for part in content.get("parts") or () if name in part)


def _payloads_in(content: JSONObject) -> bool:
    return any(_payloads(content, "functionResponse"))


def _check_system(system: JSONObject) -> None:
    parts = system.get("parts") or []
    if not parts or any(not part.get("text") for part in parts):
        raise Refused("Please ensure that the system instruction holds text, and nothing else.")


def _check_tools(body: JSONObject) -> None:
    functions = [f for tool in body.get("tools") or () for f in tool["functionDeclarations"]]
    names = [function.get("name", "") for function in functions]
    for function in functions:
        _check_name(function.get("name", ""))
        if "parameters" in function:
            raise Refused("Stricter than Google: schemas go to parametersJsonSchema.")
        if "parametersJsonSchema" in function:
            check_schema(function["parametersJsonSchema"], Refused)
    for name in names:
        if names.count(name) > 1:
            raise Refused(f"Duplicate function declaration found: {name}")
    if body.get("tools") and not names:
        raise Refused("Tool must have at least one function declaration.")
    config = (body.get("toolConfig") or {}).get("functionCallingConfig")
    if config is not None:
        _check_calling(config, names)


def _check_calling(config: JSONObject, names: list[str]) -> None:
    if not names:
        raise Refused("Function calling config is set without function_declarations.")
    if config.get("mode") not in {"AUTO", "ANY", "NONE"}:
        raise Refused("Invalid value at 'tool_config.function_calling_config.mode'")
    allowed = config.get("allowedFunctionNames")
    if allowed is None:
        return
    if config["mode"] != "ANY" or not allowed:
        raise Refused("Allowed function names should only be set when the mode is ANY.")
    if not set(allowed) <= set(names) or len(set(allowed)) != len(allowed):
        raise Refused("Allowed function names should be a subset of the declared functions.")


def _check_config(body: JSONObject, model: str) -> None:
    config: JSONObject = body.get("generationConfig") or {}
    for name, (low, high) in RANGES.items():
        if name in config and not low <= config[name] <= high:
            raise Refused(f"* GenerateContentRequest.generation_config.{name}: out of range")
    stops = config.get("stopSequences") or []
    if len(stops) > MAX_STOPS or not all(stops):
        raise Refused("* GenerateContentRequest.generation_config.stop_sequences: at most 5")
    if "logprobs" in config and not config.get("responseLogprobs"):
        raise Refused("Logprobs is only supported when responseLogprobs is true.")
    is_json = config.get("responseMimeType") == "application/json"
    if "responseJsonSchema" in config:
        if not is_json:
            raise Refused("responseJsonSchema needs a responseMimeType of 'application/json'.")
        check_schema(config["responseJsonSchema"], Refused)
    if is_json and body.get("tools") and OLD.match(model):
        raise Refused(
            "Function calling with a response mime type: 'application/json' is unsupported"
        )
    _check_thinking(config.get("thinkingConfig"), model)


def _check_thinking(config: Mapping[str, Any] | None, model: str) -> None:
    if config is None:
        return
    is_2_5 = model.startswith("gemini-2.5")
    if "thinkingLevel" in config and is_2_5:
        raise Refused("Thinking level is not supported for this model.")
    if (OLD.match(model) and not is_2_5) or "image" in model:
        raise Refused("Thinking is not enabled for this model.")
    if "-pro" in model and config.get("thinkingBudget") == 0:
        raise Refused("Budget 0 is invalid. This model only works in thinking mode.")
    if config.get("thinkingLevel") == "MINIMAL" and not MINIMAL.match(model):
        raise Refused("Thinking level is unsupported: THINKING_LEVEL_MINIMAL")


def _check_signatures(contents: list[JSONObject], known: Known) -> None:
    for position, content in enumerate(contents):
        parts = [part for part in content["parts"] if "functionCall" in part]
        for part in parts[:1]:
            if "thoughtSignature" not in part:
                name = part["functionCall"]["name"]
                raise Refused(
                    "Function call is missing a thought_signature in functionCall parts. This is "
                    "required for tools to work correctly, and missing thought_signature may lead "
                    f"to degraded model performance. Additional data, function call `{name}` , "
                    f"position {position + 1}."
                )
        for part in content["parts"]:
            signature = part.get("thoughtSignature", SKIP_SIGNATURE)
            if signature != SKIP_SIGNATURE and not known(signature):
                raise Refused("Corrupted thought signature.")
