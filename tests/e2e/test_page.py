"""The page in a real mitmweb: behind its login, and it tells what has happened."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from support.behaviours import error_json, stalls_after
from support.fake_openai import FakeOpenAI
from support.process import WEB_PASSWORD, Gateway, run_gateway
from support.raw_http import RawConnection, json_request, request_bytes
from support.rig import HOST, KEY, PATH, TOKEN, chat
from support.waiting import DEADLINE

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRONG = "a-wrong-token-of-the-test"
SECRETS = (TOKEN, KEY, WRONG)
STATUSES = [200, 200, 200, 200, 503, 503, 503, 404, 401]


def config_text(base_url: str) -> str:
    provider = {"kind": "openai", "base_url": base_url, "api_key": "${FAKE_KEY}"}
    limits = {"minute": 40, "tokens": {"day": 1000}}
    models = [
        {"name": "good", "provider": "acme", "limits": limits},
        *({"name": name, "provider": "acme"} for name in ("limited", "broken", "slow")),
        {"name": "limited", "provider": "spare", "model": "good", "priority": 2},
    ]
    content = {
        "retry": {"attempts": 1},
        "breaker": {"failures": 2, "open": "5m", "jitter": 0},
        "providers": {"acme": {**provider, "limits": {"hour": 500}}, "spare": provider},
        "models": models,
    }
    # JSON is YAML.
    return json.dumps(content)


@dataclass(frozen=True)
class Scene:
    """A mitmweb and its provider."""

    gateway: Gateway
    provider: FakeOpenAI

    @asynccontextmanager
    async def asking(
        self, model: str, *, stream: bool, token: str = TOKEN
    ) -> AsyncIterator[RawConnection]:
        async with RawConnection(self.gateway.port) as client:
            content = chat("hello", model, stream=stream)
            await client.send(json_request(PATH, content, host=HOST, token=token))
            yield client

    async def ask(self, model: str, *, stream: bool = False, token: str = TOKEN) -> int:
        """One exchange, to its end; the status."""
        async with self.asking(model, stream=stream, token=token) as client:
            head = await client.read_head()
            await client.read_body(head)
            return head.status

    async def get(self, path: str, password: str | None = WEB_PASSWORD) -> tuple[int, bytes]:
        """A page of mitmweb."""
        headers = [] if password is None else [("Authorization", f"Bearer {password}")]
        host = f"127.0.0.1:{self.gateway.web_port}"
        async with RawConnection(self.gateway.web_port) as client:
            head, body = await client.exchange(request_bytes("GET", path, headers, host=host))
            return head.status, body

    async def told(self, fact: Callable[[Any], bool] = bool) -> Any:
        """The page's numbers, as soon as the fact about them is true."""
        async with asyncio.timeout(DEADLINE):
            while True:
                _, body = await self.get("/ai/data.json")
                told = json.loads(body)
                if fact(told):
                    return told


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """Three good answers, one by a detour, two failures that open a breaker, two refusals."""
    async with FakeOpenAI(KEY, models=("good",)) as provider:
        provider.script("limited", error_json(429, headers=[("retry-after", "300")]))
        provider.script("broken", error_json(503))
        provider.script("slow", stalls_after(1))
        async with run_gateway(
            tmp_path_factory.mktemp("mitmweb"),
            tool="mitmweb",
            config_text=config_text(provider.base_url),
            env={"AUTH_TOKEN": TOKEN, "FAKE_KEY": KEY},
        ) as gateway:
            scene = Scene(gateway, provider)
            statuses = [
                await scene.ask("good"),
                await scene.ask("good"),
                await scene.ask("good", stream=True),
                await scene.ask("limited"),
                await scene.ask("broken"),
                await scene.ask("broken"),
                await scene.ask("broken"),
                await scene.ask("nobody-knows"),
                await scene.ask("good", token=WRONG),
            ]
            assert statuses == STATUSES
            yield scene


def all_ended(told: Any) -> bool:
    return bool(told["statistics"]["total"]["requests"] >= len(STATUSES))


def row(told: Any, name: str | None, kind: str = "model") -> Any:
    rows = told["statistics"]["models"]
    [found] = [each for each in rows if (each["name"], each["kind"]) == (name, kind)]
    return found


