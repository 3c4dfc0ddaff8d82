"""The command that stands for a request, word by word as a shell reads it."""

import base64
import json
import shlex
from collections.abc import Sequence
from itertools import pairwise

import pytest
from mitmproxy import exceptions, http
from mitmproxy.test import tflow

from llm_gateway.inspect.commands.curl import MAX_ARGUMENT, curl_command
from llm_gateway.inspect.commands.placeholders import Placeholders
from llm_gateway.secret import Secret
from support.fakes import KEY, TOKEN, make_config
from support.our_flows import CHAT, MASKED, answered, attempt_flow, client_flow

NAMES = Placeholders(make_config(), [Secret(TOKEN)])
LISTENING = [("127.0.0.1", 8080), ("::1", 8081)]
HOSTS = ("ai.localhost", "127.0.0.1")


def command_of(flow: http.HTTPFlow, listening: Sequence[tuple[str, int]] = LISTENING) -> str:
    return curl_command(flow, NAMES, listening, HOSTS)


def words(flow: http.HTTPFlow) -> list[str]:
    return shlex.split(command_of(flow).replace("\\\n", ""))


def fields(flow: http.HTTPFlow) -> list[str]:
    found = words(flow)
    return [word for before, word in pairwise(found) if before == "-H"]


def test_a_clients_request_goes_to_the_gateway_with_its_token_in_a_variable() -> None:
    assert command_of(client_flow({"model": "m"})) == (
        "curl http://127.0.0.1:8080/v1/chat/completions \\\n"
        "  -H 'content-type: application/json' \\\n"
        '  -H "authorization: Bearer $OPENAI_API_KEY" \\\n'
        '  --data-raw \'{"model": "m"}\''
    )


def test_an_attempt_goes_to_the_provider_with_its_key_in_a_variable() -> None:
    flow = attempt_flow(
        url="https://api.acme.example/v1/x?alt=sse", headers=[("x-api-key", MASKED)]
    )
    assert words(flow)[:2] == ["curl", "https://api.acme.example/v1/x?alt=sse"]
    assert '-H "x-api-key: $P_API_KEY"' in command_of(flow)
    assert MASKED not in command_of(flow)


def test_a_request_goes_where_it_came_to_if_that_still_listens() -> None:
    flow = client_flow()
    flow.client_conn.sockname = ("::1", 8081)
    assert words(flow)[1] == "http://ai.localhost:8081/v1/chat/completions"
    with pytest.raises(exceptions.CommandError, match="listens nowhere"):
        command_of(flow, [])


@pytest.mark.parametrize(
    "text",
    [
        "it's",
        "'",
        '"\\" $HOME `id` $(id) !!',
        "two\nlines\n",
        "你好 é 😀",
        "@file",
    ],
)
def test_a_text_arrives_as_it_is(text: str) -> None:
    flow = client_flow(text.encode())
    assert words(flow)[-2:] == ["--data-raw", text]


@pytest.mark.parametrize("body", [b"\xff\x00picture", b"a\tb", b"esc \x1b[0m", b"cr\r\n"])
def test_what_a_terminal_would_change_is_piped_in(body: bytes) -> None:
    encoded = base64.b64encode(body).decode()
    found = words(client_flow(body))
    assert found[:7] == ["printf", "%s", encoded, "|", "base64", "-d", "|"]
    assert found[7] == "curl"
    assert found[-2:] == ["--data-binary", "@-"]


def test_what_is_too_long_for_an_argument_is_piped_in() -> None:
    text = "it's " + "x" * MAX_ARGUMENT
    found = words(client_flow(text.encode()))
    assert found[:5] == ["printf", "%s", text, "|", "curl"]
    assert found[-2:] == ["--data-binary", "@-"]


