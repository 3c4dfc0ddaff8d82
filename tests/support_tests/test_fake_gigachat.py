"""The fake GigaChat takes what the official SDK sends, and refuses what GigaChat refuses."""

import base64
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlencode

import pytest
from gigachat import GigaChat
from gigachat.exceptions import ResponseError
from gigachat.models import Chat, ChatCompletion

from support.fake_gigachat import CLIENT_ID, FakeGigaChat
from support.gigachat_rules import Refused, check_chat_request
from support.openai_shapes import JSONObject
from support.pictures import JPEG, PNG
from support.raw_http import RawConnection, request_bytes
from support.recording_server import HeaderList, Received, Reply

HOST = "provider.test"
USER = {"role": "user", "content": "Привет, как дела?"}
WEATHER: JSONObject = {
    "name": "weather",
    "description": "Погода в городе",
    "parameters": {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "array", "items": {"type": "integer"}},
        },
        "required": ["city"],
    },
}
CALLED = {
    "role": "assistant",
    "content": "",
    "function_call": {"name": "weather", "arguments": {"city": "Москва"}},
}
RESULT = {"role": "function", "name": "weather", "content": '{"t":-5}'}


@pytest.fixture
async def fake() -> AsyncIterator[FakeGigaChat]:
    async with FakeGigaChat() as server:
        yield server


def sdk(fake: FakeGigaChat) -> GigaChat:
    return GigaChat(
        base_url=fake.base_url, auth_url=fake.auth_url, credentials=fake.key, model="GigaChat-2"
    )


def chat(**fields: Any) -> JSONObject:
    return {"model": "GigaChat-2", "messages": [USER], **fields}


async def ask(fake: FakeGigaChat, **fields: Any) -> ChatCompletion:
    async with sdk(fake) as client:
        return await client.achat(Chat.model_validate(chat(**fields)))


async def test_the_sdk_gets_a_token_and_an_answer(fake: FakeGigaChat) -> None:
    answer = await ask(fake)
    assert answer.choices[0].message.content == "You said: Привет, как дела?"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == 3 + 5
    assert fake.token_requests == 1


async def test_the_sdk_gets_a_stream(fake: FakeGigaChat) -> None:
    async with sdk(fake) as client:
        chunks = [each async for each in client.astream(Chat.model_validate(chat()))]
    text = "".join(each.choices[0].delta.content or "" for each in chunks)
    assert text == "You said: Привет, как дела?"
    assert len(chunks) > 3
    assert chunks[-1].usage is not None
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_an_answer_may_be_cut_off(fake: FakeGigaChat) -> None:
    choice = (await ask(fake, max_tokens=2)).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("You said:", "length")


@pytest.mark.parametrize("function_call", ["auto", {"name": "weather"}])
async def test_a_function_that_is_offered_is_called(
    fake: FakeGigaChat, function_call: object
) -> None:
    choice = (await ask(fake, functions=[WEATHER], function_call=function_call)).choices[0]
    assert choice.finish_reason == "function_call"
    assert choice.message.function_call is not None
    assert choice.message.function_call.name == "weather"
    assert choice.message.function_call.arguments == {"city": USER["content"]}
    assert choice.message.functions_state_id


async def test_without_the_word_auto_no_function_is_called(fake: FakeGigaChat) -> None:
    choice = (await ask(fake, functions=[WEATHER])).choices[0]
    assert choice.message.function_call is None


async def test_results_of_functions_are_repeated(fake: FakeGigaChat) -> None:
    answer = await ask(fake, messages=[USER, CALLED, RESULT, CALLED, {**RESULT, "content": "{}"}])
    assert answer.choices[0].message.content == 'Results: {"t":-5} {}'


