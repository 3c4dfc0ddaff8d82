"""Which proxy the environment asks for."""

import pytest
from yarl import URL

from llm_gateway.proxies import environment_proxy
from support.wires import clear_proxies


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    clear_proxies(monkeypatch)


@pytest.mark.parametrize(
    ("environment", "origin", "proxy"),
    [
        ({}, "https://p.invalid", None),
        ({"HTTPS_PROXY": "http://s:1"}, "https://p.invalid", "http://s:1"),
        ({"https_proxy": "http://s:1"}, "https://p.invalid", "http://s:1"),
        ({"HTTPS_PROXY": "http://s:1"}, "http://p.invalid", None),
        ({"HTTP_PROXY": "http://h:1"}, "https://p.invalid", None),
        ({"ALL_PROXY": "http://a:1"}, "https://p.invalid", "http://a:1"),
        (
            {"ALL_PROXY": "http://a:1", "HTTPS_PROXY": "http://s:1"},
            "https://p.invalid",
            "http://s:1",
        ),
        ({"HTTP_PROXY": "http://h:1"}, "http://p.invalid", "http://h:1"),
        ({"HTTP_PROXY": "http://h:1"}, "http://127.0.0.1:11434", None),
        ({"ALL_PROXY": "http://h:1"}, "http://LOCALHOST:11434", None),
        ({"HTTP_PROXY": "http://h:1"}, "http://[::1]", None),
        ({"HTTPS_PROXY": "http://s:1"}, "https://127.0.0.1", "http://s:1"),
        ({"HTTPS_PROXY": ""}, "https://p.invalid", None),
        ({"HTTPS_PROXY": "http://s:1", "NO_PROXY": "*"}, "https://p.invalid", None),
        ({"HTTPS_PROXY": "http://s:1", "NO_PROXY": "p.invalid"}, "https://p.invalid", None),
        ({"HTTPS_PROXY": "http://s:1", "NO_PROXY": "invalid"}, "https://p.invalid", None),
        ({"HTTPS_PROXY": "http://s:1", "NO_PROXY": "x.invalid"}, "https://p.invalid", "http://s:1"),
        ({"HTTP_PROXY": "http://s:1", "NO_PROXY": "p.invalid:8080"}, "http://p.invalid:8080", None),
        (
            {"HTTP_PROXY": "http://s:1", "NO_PROXY": "p.invalid:8080"},
            "http://p.invalid:9090",
            "http://s:1",
        ),
    ],
)
def test_the_environment_names_the_proxy(
    environment: dict[str, str], origin: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    found = environment_proxy(URL(origin))
    assert found == (None if proxy is None else URL(proxy))
