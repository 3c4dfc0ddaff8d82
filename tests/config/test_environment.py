import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.config.environment import Expansion, expand, parse_dotenv, read_environment

MALFORMED = "${NAME} or ${NAME:-default} (write $${ for a literal ${)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain $HOME $$ $ }", "plain $HOME $$ $ }"),
        ("${A}", "one"),
        ("x${A}y${B}z", "xoneytwoz"),
        ("${A}${A}", "oneone"),
        ("$${A}", "${A}"),
        ("$$${A}", "$${A}"),
        ("${A:-other}", "one"),
        ("${MISSING:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${MISSING:-}", ""),
        ("${MISSING:-a b:-c$}", "a b:-c$"),
        ("${NESTED}", "${A}"),
    ],
)
def test_expansion(text: str, expected: str) -> None:
    environment = {"A": "one", "B": "two", "EMPTY": "", "NESTED": "${A}"}
    expansion = expand(text, environment)
    assert (expansion.text, expansion.unset) == (expected, ())


def test_an_expansion_names_its_variables_once_each() -> None:
    assert expand("${B}${A}${B}", {"A": "1", "B": "2"}).names == ("B", "A")


def test_variables_without_a_value_are_told_with_the_reason() -> None:
    expansion = expand("${A}-${B}-${A}", {"B": ""})
    assert expansion == Expansion("--", ("A", "B"), ("A is not set", "B is empty"))


@pytest.mark.parametrize(
    "text", ["${", "${}", "${A", "${1A}", "${A B}", "${A-x}", "${A:x}", "${sk-1}", "${A:-${B}}"]
)
def test_a_malformed_reference_is_refused_without_its_text(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(MALFORMED)}$"):
        expand(text, {"A": "1"})


@given(st.text(), st.dictionaries(st.sampled_from("AB"), st.text()))
def test_a_text_without_references_expands_to_itself(
    text: str, environment: dict[str, str]
) -> None:
    literal = text.replace("${", "{")
    assert expand(literal, environment) == Expansion(literal, (), ())


@given(st.text())
def test_escaping_gives_any_text_back(text: str) -> None:
    # A `$` before `${` would join the escape of its neighbour.
    literal = text.replace("$", "") + "${A}"
    assert expand(literal.replace("${", "$${"), {"A": "1"}).text == literal


@given(st.text("$${}AB:-x"), st.dictionaries(st.sampled_from("AB"), st.text("$${}A")))
def test_any_text_expands_or_is_malformed(text: str, environment: dict[str, str]) -> None:
    try:
        expansion = expand(text, environment)
    except ValueError as error:
        outcome = str(error)
    else:
        outcome = "" if all(f"${{{name}" in text for name in expansion.names) else "a wrong name"
    assert outcome in {"", MALFORMED}


@given(st.text(min_size=1), st.text("${}", max_size=3).filter(lambda text: "${" not in text))
def test_what_a_variable_holds_is_never_expanded_again(value: str, prefix: str) -> None:
    assert expand(f"{prefix.rstrip('$')}${{A}}", {"A": value}).text.endswith(value)


@pytest.mark.parametrize(
    ("line", "variables"),
    [
        ("A=1", {"A": "1"}),
        ("A=", {"A": ""}),
        ("  A = 1  ", {"A": "1"}),
        ("export A=1", {"A": "1"}),
        ("exported=1", {"exported": "1"}),
        ("A=a b", {"A": "a b"}),
        ("A=a=b=", {"A": "a=b="}),
        ("A=1 # note", {"A": "1"}),
        ("A=1#2", {"A": "1#2"}),
        ("A=# note", {"A": ""}),
        ("A=it's", {"A": "it's"}),
        ("A='x # y' # note", {"A": "x # y"}),
        (r"A='a\n$B'", {"A": r"a\n$B"}),
        ('A="x # y"', {"A": "x # y"}),
        (r'A="a\n\"b\" \\ \$ \x"', {"A": 'a\n"b" \\ $ \\x'}),
        ("A=${B}", {"A": "${B}"}),
        ("A=''", {"A": ""}),
        ("# A=1", {}),
        ("", {}),
        ("   ", {}),
        ("A=1\r\nB=2\r\n", {"A": "1", "B": "2"}),
        ("A=1\nA=2", {"A": "2"}),
    ],
)
def test_dotenv_lines(line: str, variables: dict[str, str]) -> None:
    assert parse_dotenv(line, ".env") == (variables, [])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("canary", "expected NAME=value"),
        ("1A=canary", "expected NAME=value"),
        ("A-B=canary", "expected NAME=value"),
        ("=canary", "expected NAME=value"),
        ("export A", "expected NAME=value"),
        ("A='canary", "expected a closing quote, and nothing but a comment after it"),
        ('A="canary\\"', "expected a closing quote, and nothing but a comment after it"),
        ("A='x'canary", "expected a closing quote, and nothing but a comment after it"),
        ("A='x'#canary", "expected a closing quote, and nothing but a comment after it"),
    ],
)
def test_malformed_dotenv_lines_are_named_by_line_and_never_shown(line: str, message: str) -> None:
    variables, problems = parse_dotenv(f"X=1\n\n{line}\nY=2", "dir/.env")
    assert variables == {"X": "1", "Y": "2"}
    assert [str(problem) for problem in problems] == [f"dir/.env:3: {message}"]


@given(st.text() | st.text("A='\"\\ #\nexport"))
def test_any_text_is_read_as_dotenv_with_or_without_problems(text: str) -> None:
    variables, problems = parse_dotenv(text, ".env")
    assert len(variables) + len(problems) <= text.count("\n") + 1


@given(st.text(st.characters(blacklist_characters="\n")))
def test_a_double_quoted_value_holds_any_line(value: str) -> None:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    assert parse_dotenv(f'A="{escaped}"', ".env") == ({"A": value}, [])


def test_the_process_environment_wins_even_with_an_empty_value(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=file\nB=file\nC=file\n")
    environ = {"A": "process", "B": ""}
    assert read_environment([path], environ) == ({"A": "process", "B": "", "C": "file"}, [])
    assert environ == {"A": "process", "B": ""}


def test_the_first_file_wins_over_the_second(tmp_path: Path) -> None:
    (tmp_path / "first").write_text("A=first\n")
    (tmp_path / "second").write_text("A=second\nB=second\n")
    paths = [tmp_path / "first", tmp_path / "second"]
    assert read_environment(paths, {}) == ({"A": "first", "B": "second"}, [])


def test_what_is_not_a_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    assert read_environment([tmp_path / ".env", tmp_path / "missing"], {}) == ({}, [])


def test_the_problems_of_all_files_are_told(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_bytes(b"\xff")
    second.write_text("canary\nA=1")
    variables, problems = read_environment([first, second], {})
    assert variables == {"A": "1"}
    assert [str(problem) for problem in problems] == [
        f"{first}:1: expected UTF-8 text",
        f"{second}:1: expected NAME=value",
    ]