async def test_json_is_answered_where_it_is_asked_for(fake: FakeGigaChat) -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"$ref": "#/$defs/number"}, "s": {"anyOf": [{"const": "x"}]}},
        "$defs": {"number": {"type": "integer"}},
    }
    wanted = {"type": "json_schema", "schema": schema, "strict": True}
    answer = await ask(fake, response_format=wanted)
    assert json.loads(answer.choices[0].message.content) == {"n": 1, "s": "x"}
    system = {"role": "system", "content": "Answer in JSON."}
    answer = await ask(fake, messages=[system, USER])
    assert json.loads(answer.choices[0].message.content) == {"answer": USER["content"]}


async def test_a_picture_that_is_uploaded_and_attached_is_seen(fake: FakeGigaChat) -> None:
    async with sdk(fake) as client:
        file = await client.aupload_file(("a.png", PNG, "image/png"), purpose="general")
        message = {"role": "user", "content": "Что это?", "attachments": [file.id_]}
        answer = await client.achat(Chat.model_validate(chat(messages=[message])))
    assert file.bytes_ == len(PNG)
    assert answer.choices[0].message.content == f"I see image/png of {len(PNG)} bytes."


async def test_it_draws_when_it_is_told_to_and_may(fake: FakeGigaChat) -> None:
    order = {"role": "user", "content": "Нарисуй кота"}
    async with sdk(fake) as client:
        drawn = Chat.model_validate(chat(messages=[order], function_call="auto"))
        content = (await client.achat(drawn)).choices[0].message.content
        id = content.removeprefix('<img src="').partition('"')[0]
        image = await client.aget_image(id)
        roles = [each.choices[0].delta.role async for each in client.astream(drawn)]
        said = await client.achat(Chat.model_validate(chat(messages=[order])))
    assert base64.b64decode(image.content) == JPEG
    assert roles[:2] == ["function_in_progress", "assistant"]
    assert said.choices[0].message.content == "You said: Нарисуй кота"


async def test_the_models_are_listed_with_their_types(fake: FakeGigaChat) -> None:
    async with sdk(fake) as client:
        models = await client.aget_models()
    assert [model.id_ for model in models.data] == ["GigaChat-2", "GigaChat-2-Max", "Embeddings"]


async def test_the_sdk_asks_for_a_new_token_when_the_old_one_is_refused(
    fake: FakeGigaChat,
) -> None:
    async with sdk(fake) as client:
        await client.achat("Hi")
        fake.expire_tokens()
        await client.achat("Hi")
    assert fake.token_requests == 2
    statuses = [each.header("authorization") for each in fake.requests if each.path.endswith("s")]
    assert statuses == [f"Bearer {token}" for token in (*fake.tokens[:1] * 2, fake.tokens[1])]


async def test_a_token_lives_for_its_time() -> None:
    now = 1000.0
    async with FakeGigaChat(lifetime=60, clock=lambda: now) as fake:
        _, body = await post(fake, "/api/v2/oauth", OAUTH_BODY, oauth_headers(fake))
        assert body["expires_at"] == 1060_000
        token = [("Authorization", f"Bearer {body['access_token']}"), AGENT]
        assert (await get(fake, "/api/v1/models", token))[0] == 200
        now = 1060.0
        assert await get(fake, "/api/v1/models", token) == (
            401,
            {"status": 401, "message": "Token has expired"},
        )


async def test_a_model_may_be_scripted(fake: FakeGigaChat) -> None:
    async def busy(_received: Received, reply: Reply) -> None:
        await reply.json(429, {"status": 429, "message": "Too many requests"})

    fake.script("busy", busy)
    with pytest.raises(ResponseError) as caught:
        await ask(fake, model="busy")
    assert caught.value.status_code == 429


AGENT = ("User-Agent", "test")
OAUTH_BODY = urlencode({"scope": "GIGACHAT_API_PERS"}).encode()


def oauth_headers(fake: FakeGigaChat, **changed: str | None) -> HeaderList:
    fields = {
        "Authorization": f"Basic {fake.key}",
        "RqUID": str(uuid.uuid4()),
        "Content-Type": "application/x-www-form-urlencoded",
    }
    both = {**fields, **changed}
    return [(name, value) for name, value in both.items() if value is not None]


