"""A request is sent again as a copy that asks for another model, or it is said why not."""

import json

import pytest
from mitmproxy import exceptions, http
from mitmproxy import flow as mflow
from mitmproxy.test import tflow

from llm_gateway.inspect.commands.again import (
    MAX_COMPARED,
    check_names,
    clients_of,
    copies_to_compare,
    copy_for,
    models_to_compare,
)
from llm_gateway.inspect.kin import Kin
from llm_gateway.inspect.metadata import is_client
from support.our_flows import CHAT, answered, attempt_flow, client_flow


def kin_of(*flows: http.HTTPFlow) -> Kin:
    kin = Kin()
    for flow in flows:
        kin.add(flow)
    return kin


def error_of(*flows: mflow.Flow, kin: Kin | None = None) -> str:
    with pytest.raises(exceptions.CommandError) as caught:
        clients_of(flows, kin or Kin())
    return str(caught.value)


def test_an_exchange_is_sent_once_whichever_of_its_flows_are_chosen() -> None:
    client, first, second = client_flow(), attempt_flow(), attempt_flow(attempt=2)
    other = client_flow(exchange="req_2")
    kin = kin_of(client, first, second, other)
    assert clients_of([second, client, first, other], kin) == [client, other]


def test_an_attempt_whose_client_flow_is_gone_cannot_be_sent() -> None:
    attempt = attempt_flow()
    said = error_of(attempt, kin=kin_of(attempt))
    assert f"The client's request of attempt {attempt.id} is not in the list any more" in said
    assert "~meta req_1" in said


@pytest.mark.parametrize(
    ("flow", "reason"),
    [
        (tflow.tflow(), "is none of the gateway's"),
        (tflow.ttcpflow(), "is none of the gateway's"),
        (client_flow(refused=True), "was refused at the door"),
    ],
)
def test_what_was_never_let_in_cannot_be_sent(flow: mflow.Flow, reason: str) -> None:
    said = error_of(flow)
    assert f"The flow {flow.id} {reason}: expected " in said


def test_no_flow_is_an_error_that_says_how_to_choose_some() -> None:
    assert error_of().startswith("No flow is chosen. Expected for example @marked")


def test_a_copy_asks_for_the_other_model_and_the_original_stays() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "naïve 😀"}], "n": 1}
    client = client_flow(
        body, answer=answered({}), model="m", route=[["p/m", "ok"]], error="e", compare="cmp_1"
    )
    client.comment, client.marked = "m → p/m", ":robot:"
    client.error = mflow.Error("cut")
    client.backup()
    before = client.get_state()
    copy = copy_for(client, "BIG")
    assert client.get_state() == before
    assert json.loads(copy.request.content or b"") == {**body, "model": "BIG"}
    assert copy.request.headers["content-length"] == str(len(copy.request.content or b""))
    assert (copy.response, copy.error, copy.comment, copy.marked) == (None, None, "", "")
    assert not copy.modified()
    assert copy.id != client.id


def test_a_copy_keeps_nothing_of_the_old_run_and_is_known_as_let_in() -> None:
    client = client_flow(model="m", target="p/m", tokens_prompt=3, compare="cmp_1")
    client.metadata["mine"] = 1
    copy = copy_for(client, "BIG")
    exchange = copy.metadata["ai.exchange"]
    assert copy.metadata == {"mine": 1, "ai.exchange": exchange}
    assert exchange.startswith("req_")
    assert exchange != "req_1"
    assert is_client(copy)


@pytest.mark.parametrize(
    "client",
    [
        client_flow(b""),
        client_flow(b'{"model": "m"'),
        client_flow([1]),  # type: ignore[arg-type] # it is no object
        client_flow(path="/v1/models"),
        client_flow(path="/v1/nothing"),
    ],
    ids=["empty", "broken", "list", "models", "unknown"],
)
def test_a_request_that_asks_for_no_model_cannot_be_copied(client: http.HTTPFlow) -> None:
    with pytest.raises(exceptions.CommandError, match="asks for no model: expected a chat or an"):
        copy_for(client, "BIG")


def test_a_request_without_a_model_of_its_own_gets_one() -> None:
    copy = copy_for(client_flow({"prompt": "a cat"}, path="/v1/images/generations"), "painter")
    assert json.loads(copy.request.content or b"") == {"prompt": "a cat", "model": "painter"}


def test_those_that_are_compared_share_a_name_with_the_original() -> None:
    client = client_flow()
    first, second = copies_to_compare(client, ["BIG", "SMALL"])
    models = [json.loads(each.request.content or b"")["model"] for each in (first, second)]
    assert models == ["BIG", "SMALL"]
    assert len({each.metadata["ai.compare"] for each in (client, first, second)}) == 1
    assert client.metadata["ai.compare"].startswith("cmp_")


def test_a_second_comparison_of_a_request_joins_the_first() -> None:
    client = client_flow()
    [first] = copies_to_compare(client, ["BIG"])
    [second] = copies_to_compare(first, ["SMALL"])
    [edited] = copies_to_compare(client_flow({**CHAT, "temperature": 0}), ["BIG"])
    assert second.metadata["ai.compare"] == client.metadata["ai.compare"]
    assert edited.metadata["ai.compare"] != client.metadata["ai.compare"]


def test_names_are_taken_once_and_not_too_many() -> None:
    assert models_to_compare(["a", "", "b", "a"]) == ["a", "b"]
    for names in ([""], [str(number) for number in range(MAX_COMPARED + 1)]):
        with pytest.raises(exceptions.CommandError, match="as BIG,SMALL; got"):
            models_to_compare(names)


def test_an_unknown_name_is_told_with_the_nearest_one() -> None:
    check_names(["gpt-5"], ["gpt-5", "BIG"])
    with pytest.raises(exceptions.CommandError) as caught:
        check_names(["gpt-5", "gtp-5"], ["gpt-5", "BIG"])
    assert str(caught.value) == (
        "No model is called 'gtp-5' here. Did you mean gpt-5? The command ai.models lists them."
    )
