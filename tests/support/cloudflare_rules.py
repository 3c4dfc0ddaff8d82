"""What Workers AI refuses at its own endpoint, by the schemas of its models, and in its own words.

Cloudflare's SDK for Python only knows types; the ranges and the required keys are those of the
models' input schemas (https://developers.cloudflare.com/workers-ai/models/). On top of them: what
no schema knows, such as which message may follow which. A field unknown to a schema is refused,
too, although the real ones mostly ignore such: it would be lost without a word.
"""

import email.message
import email.parser
import email.policy
import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from support.openai_shapes import JSONObject

BAD_INPUT = 5006
NO_JSON = 3003
NSFW = 8007


class Refused(Exception):
    """The request is refused with this status, code and message."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(f"{status} {code} {message}")
        self.status = status
        self.code = code
        self.message = message

    @property
    def body(self) -> JSONObject:
        """The API's error body."""
        return envelope(None, {"code": self.code, "message": self.message})


def envelope(result: object, *errors: JSONObject) -> JSONObject:
    """The API's envelope of an answer or of errors."""
    return {"result": result, "success": not errors, "errors": list(errors), "messages": []}


class Strict(BaseModel):
    """An object with these keys, of these types, and no others."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TextPart(Strict):
    type: Literal["text"]
    text: str


class Address(Strict):
    url: Annotated[str, Field(pattern=r"^data:image/[a-z.+-]+;base64,[A-Za-z0-9+/]+=*$")]


class PicturePart(Strict):
    type: Literal["image_url"]
    image_url: Address


class System(Strict):
    role: Literal["system"]
    content: str


class User(Strict):
    role: Literal["user"]
    content: str | list[TextPart | PicturePart]


class CalledFunction(Strict):
    name: str
    arguments: str


class Called(Strict):
    id: Annotated[str, Field(min_length=1)]
    type: Literal["function"]
    function: CalledFunction


class Assistant(Strict):
    role: Literal["assistant"]
    content: str
    reasoning: str = ""
    tool_calls: Annotated[list[Called], Field(min_length=1)] | None = None


class Result(Strict):
    role: Literal["tool"]
    name: str
    tool_call_id: str
    content: str


class Parameters(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)
    type: str
    properties: dict[str, Any]
    required: list[str] = []


class Function(Strict):
    name: Annotated[str, Field(min_length=1)]
    description: str
    parameters: Parameters


class Tool(Strict):
    type: Literal["function"]
    function: Function


class ChosenFunction(Strict):
    name: str


class Choice(Strict):
    type: Literal["function"]
    function: ChosenFunction


class Format(Strict):
    type: Literal["json_object", "json_schema"]
    json_schema: dict[str, Any] | None = None


class Chat(Strict):
    """The input of text generation."""

    messages: Annotated[
        list[Annotated[System | User | Assistant | Result, Field(discriminator="role")]],
        Field(min_length=1),
    ]
    max_tokens: Annotated[int, Field(ge=1)] = 256
    temperature: Annotated[float, Field(ge=0, le=5)] = 0.6
    top_p: Annotated[float, Field(ge=0.001, le=1)] = 1
    top_k: Annotated[int, Field(ge=1, le=50)] = 1
    seed: Annotated[int, Field(ge=1, le=9999999999)] = 1
    repetition_penalty: Annotated[float, Field(ge=0, le=2)] = 1
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] = 0
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] = 0
    stream: bool = False
    raw: bool = False
    lora: str = ""
    tools: Annotated[list[Tool], Field(min_length=1)] | None = None
    tool_choice: Literal["auto", "none", "required"] | Choice | None = None
    response_format: Format | None = None
    reasoning_effort: Literal["low", "medium", "high"] | None = None
    chat_template_kwargs: dict[str, Any] | None = None


class Flux1(Strict):
    """The input of flux-1-schnell, which draws one size."""

    prompt: Annotated[str, Field(min_length=1, max_length=2048)]
    steps: Annotated[int, Field(le=8)] = 4
    seed: int = 0


class Diffusion(Strict):
    """The input of Stable Diffusion and its like."""

    prompt: Annotated[str, Field(min_length=1)]
    negative_prompt: str = ""
    width: Annotated[int, Field(ge=256, le=2048)] = 1024
    height: Annotated[int, Field(ge=256, le=2048)] = 1024
    num_steps: Annotated[int, Field(ge=1, le=20)] = 20
    guidance: float = 7.5
    seed: int = 0
    image_b64: str = ""
    strength: Annotated[float, Field(ge=0, le=1)] = 1


class Flux2(BaseModel):
    """The fields of FLUX.2's form, which are text."""

    model_config = ConfigDict(extra="forbid")
    prompt: Annotated[str, Field(min_length=1)]
    width: Annotated[int, Field(ge=256, le=2048)] = 1024
    height: Annotated[int, Field(ge=256, le=2048)] = 1024
    steps: Annotated[int, Field(ge=1, le=50)] = 25
    seed: int = 0
    guidance: float = 4