async def post(fake: FakeGigaChat, path: str, body: bytes, headers: HeaderList) -> tuple[int, Any]:
    return await exchange(fake, request_bytes("POST", path, headers, body, host=HOST))


async def get(fake: FakeGigaChat, path: str, headers: HeaderList) -> tuple[int, Any]:
    return await exchange(fake, request_bytes("GET", path, headers, host=HOST))


async def exchange(fake: FakeGigaChat, request: bytes) -> tuple[int, Any]:
    async with RawConnection(fake.port) as client:
        head, body = await client.exchange(request)
    return head.status, json.loads(body)


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize(
    ("headers", "body", "status", "code"),
    [
        ({"RqUID": None}, OAUTH_BODY, 400, 1),
        ({"RqUID": "1"}, OAUTH_BODY, 400, 1),
        ({"RqUID": str(uuid.uuid1())}, OAUTH_BODY, 400, 1),
        ({"RqUID": uuid.uuid4().hex}, OAUTH_BODY, 400, 1),
        ({"Content-Type": "application/json"}, b"{}", 400, 1),
        ({"Authorization": None}, OAUTH_BODY, 400, 4),
        ({"Authorization": "Bearer abc"}, OAUTH_BODY, 400, 4),
        ({"Authorization": "Basic a:b"}, OAUTH_BODY, 400, 4),
        ({"Authorization": basic(f"{CLIENT_ID}:wrong")}, OAUTH_BODY, 401, 6),
        ({}, b"", 400, 5),
        ({}, b"scope=GIGACHAT_API_CORP", 400, 7),
    ],
)
async def test_a_wrong_request_for_a_token_is_refused(
    fake: FakeGigaChat, headers: dict[str, str | None], body: bytes, status: int, code: int
) -> None:
    got, answer = await post(fake, "/api/v2/oauth", body, oauth_headers(fake, **headers))
    assert (got, answer["code"]) == (status, code)
    assert (fake.token_requests, fake.tokens) == (1, [])


async def test_the_id_of_a_request_for_a_token_is_used_once(fake: FakeGigaChat) -> None:
    headers = oauth_headers(fake)
    assert (await post(fake, "/api/v2/oauth", OAUTH_BODY, headers))[0] == 200
    assert (await post(fake, "/api/v2/oauth", OAUTH_BODY, headers))[0] == 400


async def access(fake: FakeGigaChat) -> list[tuple[str, str]]:
    _, body = await post(fake, "/api/v2/oauth", OAUTH_BODY, oauth_headers(fake))
    return [("Authorization", f"Bearer {body['access_token']}"), AGENT]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/api/v1/models", [AGENT], 401),
        ("GET", "/api/v1/models", [AGENT, ("Authorization", "Bearer made-up")], 401),
        ("GET", "/api/v1/models", [("Authorization", "Bearer made-up")], 403),
    ],
)
async def test_without_a_token_or_a_name_there_is_no_access(
    fake: FakeGigaChat, method: str, path: str, headers: HeaderList, status: int
) -> None:
    got, body = await exchange(fake, request_bytes(method, path, headers, host=HOST))
    assert (got, body["status"]) == (status, status)


async def test_what_is_not_there_is_not_found(fake: FakeGigaChat) -> None:
    token = await access(fake)
    assert (await get(fake, "/api/v1/other", token))[0] == 404
    assert (await get(fake, "/api/v1/files/no-such-file/content", token))[0] == 404
    content = [*token, ("Content-Type", "application/json")]
    unknown = json.dumps(chat(model="GigaChat-9")).encode()
    path = "/api/v1/chat/completions"
    assert (await post(fake, path, unknown, content))[0] == 404
    foreign = json.dumps(chat(messages=[{**USER, "attachments": ["no-such-file"]}])).encode()
    assert (await post(fake, path, foreign, content))[0] == 404
    assert (await post(fake, path, b"{", content))[0] == 400
    assert (await post(fake, path, b"{}", token))[0] == 415


