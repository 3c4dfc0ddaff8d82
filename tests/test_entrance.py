"""Who is let in, and how flows that cannot be attached to the bridge are answered."""

import gc
import json
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mitmproxy import flowfilter, http
from mitmproxy.addonmanager import AddonManager
from mitmproxy.proxy import mode_specs
from mitmproxy.proxy.server_hooks import ServerConnectionHookData
from mitmproxy.test import tflow

from llm_gateway import config
from llm_gateway.bridge.attach import Bridge
from llm_gateway.draining import Draining
from llm_gateway.echo import EchoWire
from llm_gateway.entrance import Entrance
from llm_gateway.inspect.attempts import Publisher
from llm_gateway.inspect.metadata import ATTEMPT, CLIENT, EXCHANGE, MODEL, PROVIDER, is_client
from llm_gateway.runtime import Engine
from llm_gateway.secret import Secret
from llm_gateway.wire import MARK
from support.live import REGULAR, REVERSE

TOKEN = "canary-client-token"
BEARER = (b"authorization", f"Bearer {TOKEN}".encode())
MARK_OF_THIS = "0123456789abcdef"
CHAT = {"model": "echo-small", "messages": [{"role": "user", "content": "one two"}]}


def echo_without_pauses(provider: config.Provider) -> EchoWire:
    return EchoWire(provider, pace=0)


class House:
    """An entrance whose bridge knows no connection, so that everything is answered whole."""

    def __init__(self, configuration: config.Config) -> None:
        addons: Any = AddonManager  # Publishing is off: nobody watches.
        self.publisher = Publisher(addons, lambda: False)
        engine = Engine(echo_without_pauses, self.publisher.wrap, Secret("unused"), 7)
        engine.adopt(configuration)
        self.draining = Draining()
        self.entrance = Entrance(engine, Bridge({}), self.publisher, self.draining, MARK_OF_THIS)

    async def answer(self, flow: http.HTTPFlow) -> tuple[int, dict[str, Any]]:
        """Take the flow through our hooks; return its status and JSON body."""
        self.entrance.requestheaders(flow)
        await self.entrance.request(flow)
        assert flow.response is not None
        return flow.response.status_code, json.loads(flow.response.content or b"null")


type MakeHouse = Callable[..., House]


@pytest.fixture
async def make_house(tmp_path: Path) -> MakeHouse:
    def make(**gateway: Any) -> House:
        demo = config.demo(tmp_path, {"AUTH_TOKEN": TOKEN})
        fields = {"tokens": demo.gateway.tokens, **gateway}
        return House(
            config.Config(
                gateway=config.Gateway(**fields),
                providers=demo.providers,
                models=demo.models,
                source="test",
                watched=(),
                warnings=(),
            )
        )

    return make


def request(
    method: str = "GET",
    path: str = "/v1/models",
    *fields: tuple[bytes, bytes],
    host: bytes = b"localhost",
    body: object = None,
    mode: mode_specs.ProxyMode = REVERSE,
    replayed: bool = False,
) -> http.HTTPFlow:
    flow = tflow.tflow()
    flow.client_conn.proxy_mode = mode
    flow.request = http.Request.make(
        method, "http://target.invalid:1234", json.dumps(body) if body is not None else b""
    )
    flow.request.headers = http.Headers([(b"host", host), *fields])
    flow.request.path = path
    flow.live = True
    if replayed:
        flow.is_replay = "request"
    return flow


async def test_a_request_with_the_token_is_answered(make_house: MakeHouse) -> None:
    status, body = await make_house().answer(request("GET", "/v1/models", BEARER))
    assert status == 200
    assert [model["id"] for model in body["data"]] == ["echo-small", "echo-big", "SMALL", "BIG"]


@pytest.mark.parametrize("stream", [True, False])
async def test_an_answer_that_cannot_be_streamed_is_given_whole(
    make_house: MakeHouse, stream: bool
) -> None:
    house = make_house()
    flow = request("POST", "/v1/chat/completions", BEARER, body={**CHAT, "stream": stream})
    house.entrance.requestheaders(flow)
    assert flow.response is None
    await house.entrance.request(flow)
    assert flow.response is not None
    assert flow.response.headers["x-request-id"] == flow.metadata[EXCHANGE]
    text = flow.response.get_text() or ""
    assert text.endswith("data: [DONE]\n\n") is stream
    assert "two" in text