def target(told: Any, label: str) -> Any:
    [found] = [each for each in told["targets"] if each["label"] == label]
    return found


async def test_nobody_sees_it_without_the_password(scene: Scene) -> None:
    for path in ("/ai/", "/ai/data.json"):
        status, body = await scene.get(path, password=None)
        assert status == 403
        assert b"acme" not in body


async def test_every_exchange_is_counted_once(scene: Scene) -> None:
    told = await scene.told(all_ended)
    good, broken = row(told, "good"), row(told, "broken")
    assert (good["requests"], good["failed"], good["counted"]) == (3, 0, 3)
    assert (good["latency"]["count"], good["ttft"]["count"]) == (3, 1)
    assert (broken["requests"], broken["failed"]) == (3, 3)
    assert sum(broken["errors"].values()) == 3
    assert row(told, "limited")["failed"] == 0
    assert row(told, None, "unknown")["errors"] == {"404 model_not_found": 1}
    assert row(told, None, "none")["errors"] == {"401 invalid_api_key": 1}
    total = told["statistics"]["total"]
    assert sum(each["requests"] for each in total["minutes"]) == total["requests"]


async def test_targets_say_what_became_of_their_calls(scene: Scene) -> None:
    told = await scene.told(all_ended)
    calls = {each["label"]: each for each in told["statistics"]["targets"]}
    assert (calls["acme/good"]["attempts"], calls["acme/good"]["good"]) == (3, 3)
    assert calls["acme/limited"]["failures"] == {"rate_limit_exceeded": 1}
    assert (calls["spare/good"]["attempts"], calls["spare/good"]["good"]) == (1, 1)
    assert calls["acme/broken"]["attempts"] == 2
    assert calls["acme/broken"]["skips"] == {"breaker": 1}


async def test_quotas_rests_and_breakers_are_told_as_they_are(scene: Scene) -> None:
    told = await scene.told(all_ended)
    requests, tokens = target(told, "acme/good")["quotas"]
    assert (requests["window"], requests["limit"], requests["used"]) == ("minute", 40, 3)
    assert (tokens["unit"], tokens["window"], tokens["limit"]) == ("tokens", "day", 1000)
    good = row(told, "good")
    assert tokens["used"] == good["prompt_tokens"] + good["completion_tokens"]
    [shared] = target(told, "acme/good")["provider"]["quotas"]
    assert (shared["window"], shared["used"]) == ("hour", 6)
    assert 200 < target(told, "acme/limited")["parked"] <= 300
    breaker = target(told, "acme/broken")["breaker"]
    assert breaker["state"] == "open"
    assert 200 < breaker["left"] <= 300
    assert target(told, "acme/slow")["idle"] is None


async def test_what_is_under_way_is_there_until_its_client_leaves(scene: Scene) -> None:
    async with scene.asking("slow", stream=True) as client:
        await client.read_head()
        told = await scene.told(lambda told: told["statistics"]["under_way"] == 1)
        [live] = told["statistics"]["live"]
        assert (live["model"], live["target"]) == ("slow", "acme/slow")
        assert live["phase"] == "streaming"
        assert target(told, "acme/slow")["provider"]["running"] == 1
    told = await scene.told(lambda told: not told["statistics"]["under_way"])
    assert row(told, "slow")["left"] == 1
    assert target(told, "acme/slow")["provider"]["running"] == 0


async def test_the_page_says_the_same_in_words(scene: Scene) -> None:
    await scene.told(all_ended)
    status, page = await scene.get("/ai/")
    assert status == 200
    for words in (b"parked for ", b"breaker open for ", b"37 of 40 requests / min"):
        assert words in page


async def test_no_secret_is_in_it_or_in_what_was_said(scene: Scene) -> None:
    for path in ("/ai/", "/ai/data.json"):
        _, body = await scene.get(path)
        assert not [secret for secret in SECRETS if secret.encode() in body]
    assert not [secret for secret in SECRETS if secret in scene.gateway.output()]


async def test_its_address_is_told_at_start(scene: Scene) -> None:
    assert f"  page           {scene.gateway.web_url}/ai/\n" in scene.gateway.output()