def form(*sections: bytes) -> bytes:
    return b"".join(b"--b\r\n" + section + b"\r\n" for section in sections) + b"--b--\r\n"


FILE = b'content-disposition: form-data; name="file"; filename="a.png"\r\n'
PURPOSE = b'content-disposition: form-data; name="purpose"\r\n\r\ngeneral'


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("multipart/form-data; boundary=b", form(FILE + b"content-type: image/png\r\n\r\nx"), 400),
        ("multipart/form-data; boundary=b", form(PURPOSE), 400),
        (
            "multipart/form-data; boundary=b",
            form(FILE + b"content-type: image/gif\r\n\r\nx", PURPOSE),
            400,
        ),
        (
            "multipart/form-data; boundary=b",
            form(FILE + b"content-type: image/png\r\n\r\n", PURPOSE),
            400,
        ),
        ("multipart/form-data; boundary=c", form(PURPOSE), 400),
        ("multipart/form-data; boundary=b", form(b"x: y\r\n\r\nz"), 400),
        ("application/json", b"{}", 400),
    ],
)
async def test_a_wrong_upload_is_refused(
    fake: FakeGigaChat, content_type: str, body: bytes, status: int
) -> None:
    headers = [*await access(fake), ("Content-Type", content_type)]
    assert (await post(fake, "/api/v1/files", body, headers))[0] == status
    assert not fake.files


async def test_a_file_is_for_the_client_that_it_belongs_to(fake: FakeGigaChat) -> None:
    token = await access(fake)
    mine = [*token, ("X-Client-ID", "me"), ("Content-Type", "multipart/form-data; boundary=b")]
    body = form(FILE + b"content-type: image/png\r\n\r\n" + PNG, PURPOSE)
    _, card = await post(fake, "/api/v1/files", body, mine)
    path, accept = f"/api/v1/files/{card['id']}/content", ("Accept", "application/jpg")
    assert (await get(fake, path, [*token, accept]))[0] == 404
    assert (await get(fake, path, [*token, ("X-Client-ID", "me")]))[0] == 406
    async with RawConnection(fake.port) as client:
        headers = [*token, ("X-Client-ID", "me"), accept]
        _, content = await client.exchange(request_bytes("GET", path, headers, host=HOST))
    assert content == PNG


def with_messages(*messages: JSONObject) -> JSONObject:
    return chat(messages=[*messages])


def with_parameters(parameters: object) -> JSONObject:
    return chat(functions=[{"name": "f", "parameters": parameters}])


def with_property(schema: object) -> JSONObject:
    return with_parameters({"type": "object", "properties": {"p": schema}})


SYSTEM = {"role": "system", "content": "Be brief."}
ATTACHED = {**USER, "attachments": ["file-1"]}

GOOD: Sequence[JSONObject] = (
    chat(),
    with_messages(SYSTEM, USER),
    with_messages(USER, CALLED, RESULT, CALLED, RESULT, USER),
    with_messages(USER, {**CALLED, "functions_state_id": "s"}, RESULT),
    with_messages(*[ATTACHED] * 10),
    chat(functions=[WEATHER], function_call="auto"),
    chat(functions=[WEATHER], function_call="none"),
    chat(functions=[WEATHER], function_call={"name": "weather"}),
    chat(function_call="auto"),
    chat(temperature=0.01, top_p=0, max_tokens=1, stream=True, reasoning_effort="low"),
    chat(response_format={"type": "json_schema", "schema": {"anything": None}}),
    with_property({"type": "array", "items": {"type": "object", "properties": {}}}),
    with_property({"type": "string", "description": "d", "enum": ["a"]}),
)


@pytest.mark.parametrize("body", GOOD)
def test_a_good_request_is_taken(body: JSONObject) -> None:
    assert check_chat_request(body) is body