def check_chat(body: object, *, sees: bool = True) -> JSONObject:
    """The body if a model takes it, one with eyes if it `sees`; raises Refused if not."""
    _validate(Chat, body)
    assert isinstance(body, dict)
    if not sees:
        _refuse_parts(body["messages"])
    _check_results(body["messages"])
    _check_together(body)
    return body


def check_drawing(schema: type[BaseModel], body: object) -> JSONObject:
    """The body if a model with this schema draws it; raises Refused if not."""
    _validate(schema, body)
    assert isinstance(body, dict)
    if "nude" in body["prompt"]:
        raise Refused(400, NSFW, "Input prompt contains NSFW content")
    return body


def read_form(content_type: str, body: bytes) -> dict[str, str]:
    """The fields of a form; raises Refused if it is none."""
    head = f"content-type: {content_type}\r\n\r\n".encode()
    form = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    if form.get_content_type() != "multipart/form-data" or not form.is_multipart():
        raise Refused(400, BAD_INPUT, "AiError: Bad input: required properties: 'multipart'")
    return dict(map(_form_field, form.iter_parts()))


def _form_field(part: email.message.Message) -> tuple[str, str]:
    name = part.get_param("name", header="content-disposition")
    payload = part.get_payload(decode=True)
    if not isinstance(name, str) or not isinstance(payload, bytes):
        raise Refused(400, BAD_INPUT, "AiError: Bad input: a part without a name")
    return name, payload.decode()


def read_json(body: bytes) -> object:
    """The body as JSON; raises Refused if it is none."""
    try:
        content: object = json.loads(body)
    except ValueError:
        raise Refused(400, NO_JSON, "Request is missing headers or body: body") from None
    return content


def _validate(schema: type[BaseModel], body: object) -> None:
    try:
        schema.model_validate(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "/".join(map(str, first["loc"]))
        raise _bad_input(f"'/{where}' {first['msg']}") from None


def _bad_input(what: str) -> Refused:
    return Refused(400, BAD_INPUT, f"AiError: Bad input: Error: oneOf at '/' not met: {what}")


def _refuse_parts(messages: list[JSONObject]) -> None:
    for index, message in enumerate(messages):
        if isinstance(message["content"], list):
            raise _bad_input(
                "0 matches: required properties at '/' are 'prompt', "
                f"Type mismatch of '/messages/{index}/content', 'array' not in 'string'"
            )


def _check_results(messages: list[JSONObject]) -> None:
    """Each call is answered right after it, once, and under its name."""
    open_calls: dict[str, str] = {}
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            name = open_calls.pop(message["tool_call_id"], None)
            if name != message["name"]:
                raise _bad_input(f"'/messages/{index}' answers no call of '{message['name']}'")
            continue
        if open_calls:
            raise _bad_input(f"'/messages/{index}' comes before results of {list(open_calls)}")
        for call in message.get("tool_calls") or ():
            open_calls[call["id"]] = call["function"]["name"]
            _check_arguments(call["function"]["arguments"])
    if open_calls:
        raise _bad_input(f"no results of {list(open_calls)}")


def _check_arguments(text: str) -> None:
    try:
        arguments = json.loads(text)
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise _bad_input(f"arguments are no object: {text}")


def _check_together(body: Mapping[str, Any]) -> None:
    format_ = body.get("response_format")
    if format_ and body.get("stream"):
        # https://developers.cloudflare.com/workers-ai/features/json-mode/
        raise _bad_input("JSON Mode doesn't support streaming")
    if format_ and (format_["type"] == "json_schema") != ("json_schema" in format_):
        raise _bad_input("'/response_format/json_schema' is for the type 'json_schema'")
    names = [tool["function"]["name"] for tool in body.get("tools") or ()]
    choice = body.get("tool_choice")
    if choice and not names:
        raise _bad_input("'/tool_choice' without '/tools'")
    if isinstance(choice, dict) and choice["function"]["name"] not in names:
        raise _bad_input("'/tool_choice' names no tool")
