"""What is printed at start: everything that a person needs, and no secret but the made-up token."""

import json
import re
import shlex
from dataclasses import replace

from llm_gateway import __version__
from llm_gateway.banner import invitation, start_block
from llm_gateway.config import ClientToken, Config, Gateway, Size
from llm_gateway.secret import Secret
from support.fakes import KEY, TOKEN, make_config, make_model, make_provider

ADDRESSES = ["http://127.0.0.1:8080", "http://[::1]:8080"]
BASE_URL = "http://127.0.0.1:8080/v1"


def config() -> Config:
    return make_config(
        [make_provider(), make_provider("q", off="GROQ_API_KEY is not set", key=None)],
        [make_model("off", provider="q"), make_model("big", size=Size.BIG), make_model("plain")],
        gateway=Gateway(
            virtual_hosts=("ai.localhost", "[::1]"), tokens=(ClientToken.of("t", Secret(TOKEN)),)
        ),
        warnings=("something is odd",),
    )


def test_the_block_says_what_runs_where_and_what_is_on_and_off() -> None:
    assert start_block(config(), ADDRESSES).splitlines() == [
        f"llm-gateway {__version__}",
        "  configuration  test.yaml",
        "  listening at   http://127.0.0.1:8080, http://[::1]:8080",
        "  answering for  ai.localhost, [::1]",
        "  client tokens  1",
        "  model off      off at q, GROQ_API_KEY is not set",
        "  model on       big (BIG) at p",
        "  model on       plain at p",
        "  warning        something is odd",
    ]


def test_the_page_s_address_is_told_where_there_is_a_page() -> None:
    lines = start_block(config(), ADDRESSES, "http://127.0.0.1:8081/ai/").splitlines()
    assert lines[5] == "  page           http://127.0.0.1:8081/ai/"


def test_without_an_address_it_says_so() -> None:
    assert "listening at   nowhere" in start_block(config(), [])


def test_the_block_holds_no_secret() -> None:
    block = start_block(config(), ADDRESSES)
    assert KEY not in block
    assert TOKEN not in block


def curl(text: str) -> list[str]:
    """The words of the curl command in the invitation, as a shell reads them."""
    command = re.search(r"curl (?:.*\\\n)*.*(?:\n .*)*?\}'", text)
    assert command is not None
    return shlex.split(command[0])


def test_the_invitation_s_curl_is_a_request_that_the_gateway_takes() -> None:
    words = curl(invitation(config(), BASE_URL, Secret(TOKEN)))
    assert words[:3] == ["curl", "-N", f"{BASE_URL}/chat/completions"]
    headers = [words[i + 1] for i, word in enumerate(words) if word == "-H"]
    assert headers == [f"Authorization: Bearer {TOKEN}", "Content-Type: application/json"]
    body = json.loads(words[words.index("-d") + 1])
    assert (body["model"], body["stream"]) == ("big", True)
    assert body["messages"][0]["role"] == "user"


def test_the_invitation_s_python_is_three_lines_that_compile() -> None:
    text = invitation(config(), BASE_URL, Secret(TOKEN))
    lines = text.splitlines()
    start = lines.index("from openai import OpenAI")
    code = lines[start : start + 3]
    compile("\n".join(code), "invitation", "exec")
    assert f'base_url="{BASE_URL}", api_key="{TOKEN}"' in code[1]
    assert 'model="big"' in code[2]


def test_the_invitation_shows_the_token_and_no_provider_s_key() -> None:
    text = invitation(config(), BASE_URL, Secret(TOKEN))
    assert TOKEN in text
    assert KEY not in text


def test_without_a_usable_model_there_is_a_token_and_nothing_to_try() -> None:
    gone = make_config([make_provider(off="no key")])
    text = invitation(gone, BASE_URL, Secret(TOKEN))
    assert TOKEN in text
    assert "curl" not in text


def test_a_token_of_our_own_is_announced_but_not_shown_in_the_block() -> None:
    open_house = make_config([make_provider()], gateway=Gateway())
    assert "client tokens  one, made for this run" in start_block(open_house, ADDRESSES)


def test_where_recordings_are_played_there_is_a_token_and_nothing_to_make_up() -> None:
    text = invitation(replace(config(), others="big"), BASE_URL, Secret(TOKEN))
    assert TOKEN in text
    assert f"What was recorded can be asked at {BASE_URL}" in text
    assert "curl" not in text