BAD: Sequence[tuple[int, object]] = (
    (400, []),
    (400, chat(tools=[])),
    (400, chat(seed=1)),
    (400, chat(additional_fields={"seed": 1})),
    (400, chat(temperature="1")),
    (400, chat(temperature=None)),
    (400, chat(reasoning_effort="minimal")),
    (400, with_messages({"role": "user", "content": [{"type": "text", "text": "Hi"}]})),
    (400, with_messages({"role": "developer", "content": "Hi"})),
    (400, with_messages({"role": "tool", "content": "Hi"})),
    (400, with_messages({"role": "user", "content": "Hi", "refusal": None})),
    (
        400,
        with_messages(
            USER, {**CALLED, "function_call": {"name": "weather", "arguments": "{}"}}, RESULT
        ),
    ),
    (400, with_property({"type": "string", "additionalProperties": False})),
    (400, with_property({"type": "string", "enum": [1]})),
    (400, with_property({"$ref": "#"})),
    (422, {**chat(), "model": ""}),
    (422, with_messages()),
    (422, with_messages(USER, SYSTEM)),
    (422, with_messages(SYSTEM, SYSTEM)),
    (422, with_messages({"role": "user"})),
    (422, with_messages({"role": "function_in_progress", "content": ""})),
    (422, with_messages({**USER, "name": "Ann"})),
    (422, with_messages(USER, RESULT)),
    (422, with_messages(USER, CALLED)),
    (422, with_messages(USER, CALLED, USER)),
    (422, with_messages(USER, CALLED, RESULT, RESULT)),
    (422, with_messages(USER, CALLED, {**RESULT, "name": "other"})),
    (422, with_messages(USER, CALLED, {"role": "function", "content": "{}"})),
    (422, with_messages(USER, CALLED, {**RESULT, "content": "sunny"})),
    (422, with_messages(USER, CALLED, {**RESULT, "content": "[1]"})),
    (422, with_messages(USER, {**CALLED, "function_call": {"name": "weather"}}, RESULT)),
    (422, with_messages({**USER, "function_call": CALLED["function_call"]}, RESULT)),
    (422, with_messages({**USER, "functions_state_id": "s"})),
    (422, with_messages({**USER, "attachments": ["a", "b"]})),
    (422, with_messages({**USER, "attachments": []})),
    (422, with_messages({**SYSTEM, "attachments": ["a"]}, USER)),
    (422, with_messages(*[ATTACHED] * 11)),
    (422, chat(temperature=0)),
    (422, chat(top_p=1.1)),
    (422, chat(max_tokens=0)),
    (422, chat(n=2)),
    (422, chat(functions=[])),
    (422, chat(functions=[WEATHER, WEATHER])),
    (422, chat(functions=[{**WEATHER, "name": "1st"}])),
    (422, chat(functions=[{**WEATHER, "name": "text2image"}])),
    (422, chat(functions=[{"name": "f"}])),
    (422, chat(functions=[WEATHER], function_call={"name": "other"})),
    (422, with_parameters({"type": "object"})),
    (422, with_parameters({"type": "string", "properties": {}})),
    (422, with_parameters({"type": "object", "properties": {}, "required": ["p"]})),
    (422, with_property({"description": "no type"})),
    (422, with_property({"type": "object"})),
    (422, with_property({"type": "array"})),
    (422, with_property({"type": "string", "items": {"type": "string"}})),
    (422, with_property({"type": "string", "enum": []})),
    (422, with_property({"type": "array", "items": {"anyOf": []}})),
    (422, chat(response_format={"type": "json_object"})),
    (422, chat(response_format={"type": "json_schema"})),
    (422, chat(response_format={"type": "json_schema", "json_schema": {}, "schema": {}})),
)


@pytest.mark.parametrize(("status", "body"), BAD)
def test_a_bad_request_is_refused(status: int, body: object) -> None:
    with pytest.raises(Refused) as caught:
        check_chat_request(body)
    assert caught.value.status == caught.value.body["status"] == status