def test_fields_that_curl_makes_itself_and_other_credentials_are_left_out() -> None:
    extra = [
        ("host", "ai.localhost"),
        ("content-length", "12"),
        ("accept-encoding", "gzip"),
        ("cookie", "a=b"),
        ("x-api-key", MASKED),
        ("x-empty", ""),
        ("x-quote", "it's"),
        ("openai-organization", "org"),
    ]
    assert fields(client_flow(headers=extra)) == [
        "content-type: application/json",
        "authorization: Bearer $OPENAI_API_KEY",
        "x-empty;",
        "x-quote: it's",
        "openai-organization: org",
    ]


def test_a_token_in_a_body_whose_length_is_not_told_is_replaced() -> None:
    """As over HTTP/2; mitmproxy adds the length to a body that is changed."""
    flow = client_flow({"model": TOKEN}, headers=[("x-last", "1")])
    del flow.request.headers["content-length"]
    assert '"$OPENAI_API_KEY"' in words(flow)[-1]
    assert fields(flow)[-1] == "x-last: 1"


@pytest.mark.parametrize("path", ["@evil.example/x", "evil", "?x", ""])
def test_an_odd_path_does_not_make_another_host(path: str) -> None:
    flow = client_flow()
    flow.request.data.path = path.encode()
    assert words(flow)[1] == f"http://127.0.0.1:8080/{path}"


def test_one_request_stays_one() -> None:
    flow = client_flow()
    flow.request.data.path = b"/[1-9]/{a,b}"
    assert words(flow)[1:3] == ["--globoff", "http://127.0.0.1:8080/[1-9]/{a,b}"]


def test_a_shell_runs_nothing_that_stands_in_a_fields_name() -> None:
    flow = attempt_flow(headers=[("x-token`id`$(id)", MASKED)])
    assert "-H 'x-token`id`$(id): '\"$P_API_KEY\"" in command_of(flow)


def test_a_fields_name_may_be_any_bytes() -> None:
    flow = client_flow()
    flow.request.headers = http.Headers([*flow.request.headers.fields, (b"x-\xf1", b"1")])
    assert "x-\udcf1: 1" in fields(flow)


def test_a_token_for_a_fields_name_is_replaced() -> None:
    names = Placeholders(make_config(), [Secret("canary-0123456789")])
    flow = client_flow(headers=[("canary-0123456789", "1")])
    assert "canary-" not in curl_command(flow, names, LISTENING, HOSTS)


def test_a_body_without_a_type_does_not_become_a_form() -> None:
    flow = client_flow()
    del flow.request.headers["content-type"]
    assert "content-type:" in fields(flow)


@pytest.mark.parametrize(
    ("method", "body", "expected"),
    [
        ("GET", b"", []),
        ("POST", b"{}", []),
        ("POST", b"", ["-X", "POST"]),
        ("DELETE", b"", ["-X", "DELETE"]),
    ],
)
def test_the_method_is_named_where_it_is_not_curls(
    method: str, body: bytes, expected: list[str]
) -> None:
    flow = client_flow(body)
    flow.request.method = method
    found = words(flow)
    assert found[1 : found.index("http://127.0.0.1:8080/v1/chat/completions")] == expected


def test_a_stream_is_shown_as_it_comes() -> None:
    stream = answered(b"data: [DONE]\n\n", "text/event-stream; charset=utf-8")
    assert words(client_flow(answer=stream))[1] == "--no-buffer"


def test_a_secret_in_the_body_is_a_variable_that_the_shell_leaves_alone() -> None:
    flow = attempt_flow({**CHAT, "user": f"{KEY} {TOKEN}"})
    sent = json.loads(words(flow)[-1])
    assert sent["user"] == "$P_API_KEY $OPENAI_API_KEY"


def test_what_cannot_be_a_command_is_refused() -> None:
    with pytest.raises(exceptions.CommandError, match="is none of the gateway's: expected"):
        curl_command(tflow.ttcpflow(), NAMES, LISTENING, HOSTS)
    with pytest.raises(exceptions.CommandError, match="is none of the gateway's: expected"):
        command_of(tflow.tflow())
    flow = client_flow()
    flow.request.data.content = None
    with pytest.raises(exceptions.CommandError, match="expected a request that has arrived"):
        command_of(flow)