async def test_the_token_is_masked_before_any_other_addon_sees_it(make_house: MakeHouse) -> None:
    house = make_house()
    for flow in (
        request("GET", "/v1/models", BEARER),
        request("GET", "/v1/models", BEARER, BEARER),
        request("GET", "/none", BEARER),
        request("GET", "/v1/models", BEARER, host=b"example.com"),
        request("GET", "/v1/models", BEARER, host=b"bad host"),
        request("GET", f"/v1/models?key={TOKEN}"),
    ):
        house.entrance.requestheaders(flow)
        assert TOKEN not in str(flow.request.headers.fields) + flow.request.path


@pytest.mark.parametrize(
    ("flow", "status", "code"),
    [
        (request(), 401, None),
        (request("GET", "/v1/models", (b"authorization", b"Bearer x")), 401, "invalid_api_key"),
        (request("GET", "/none", BEARER), 404, "unknown_url"),
        (request("GET", "/v1/models", BEARER, host=b"example.com"), 421, "misdirected_request"),
        (request("GET", "/v1/models", BEARER, host=b"a b"), 400, None),
        (request("POST", "/v1/models", BEARER), 405, "method_not_supported"),
    ],
)
async def test_a_refusal_is_an_answer_that_names_its_exchange(
    make_house: MakeHouse, flow: http.HTTPFlow, status: int, code: str | None
) -> None:
    answered, body = await make_house().answer(flow)
    assert (answered, body["error"]["code"]) == (status, code)
    assert flow.response is not None
    assert flow.response.headers["x-request-id"] == flow.metadata[EXCHANGE]


async def test_a_refusal_does_not_invite_the_body(make_house: MakeHouse) -> None:
    flow = request("POST", "/v1/chat/completions", (b"expect", b"100-continue"))
    make_house().entrance.requestheaders(flow)
    assert "expect" not in flow.request.headers


@pytest.mark.parametrize(
    "flow",
    [
        request("GET", "/v1/models", BEARER),
        request("GET", "/v1/models"),
        request("GET", "/v1/models", BEARER, host=b"example.com"),
        request("GET", "/v1/models", BEARER, replayed=True),
    ],
    ids=["of a client", "without a token", "to another host", "replayed"],
)
async def test_nothing_new_is_taken_once_the_gateway_stops(
    make_house: MakeHouse, flow: http.HTTPFlow
) -> None:
    house = make_house(passthrough=True)
    house.draining.stopping = True
    status, body = await house.answer(flow)
    assert (status, body["error"]["code"]) == (503, "gateway_shutdown")
    assert flow.response is not None
    assert flow.response.headers["retry-after"] == "1"
    assert TOKEN not in str(flow.request.headers.fields)
    assert not is_client(flow)


async def test_what_is_admitted_is_known() -> None:
    flow = request()
    assert not is_client(flow)
    flow.metadata[EXCHANGE] = "req_test"
    assert is_client(flow)


async def test_an_exchange_of_ours_can_be_replayed_without_its_token(make_house: MakeHouse) -> None:
    """The flow holds only the masked token, so a person could never replay it otherwise."""
    flow = request("POST", "/v1/chat/completions", body=CHAT, replayed=True)
    flow.metadata[EXCHANGE] = "req_before"
    status, body = await make_house().answer(flow)
    assert status == 200
    assert body["choices"][0]["message"]["content"] == "one two"
    assert flow.metadata[EXCHANGE] != "req_before"


async def test_a_replay_that_was_no_exchange_of_ours_needs_a_token(make_house: MakeHouse) -> None:
    status, _ = await make_house().answer(request(replayed=True))
    assert status == 401


@pytest.mark.parametrize(
    ("fields", "host", "status"),
    [
        ((), b"localhost", 401),
        (((b"authorization", b"Bearer x"),), b"localhost", 401),
        ((BEARER,), b"example.com", 421),
    ],
)
async def test_a_refused_request_that_is_replayed_is_judged_again(
    make_house: MakeHouse, fields: tuple[tuple[bytes, bytes], ...], host: bytes, status: int
) -> None:
    house = make_house()
    flow = request("GET", "/v1/models", *fields, host=host)
    assert (await house.answer(flow))[0] == status
    replayed = flow.copy()
    replayed.live, replayed.is_replay, replayed.response = True, "request", None
    assert (await house.answer(replayed))[0] == status


