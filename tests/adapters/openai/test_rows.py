"""The rows of the table: addresses, keys, and what each provider is said to do."""

from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest

from llm_gateway.adapters.openai import KINDS, OpenAIAdapter
from support.calls import make_call

LOCAL = {"ollama": 11434, "vllm": 8000, "llamacpp": 8080, "lmstudio": 1234}
HI: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("name", KINDS)
def test_an_address_is_https_unless_it_is_this_machine(name: str) -> None:
    url = KINDS[name].defaults.base_url
    assert url is not None
    assert not url.endswith("/")
    parts = urlsplit(url)
    if name in LOCAL:
        assert (parts.scheme, parts.hostname, parts.port) == ("http", "127.0.0.1", LOCAL[name])
    else:
        assert (parts.scheme, parts.port) == ("https", None)


@pytest.mark.parametrize("name", KINDS)
def test_a_key_goes_into_the_authorization_and_local_servers_need_none(name: str) -> None:
    [credential] = KINDS[name].defaults.credentials
    assert (credential.key, credential.header, credential.scheme) == (
        "api_key",
        "authorization",
        "Bearer ",
    )
    assert credential.required == (name not in LOCAL)


@pytest.mark.parametrize("name", KINDS)
def test_a_row_says_what_its_adapters_do(name: str) -> None:
    row = KINDS[name]
    adapter = row.chat(make_call(HI))
    assert isinstance(adapter, OpenAIAdapter)
    assert adapter.dialect.fields == row.fields
    assert row.defaults.draws == (row.images is not None)
    assert row.defaults.lists_models == (row.models is not None)


def test_openrouter_is_told_who_asks() -> None:
    assert KINDS["openrouter"].defaults.headers == (("x-title", "llm-gateway"),)


@pytest.mark.parametrize("name", ["ollama", "lmstudio", "together", "nvidia", "huggingface"])
def test_where_models_know_no_developer_the_system_speaks(name: str) -> None:
    """Most chat templates leave out a role they do not know, or fail on it."""
    said = [{"role": "developer", "content": "Be brief."}, *HI["messages"]]
    request = KINDS[name].chat(make_call({**HI, "messages": said})).encode()
    assert orjson.loads(request.body)["messages"] == [{**said[0], "role": "system"}, said[1]]
