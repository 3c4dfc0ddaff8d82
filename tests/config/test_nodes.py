import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.config.nodes import (
    MAX_DEPTH,
    MAX_NODES,
    Entry,
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    child,
    parse,
    quote,
)


def tree(text: str) -> Node | None:
    node, problems = parse(text, "f.yaml")
    assert problems == []
    return node


def complaints(text: str) -> list[str]:
    return [str(problem) for problem in parse(text, "f.yaml")[1]]


def scalar(line: int, text: str, *, plain: bool = True) -> ScalarNode:
    return ScalarNode(line, text, plain)


def test_every_value_knows_its_line() -> None:
    assert tree("# head\na: 1\nb:\n  - x\n  - c: 'y'\n") == MappingNode(
        2,
        (
            Entry("a", 2, scalar(2, "1")),
            Entry(
                "b",
                3,
                SequenceNode(
                    4,
                    (
                        scalar(4, "x"),
                        MappingNode(5, (Entry("c", 5, scalar(5, "y", plain=False)),)),
                    ),
                ),
            ),
        ),
    )


@pytest.mark.parametrize(
    "text", ["no", "on", "1.10", "12:30", "0777", "0x1f", "1_000", "2026-01-01", "=", "1e3", ".inf"]
)
def test_plain_scalars_keep_the_text_that_was_written(text: str) -> None:
    assert tree(text) == scalar(1, text)


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "~", "null", "Null", "NULL"])
def test_nulls(text: str) -> None:
    node = tree(text)
    assert isinstance(node, ScalarNode)
    assert node.is_null


@pytest.mark.parametrize("text", ["''", "'null'", '"~"', "nil"])
def test_other_scalars_are_not_null(text: str) -> None:
    node = tree(text)
    assert isinstance(node, ScalarNode)
    assert not node.is_null


def test_an_alias_stands_for_the_whole_value() -> None:
    node = tree("a: &x {k: 1}\nb: *x\n")
    assert isinstance(node, MappingNode)
    assert node.entries[1].value == node.entries[0].value
    assert [entry.line for entry in node.entries] == [1, 2]


def test_a_repeated_key_is_named_with_both_lines_and_the_first_is_kept() -> None:
    text = "m:\n  a: 1\n  b: 2\n  a: 3\n"
    assert complaints(text) == ["f.yaml:4: m: key 'a' is given twice, first on line 2"]
    node = parse(text, "f.yaml")[0]
    assert isinstance(node, MappingNode)
    inner = node.entries[0].value
    assert isinstance(inner, MappingNode)
    assert [(entry.key, entry.value) for entry in inner.entries] == [
        ("a", scalar(2, "1")),
        ("b", scalar(3, "2")),
    ]


def test_all_bad_keys_are_told_in_one_run() -> None:
    assert complaints("b: &b {x: 1}\na: 1\na: 2\n[k]: 1\nm: {<<: *b}\n'<<': 1\n") == [
        "f.yaml:3: key 'a' is given twice, first on line 2",
        "f.yaml:4: expected a text as key",
        "f.yaml:5: m: merge keys (<<) are not supported, write the keys out or use an alias "
        "as a value",
    ]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "a: 1\n  b: 2\n",
            "f.yaml:2: invalid YAML: mapping values are not allowed here",
        ),
        (
            "a: [1,\nb: 2\n",
            "f.yaml:3: invalid YAML: expected ',' or ']', but got '<stream end>' "
            "(while parsing a flow sequence on line 1)",
        ),
        (
            "a:\n\tb: 1\n",
            "f.yaml:2: invalid YAML: found character '\\t' that cannot start any token",
        ),
        ("a: !!str 1\n", "f.yaml:1: invalid YAML: tags (!…) are not supported"),
        ("a:\n- !x [1]\n", "f.yaml:2: invalid YAML: tags (!…) are not supported"),
        (
            "a: !!python/object/apply:os.system ['true']\n",
            "f.yaml:1: invalid YAML: tags (!…) are not supported",
        ),
        (
            "a: 1\n---\nb: 2\n",
            "f.yaml:2: invalid YAML: but found another document "
            "(expected a single document in the stream on line 1)",
        ),
        ("a: *canary\n", "f.yaml:1: invalid YAML: found undefined alias"),
        (
            "a: !canary!b 1\n",
            "f.yaml:1: invalid YAML: found undefined tag handle (while parsing a node on line 1)",
        ),
        (
            "a: &canary 1\nb: &canary 2\n",
            "f.yaml:2: invalid YAML: second occurrence "
            "(found duplicate anchor; first occurrence on line 1)",
        ),
        (
            "a: 1\nb: \x07\n",
            "f.yaml:2: invalid YAML: a control character, which is not allowed",
        ),
        (
            'a: "\\UFFFFFFFF"\n',
            "f.yaml:1: invalid YAML: a number in an escape or a directive is out of range",
        ),
        (
            'a: "\\U00110000"\n',
            "f.yaml:1: invalid YAML: a number in an escape or a directive is out of range",
        ),
    ],
)
def test_what_is_not_yaml_is_named_by_line_and_without_its_text(text: str, complaint: str) -> None:
    node, problems = parse(text, "f.yaml")
    assert node is None
    assert [str(problem) for problem in problems] == [complaint]


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 100_000])
def test_deep_nesting_is_refused(depth: int) -> None:
    assert complaints("[" * depth) == [
        f"f.yaml:1: invalid YAML: nested deeper than {MAX_DEPTH} levels"
    ]


def test_an_alias_inside_its_own_value_is_refused() -> None:
    assert complaints("a: &a\n  - *a\n") == [
        f"f.yaml:1: invalid YAML: nested deeper than {MAX_DEPTH} levels, aliases expanded"
    ]


def test_aliases_that_nest_step_by_step_are_refused() -> None:
    steps = "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 2000))
    assert complaints(f"a0: &a0 x\n{steps}") == [
        f"f.yaml:1: invalid YAML: nested deeper than {MAX_DEPTH} levels, aliases expanded"
    ]


def test_aliases_that_multiply_are_refused() -> None:
    bomb = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
    assert complaints(f"a0: &a0 x\n{bomb}") == [
        f"f.yaml:1: invalid YAML: more than {MAX_NODES} values, aliases expanded"
    ]


@given(st.text() | st.text("abc:-[]{}&*!|>'\"%#,?\n \t\\Ux0F<="))
def test_any_text_is_a_tree_or_a_problem(text: str) -> None:
    node, problems = parse(text, "f.yaml")
    assert node is not None or len(problems) == 1
    assert all("\n" not in str(problem) for problem in problems)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a", "'a'"),
        ("a\nb", "'a\\nb'"),
        ("\ud800", "'\\ud800'"),
        ("x" * 60, f"'{'x' * 60}'"),
        ("x" * 61, f"'{'x' * 59}…'"),
        ("sk-canary-0123456789", "'***'"),
        ("https://canary:" + "x" * 60 + "@a.example", "'https://***@a.example'"),
    ],
)
def test_messages_quote_at_most_60_characters_on_one_line(text: str, shown: str) -> None:
    assert quote(text) == shown


@pytest.mark.parametrize(
    ("path", "key", "expected"),
    [
        ("", "a", "a"),
        ("a", "b_c-1", "a.b_c-1"),
        ("a", "b.c", "a['b.c']"),
        ("", "b c", "['b c']"),
        ("a", "", "a['']"),
    ],
)
def test_paths(path: str, key: str, expected: str) -> None:
    assert child(path, key) == expected
