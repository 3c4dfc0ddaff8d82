"""In the place of secrets stand the variables that hold them."""

import pytest
from mitmproxy import http
from mitmproxy.test import tflow

from llm_gateway.config import Credential, OAuth
from llm_gateway.inspect.commands.placeholders import Placeholders
from llm_gateway.secret import Secret
from support.fakes import KEY, TOKEN, make_config, make_provider
from support.our_flows import MASKED, answered, attempt_flow, client_flow

GATEWAY_KEY = "cf-canary-gateway-key"
PROVIDERS = (
    make_provider(
        "p", credentials=(Credential("authorization", "Bearer ", Secret(KEY), "MY_KEY"),)
    ),
    make_provider(
        "acme-2",
        credentials=(
            Credential("x-key", "", Secret("another-canary-key")),
            Credential("x-gateway", "Bearer ", Secret(GATEWAY_KEY)),
        ),
    ),
    make_provider(
        "giga",
        credentials=(Credential("authorization", "Bearer ", Secret("exchange-me-canary"), "G"),),
        oauth=OAuth("https://o.example", "s"),
    ),
    make_provider("4u", credentials=(Credential("x-key", "", Secret("EMPTY")),)),
)
NAMES = Placeholders(make_config(PROVIDERS), [Secret(TOKEN)])


def shown(flow: http.HTTPFlow, name: str, value: str) -> str | None:
    placeholder = NAMES.of_header(flow, name, value)
    return None if placeholder is None else placeholder.text


@pytest.mark.parametrize(
    ("provider", "header", "value", "expected"),
    [
        ("p", "Authorization", f"Bearer {MASKED}", "Bearer $MY_KEY"),
        ("acme-2", "x-key", MASKED, "$ACME_2_API_KEY"),
        ("acme-2", "x-gateway", f"Bearer {MASKED}", "Bearer $ACME_2_API_KEY_2"),
        ("giga", "authorization", f"Bearer {MASKED}", "Bearer $GIGA_ACCESS_TOKEN"),
        ("4u", "x-key", MASKED, "$PROVIDER_4U_API_KEY"),
        ("gone", "api-key", "typed-in-by-hand", "$GONE_API_KEY"),
        ("p", "content-type", "application/json", None),
    ],
)
def test_an_attempts_credential_is_the_variable_of_its_provider(
    provider: str, header: str, value: str, expected: str | None
) -> None:
    assert shown(attempt_flow(provider=provider), header, value) == expected


def test_a_clients_credential_is_openais_variable() -> None:
    assert shown(client_flow(), "authorization", f"Bearer {MASKED}") == "Bearer $OPENAI_API_KEY"


def test_known_secrets_are_replaced_wherever_they_stand() -> None:
    flow = attempt_flow(
        f'{{"a": "{KEY}"}}'.encode(),
        url=f"https://p.example/v1/{TOKEN}/x?key={KEY}&a=1",
        headers=[("x-note", f"see {GATEWAY_KEY}")],
        answer=answered(f"{KEY} {TOKEN}".encode(), "text/plain"),
    )
    assert flow.response is not None
    flow.response.headers["x-echo"] = KEY
    before = flow.get_state()
    clean = NAMES.without_secrets(flow)
    assert clean.request.path == "/v1/$OPENAI_API_KEY/x?key=***&a=1"
    assert clean.request.headers["x-note"] == "see $ACME_2_API_KEY_2"
    assert clean.request.content == b'{"a": "$MY_KEY"}'
    assert clean.response is not None
    assert clean.response.content == b"$MY_KEY $OPENAI_API_KEY"
    assert clean.response.headers["x-echo"] == "$MY_KEY"
    assert flow.get_state() == before


def test_what_is_not_the_gateways_keeps_no_credentials_either() -> None:
    flow = tflow.tflow(resp=True)
    flow.request.headers["authorization"] = "Basic dXNlcjpwYXNz"
    flow.request.headers["cookie"] = "session=1"
    assert flow.response is not None
    flow.response.headers["set-cookie"] = "session=1; Path=/"
    flow.response.headers["anthropic-ratelimit-tokens-remaining"] = "12"
    clean = NAMES.without_secrets(flow)
    assert clean.request.headers["authorization"] == "***"
    assert clean.request.headers["cookie"] == "***"
    assert clean.response is not None
    assert clean.response.headers["set-cookie"] == "***"
    assert clean.response.headers["anthropic-ratelimit-tokens-remaining"] == "12"


def test_a_body_in_a_coding_is_looked_into_and_a_broken_one_left() -> None:
    flow = attempt_flow(answer=answered(b"", "text/plain"))
    assert flow.response is not None
    flow.response.headers["content-encoding"] = "gzip"
    flow.response.content = f"the key is {KEY}".encode()
    clean = NAMES.without_secrets(flow)
    assert clean.response is not None
    assert clean.response.content == b"the key is $MY_KEY"
    flow.response.raw_content = b"no gzip"
    clean = NAMES.without_secrets(flow)
    assert clean.response is not None
    assert clean.response.raw_content == b"no gzip"


def test_names_of_fields_may_be_any_bytes() -> None:
    flow = client_flow(answer=answered(b"{}"))
    assert flow.response is not None
    odd = (b"x-\xf1", TOKEN.encode())
    flow.request.headers = flow.response.headers = http.Headers([odd])
    clean = NAMES.without_secrets(flow)
    assert clean.response is not None
    for headers in (clean.request.headers, clean.response.headers):
        assert headers.fields == ((b"x-\xf1", b"$OPENAI_API_KEY"),)
    assert NAMES.of_header(flow, "x-\udcf1", "1") is None


def test_a_flow_under_way_is_taken_as_far_as_it_is() -> None:
    flow = client_flow()
    flow.request.data.content = None
    assert NAMES.without_secrets(flow).response is None


def test_a_text_that_is_no_unicode_is_cleaned_all_the_same() -> None:
    assert NAMES.clean(f"\udcff \ud800 {KEY}") == "\udcff \ud800 $MY_KEY"


@pytest.mark.parametrize("form", [r"canary+token\/of-it", "canary%2Btoken%2Fof-it"])
def test_known_secrets_are_replaced_however_they_are_written(form: str) -> None:
    names = Placeholders(make_config(PROVIDERS), [Secret("canary+token/of-it")])
    assert names.clean(f"a {form} b") == "a $OPENAI_API_KEY b"