async def test_a_replayed_attempt_goes_to_its_provider(make_house: MakeHouse) -> None:
    flow = request("POST", "/chat/completions", body=CHAT, host=b"echo.invalid", replayed=True)
    flow.metadata |= {EXCHANGE: "req_1", ATTEMPT: 1, PROVIDER: "echo", MODEL: "echo-small"}
    status, body = await make_house().answer(flow)
    assert status == 200
    assert body["choices"][0]["message"]["content"] == "one two"


async def test_a_replayed_attempt_of_a_provider_that_is_gone_is_told_so(
    make_house: MakeHouse,
) -> None:
    flow = request("POST", "/chat/completions", body=CHAT, host=b"gone.invalid", replayed=True)
    flow.metadata |= {EXCHANGE: "req_1", ATTEMPT: 1, PROVIDER: "gone", MODEL: "m"}
    status, body = await make_house().answer(flow)
    assert status == 404
    assert "'gone'" in body["error"]["message"]


async def test_an_attempt_on_its_way_through_the_hooks_is_left_alone(make_house: MakeHouse) -> None:
    house = make_house()
    flow = request(host=b"api.openai.com")
    house.publisher._live.add(flow)
    house.entrance.requestheaders(flow)
    await house.entrance.request(flow)
    assert flow.response is None
    assert EXCHANGE not in flow.metadata


async def test_a_flow_that_is_only_read_from_a_file_is_left_alone(make_house: MakeHouse) -> None:
    house = make_house()
    flow = request()
    flow.live = False
    house.entrance.requestheaders(flow)
    await house.entrance.request(flow)
    assert flow.response is None


async def test_an_answer_of_another_addon_stands(make_house: MakeHouse) -> None:
    house = make_house()
    flow = request("GET", "/v1/models", BEARER)
    house.entrance.requestheaders(flow)
    flow.response = http.Response.make(299)
    await house.entrance.request(flow)
    assert flow.response.status_code == 299


async def test_in_reverse_mode_a_foreign_host_passes_under_the_targets_name(
    make_house: MakeHouse,
) -> None:
    house = make_house(passthrough=True)
    flow = request("GET", "/", (b"authorization", b"Bearer theirs"), host=b"example.com")
    house.entrance.requestheaders(flow)
    await house.entrance.request(flow)
    assert flow.response is None
    assert flow.request.headers["host"] == "target.invalid:1234"
    assert flow.request.headers["authorization"] == "Bearer theirs"


async def test_a_proxys_client_keeps_the_host_it_named(make_house: MakeHouse) -> None:
    house = make_house(passthrough=True)
    flow = request("GET", "/", host=b"target.invalid:1234", mode=REGULAR)
    house.entrance.requestheaders(flow)
    assert flow.response is None
    assert flow.request.headers["host"] == "target.invalid:1234"


@pytest.mark.parametrize(
    "fields",
    [(BEARER,), ((b"x-api-key", TOKEN.encode()),), ((b"cookie", f"a={TOKEN}".encode()),)],
)
async def test_a_token_of_ours_does_not_pass(
    make_house: MakeHouse, fields: tuple[tuple[bytes, bytes], ...]
) -> None:
    flow = request("GET", "/", *fields, host=b"example.com")
    status, _ = await make_house(passthrough=True).answer(flow)
    assert status == 400


@pytest.mark.parametrize(
    ("host", "passthrough", "status"),
    [
        ("localhost", False, None),
        ("::1", False, None),
        ("LOCALHOST", False, None),
        ("example.com", False, 421),
        ("user@localhost", False, 421),
        ("example.com", True, None),
    ],
)
async def test_a_tunnel_leads_only_where_requests_may_go(
    make_house: MakeHouse, host: str, passthrough: bool, status: int | None
) -> None:
    flow = request("CONNECT", "", mode=REGULAR)
    flow.request.data.host = host
    make_house(passthrough=passthrough).entrance.http_connect(flow)
    assert (flow.response and flow.response.status_code) == status


