"""Two JSON values side by side: what is alike together, nothing too long."""

import time

from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.inspect.views.json_diff import MAX_LINES, diff
from support.any_json import anything

NAMES = ("before", "now")


def test_values_that_say_the_same_have_no_diff() -> None:
    assert diff({"a": 1, "b": [2]}, {"b": [2], "a": 1}, NAMES) == []


def test_keys_stand_where_the_first_has_them_and_lists_last() -> None:
    before = {"messages": [{"role": "user", "content": "Hi"}], "model": "BIG", "n": 1}
    now = {"n": 1, "model": "m", "messages": [{"content": "Hi", "role": "user"}], "stop": ["x"]}
    assert diff(before, now, NAMES) == [
        "--- before",
        "+++ now",
        "…",
        " {",
        '-  "model": "BIG",',
        '+  "model": "m",',
        '   "n": 1,',
        '   "messages": [',
        "     {",
        '       "role": "user",',
        '       "content": "Hi"',
        "     }",
        "+  ],",
        '+  "stop": [',
        '+    "x"',
        "   ]",
        " }",
    ]


def test_long_strings_are_cut_and_still_differ() -> None:
    lines = diff({"a": "x" * 5000 + "1"}, {"a": "x" * 5000 + "2"}, NAMES)
    assert max(map(len, lines)) < 150
    removed, added = lines[4], lines[5]
    assert removed.startswith('-  "a": "xxx')
    assert "… (5.0 KB, " in added
    assert removed[1:] != added[1:]


def test_a_diff_is_bounded_and_quick() -> None:
    before = {"messages": [{"role": "user", "content": f"a {n}"} for n in range(20_000)]}
    now = {"contents": [{"role": "user", "parts": [{"text": f"b {n}"}]} for n in range(20_000)]}
    began = time.process_time()
    lines = diff(before, now, NAMES)
    assert time.process_time() - began < 1
    assert len(lines) < 3 * MAX_LINES
    assert lines[-1].endswith(" more lines")


def test_a_change_at_the_end_of_a_long_list_is_found() -> None:
    before = {"messages": [{"n": n} for n in range(3000)]}
    now = {"messages": [{"n": n} for n in range(2999)] + [{"n": "x"}]}
    assert [line for line in diff(before, now, NAMES) if line[0] in "+-"] == [
        "--- before",
        "+++ now",
        '-      "n": 2999',
        '+      "n": "x"',
    ]


@given(anything(st.text(max_size=3)), anything(st.text(max_size=3)))
def test_any_two_values_have_a_diff(before: object, now: object) -> None:
    lines = diff(before, now, NAMES)
    assert all(isinstance(line, str) for line in lines)
    assert diff(before, before, NAMES) == []
