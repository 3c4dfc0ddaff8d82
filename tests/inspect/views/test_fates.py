"""What became of each field of a request, in words, with the reasons of the provider's table."""

import time
from typing import Any

import pytest

from llm_gateway.adapters import KINDS
from llm_gateway.adapters.fields import PASSED, dropped, refused, renamed, translated
from llm_gateway.inspect.views.fates import Change, Sort, changes
from support.wire_files import cases

PAIRS = [case for case in cases() if case.has("request.json") and case.has("upstream.json")]
TABLE = {
    "model": translated("in the path"),
    "messages": translated("`contents` and `system`"),
    "max_tokens": renamed("limit", "without it it is 9"),
    "stop": translated("`config.stops`; empty ones are left out"),
    "effort": translated("`low` for little"),
    "seed": dropped("it has none"),
    "store": translated("a promise"),
    "temperature": PASSED,
    "n": refused("one is all"),
    "*": dropped(),
    "messages[].name": dropped("nobody has names there"),
    "messages[].*": dropped(),
}
COUNTED = "asked for by the gateway, which counts the tokens"


def told(
    asked: dict[str, Any], sent: dict[str, Any], *noted: str, model: str = ""
) -> list[tuple[str, str, str]]:
    return [
        (change.sort.name, change.said, change.why)
        for change in changes(asked, sent, TABLE, noted, model)
    ]


@pytest.mark.parametrize(
    ("asked", "sent", "said"),
    [
        ({"temperature": 1}, {"temperature": 1}, [("PASSED", "temperature", "")]),
        (
            {"temperature": 1},
            {"temperature": 2},
            [("CHANGED", "temperature: 1 → 2", "")],
        ),
        ({"max_tokens": 5}, {"limit": 5}, [("MOVED", "max_tokens → limit", "")]),
        (
            {"stop": "x"},
            {"config": {"stops": ["x"]}},
            [
                (
                    "MOVED",
                    'stop → config.stops: "x" → ["x"]',
                    "`config.stops`; empty ones are left out",
                )
            ],
        ),
        (
            {"messages": [{"a": 1}]},
            {"contents": [], "system": "x"},
            [("MOVED", "messages → contents, system", "")],
        ),
        (
            {"messages": [{"a": 1}, {"a": 2}]},
            {"messages": [{"a": 1}, {"a": 3}]},
            [("CHANGED", "messages: 2 entries, 1 of them changed", "`contents` and `system`")],
        ),
        (
            {"messages": [{"a": 1}]},
            {"messages": [{"a": 1}, {"a": 3}]},
            [("CHANGED", "messages: 1 entry → 2 entries", "`contents` and `system`")],
        ),
        (
            {"messages": [{"a": 1}]},
            {"messages": [], "system": "x"},
            [
                (
                    "CHANGED",
                    "messages → messages, system: 1 entry → []",
                    "`contents` and `system`",
                )
            ],
        ),
        ({"effort": "high"}, {"x": 1}, [
            ("TRANSLATED", 'effort: "high"', "`low` for little"),
            ("ADDED", "x: 1", ""),
        ]),
        ({"effort": "high"}, {"think": "high"}, [("MOVED", "effort → think", "")]),
        ({"seed": 7}, {}, [("DROPPED", "seed", "it has none")]),
        ({"unheard_of": 7}, {}, [("DROPPED", "unheard_of", "this provider does not know it")]),
        ({"n": 1}, {}, [("IDLE", "n: 1", "")]),
        ({"seed": None}, {}, [("IDLE", "seed: null", "")]),
        (
            {"temperature": 7},
            {},
            [
                (
                    "DROPPED",
                    "temperature",
                    "not sent: the model's `omit` names it, or the request was edited by hand",
                )
            ],
        ),
        ({}, {"limit": 9}, [("ADDED", "limit: 9", "without it it is 9")]),
        ({"stop": "x"}, {"config": {"stops": "x", "more": 1}}, [
            ("MOVED", "stop → config.stops", "`config.stops`; empty ones are left out"),
            ("ADDED", "config.more: 1", ""),
        ]),
        (
            {},
            {"stream_options": {"include_usage": True}},
            [("ADDED", 'stream_options: {"include_usage":true}', COUNTED)],
        ),
        (
            {"stream_options": {}},
            {"stream_options": {"include_usage": True}},
            [("CHANGED", 'stream_options: {} → {"include_usage":true}', COUNTED)],
        ),
    ],
)  # fmt: skip
def test_a_fields_fate_is_told(
    asked: dict[str, Any], sent: dict[str, Any], said: list[tuple[str, str, str]]
) -> None:
    assert told(asked, sent) == said


def test_what_the_gateway_noted_as_left_out_is_dropped_for_the_tables_reason() -> None:
    asked = {"store": True, "messages": [], "stop": "x"}
    places = ("store", "stop", "messages[0].name", "messages[3].name", "messages[1].x")
    assert told(asked, {"messages": []}, *places) == [
        ("DROPPED", "store", "a promise; or the model's `omit` names it"),
        ("PASSED", "messages", ""),
        ("DROPPED", "stop", "`config.stops`; empty ones are left out"),
        ("DROPPED", "messages[].name (2 times)", "nobody has names there"),
        ("DROPPED", "messages[].x", "this provider does not know it"),
    ]


def test_a_model_in_the_address_is_told_as_well() -> None:
    assert told({"model": "BIG"}, {}, model="m") == [
        ("CHANGED", 'model: "BIG" → "m"', "in the path")
    ]
    assert told({"model": "m"}, {}, model="m") == [("MOVED", "model", "in the path")]


def test_without_a_table_fields_are_found_by_their_values() -> None:
    found = changes({"a": "unique", "b": 1, "c": 5}, {"z": {"y": "unique"}, "w": 1, "c": 5}, None)
    assert [(change.sort, change.said) for change in found] == [
        (Sort.MOVED, "a → z.y"),
        (Sort.DROPPED, "b"),
        (Sort.PASSED, "c"),
        (Sort.ADDED, "w: 1"),
    ]


@pytest.mark.parametrize("kind", sorted({case.kind for case in PAIRS}))
def test_every_field_of_every_recorded_request_is_told_once(kind: str) -> None:
    for case in (each for each in PAIRS if each.kind == kind):
        asked, sent = case.json("request.json"), case.json("upstream.json")
        found = changes(asked, sent, KINDS[kind].fields, (), "up-model")
        fields = [change for change in found if change.sort is not Sort.ADDED]
        assert [_name(change) for change in fields] == [*asked], case
        told_of = " ".join(change.said for change in found)
        assert [name for name in sent if name not in told_of] == [], case


def _name(change: Change) -> str:
    return change.said.split(" → ")[0].split(":")[0]


def test_thousands_of_fields_take_no_time() -> None:
    """Each was looked for at each place."""
    asked = {f"field-{number}": number for number in range(10_000)}
    sent = {f"other-{number}": number + 0.5 for number in range(10_000)}
    began = time.process_time()
    assert len(changes(asked, sent, None)) == 20_000
    assert time.process_time() - began < 2


def test_a_place_that_looks_like_one_inside_of_another_is_not() -> None:
    said = told({"a.b": 7.5}, {"a.b": 7.5, "a": 3})
    assert [each[:2] for each in said] == [("PASSED", "a.b"), ("ADDED", "a: 3")]