@pytest.mark.parametrize("passthrough", [True, False])
async def test_connections_are_opened_only_where_requests_may_pass(
    make_house: MakeHouse, passthrough: bool
) -> None:
    data = ServerConnectionHookData(tflow.tserver_conn(), tflow.tclient_conn())
    make_house(passthrough=passthrough).entrance.server_connect(data)
    assert bool(data.server.error) is not passthrough


async def test_a_flow_that_ends_before_its_body_is_here_is_not_kept(make_house: MakeHouse) -> None:
    house, flow = make_house(), request("GET", "/v1/models", BEARER)
    house.entrance.requestheaders(flow)
    house.entrance.over(flow)
    kept = weakref.ref(flow)
    del flow
    gc.collect()
    assert kept() is None


@pytest.mark.parametrize("end", ["told", "of the flow", "of the connection"])
async def test_a_body_has_its_room_until_its_request_is_over(
    make_house: MakeHouse, end: str
) -> None:
    house = make_house(max_request_bytes=1000, bounds=config.Bounds(all_bodies=1000))
    flows = [
        request("POST", "/v1/chat/completions", BEARER, (b"content-length", b"%d" % size))
        for size in (600, 600, 600)
    ]
    for flow in flows:
        flow.client_conn.timestamp_end = None
    first, second, third = flows
    for flow in (first, second):
        house.entrance.requestheaders(flow)
    assert first.response is None
    assert second.response is not None
    assert second.response.status_code == 503
    match end:
        case "told":
            house.entrance.over(first)
        case "of the flow":
            first.live = False
        case _:
            first.client_conn.timestamp_end = 1.0
    house.entrance.requestheaders(third)
    assert third.response is None


@pytest.mark.parametrize("host", [b"localhost", b"example.com"])
@pytest.mark.parametrize("passthrough", [True, False])
async def test_what_this_gateway_itself_has_sent_goes_no_further(
    make_house: MakeHouse, host: bytes, passthrough: bool
) -> None:
    mark = (MARK.encode(), MARK_OF_THIS.encode())
    flow = request("GET", "/v1/models", BEARER, mark, host=host)
    status, body = await make_house(passthrough=passthrough).answer(flow)
    assert (status, body["error"]["code"]) == (508, "loop")


async def test_another_gateways_requests_are_served(make_house: MakeHouse) -> None:
    mark = (MARK.encode(), b"another")
    status, _ = await make_house().answer(request("GET", "/v1/models", BEARER, mark))
    assert status == 200


async def test_what_passes_is_marked(make_house: MakeHouse) -> None:
    flow = request("GET", "/", host=b"example.com")
    make_house(passthrough=True).entrance.requestheaders(flow)
    assert flow.request.headers[MARK] == MARK_OF_THIS


async def test_a_flow_says_whose_request_it_is_unless_it_is_refused_or_replayed(
    make_house: MakeHouse,
) -> None:
    house = make_house()
    flow = request("GET", "/v1/models", BEARER)
    for path, replayed, client in (
        ("/v1/models", False, "AUTH_TOKEN"),
        ("/v1/models", True, None),
        ("/none", False, None),
        ("/ping", False, None),
    ):
        flow.request.path, flow.response = path, None
        flow.request.headers["authorization"] = f"Bearer {TOKEN}"
        flow.is_replay = "request" if replayed else None
        house.entrance.requestheaders(flow)
        assert flow.metadata.get(CLIENT) == client
        assert bool(flowfilter.match("~meta 'ai.client: AUTH_TOKEN'", flow)) is bool(client)
        await house.entrance.request(flow)


async def test_a_token_that_is_known_by_its_hash_does_not_pass_either(
    make_house: MakeHouse,
) -> None:
    hashed = config.ClientToken("ci", Secret(TOKEN).digest)
    house = make_house(tokens=(hashed,), passthrough=True)
    for fields in ((BEARER,), ((b"x-key", f"k={TOKEN}; a".encode()),)):
        flow = request("GET", "/", *fields, host=b"example.com")
        house.entrance.requestheaders(flow)
        assert flow.response is not None
        assert flow.response.status_code == 400
    assert (await house.answer(request("GET", "/v1/models", BEARER)))[0] == 200
