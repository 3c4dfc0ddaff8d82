"""temperature, top_p and top_k: what a model takes is sent, and what not is reported."""

from typing import Any

import pytest

from llm_gateway.adapters.anthropic.families import family_of
from llm_gateway.adapters.anthropic.sampling import sampling
from llm_gateway.errors import RequestError

JSONObject = dict[str, Any]
ALL = {"temperature": 0.5, "top_p": 0.9, "top_k": 5}


def made(
    body: JSONObject, model: str = "claude-haiku-4-5", *, thinks: bool = False
) -> tuple[JSONObject, list[str]]:
    dropped: list[str] = []
    sent = sampling(body, family_of(model), thinks=thinks, drop=dropped.append)
    return sent, dropped


@pytest.mark.parametrize(
    ("body", "sent", "dropped"),
    [
        ({}, {}, []),
        ({"temperature": None, "top_p": None, "top_k": None}, {}, []),
        ({"temperature": 0}, {"temperature": 0}, []),
        ({"temperature": 1}, {"temperature": 1}, []),
        ({"temperature": 1.7}, {"temperature": 1}, []),
        ({"top_p": 0.9, "top_k": 5}, {"top_p": 0.9, "top_k": 5}, []),
        (ALL, {"temperature": 0.5, "top_k": 5}, ["top_p"]),
        ({"temperature": 0.5, "top_p": 1}, {"temperature": 0.5}, []),
        ({"temperature": 1, "top_p": 0.9}, {"top_p": 0.9}, []),
        ({"temperature": 2, "top_p": 1.0}, {"top_p": 1.0}, []),
    ],
)
def test_one_of_temperature_and_top_p_is_sent(
    body: JSONObject, sent: JSONObject, dropped: list[str]
) -> None:
    assert made(body) == (sent, dropped)


@pytest.mark.parametrize(
    ("body", "sent", "dropped"),
    [
        (ALL, {}, ["temperature", "top_p", "top_k"]),
        ({"temperature": 1, "top_p": 0.95}, {"top_p": 0.95}, []),
        ({"temperature": 1.5, "top_k": 1}, {}, ["top_k"]),
    ],
)
def test_a_model_that_thinks_takes_hardly_any(
    body: JSONObject, sent: JSONObject, dropped: list[str]
) -> None:
    assert made(body, thinks=True) == (sent, dropped)


@pytest.mark.parametrize("model", ["claude-opus-4-8", "claude-haiku-5-5", "claude-fable-5-2"])
def test_newer_models_take_none(model: str) -> None:
    assert made(ALL, model) == ({}, ["temperature", "top_p", "top_k"])
    assert made({"temperature": 1, "top_p": 1}, model) == ({}, [])


@pytest.mark.parametrize(
    "body", [{"temperature": "1"}, {"top_p": True}, {"top_k": 0.5}, {"top_k": "5"}]
)
def test_what_is_no_number_is_the_clients_fault(body: JSONObject) -> None:
    with pytest.raises(RequestError) as caught:
        made(body, "claude-opus-5")
    assert [caught.value.param] == list(body)
