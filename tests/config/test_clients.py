"""The clients' tokens: what an item may say, how it is named, and that no message shows one."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from llm_gateway.config import ClientToken, Gateway, Limits, Windows
from llm_gateway.config.clients import idle_warnings
from llm_gateway.config.cursor import Cursor, Report
from llm_gateway.config.gateway import gateway
from llm_gateway.config.nodes import parse
from llm_gateway.config.routing import Names
from llm_gateway.secret import Secret

A, B, C = (f"canary-token-{each}-0123456789" for each in "abc")
EVERY = {"A": A, "B": B, "C": C}


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def hashed(text: str) -> str:
    return digest(text).hex()


def read(
    text: str, environment: Mapping[str, str] | None = None, file: str = "f"
) -> tuple[Gateway | None, Report]:
    """The section that says so, and what was found in it. No message shows a token."""
    node, _ = parse(text, file)
    assert node is not None
    report = Report(file, environment or EVERY)
    value = Cursor(node, "gateway", 1, report).attempt(gateway)
    said = [*report.warnings, *map(str, report.problems)]
    assert not any(secret in each for each in said for secret in (A, B, C))
    return value, report


def tokens(text: str, environment: Mapping[str, str] | None = None) -> list[ClientToken]:
    """What a good list is read as."""
    value, report = read(f"tokens: {text}", environment)
    assert report.problems == []
    assert value is not None
    return [*value.tokens]


def problems(text: str, environment: Mapping[str, str] | None = None) -> list[str]:
    _, report = read(text, environment)
    return [str(each) for each in report.problems]


def test_an_item_may_say_who_it_is_and_what_it_may_do() -> None:
    [token] = tokens(
        f"""
    - name: on call
      token: {A}
      models: [SMALL, gpt-*]
      limits: {{minute: 20, tokens: {{day: 1000}}, zone: Europe/Moscow}}
      concurrent: 2
"""
    )
    assert token == ClientToken(
        "on call",
        digest(A),
        Secret(A),
        (re.compile("SMALL", re.DOTALL), re.compile(r"gpt\-.*", re.DOTALL)),
        Limits(Windows(minute=20), Windows(day=1000), "Europe/Moscow"),
        2,
    )


def test_a_token_may_be_known_by_its_hash_alone() -> None:
    [token] = tokens(f"[{{name: ci, sha256: {hashed(A).upper()}}}]")
    assert token == ClientToken("ci", digest(A))
    assert token.secret is None


def test_one_client_may_have_several_tokens_at_a_time() -> None:
    found = tokens(f"[{{name: ci, token: ['${{A}}', {B}], sha256: [{hashed(C)}], concurrent: 3}}]")
    assert [(each.name, each.digest, each.concurrent) for each in found] == [
        ("ci", digest(text), 3) for text in (A, B, C)
    ]
    assert [each.secret for each in found] == [Secret(A), Secret(B), None]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("['${A}', '${B:-x}']", ["A", "B"]),
        (f"[{A}, '${{B}}', {C}]", ["token 1", "B", "token 3"]),
        (f"['${{A}}', {{name: A, token: {B}}}]", ["token 1", "A"]),
        (f"[{A}, {{name: token 1, token: {B}}}]", ["token 2", "token 1"]),
        ("['x${A}']", ["token 1"]),
        ("['${X:-canary-default-0123456789}', '${X:-other-default-0123456789}']", ["X", "token 2"]),
    ],
)
def test_a_plain_token_is_named_by_its_variable_or_its_number(text: str, names: list[str]) -> None:
    assert [token.name for token in tokens(text)] == names


def test_what_is_not_said_comes_from_the_bounds() -> None:
    value, _ = read(f"bounds: {{concurrent: 7}}\ntokens: [{A}, {{name: b, token: {B}}}]")
    assert value is not None
    assert [token.concurrent for token in value.tokens] == [7, 7]
    value, _ = read("bounds: {concurrent: 7}", {"AUTH_TOKEN": A})
    assert value is not None
    assert [(token.name, token.concurrent) for token in value.tokens] == [("AUTH_TOKEN", 7)]


@pytest.mark.parametrize("key", ["token", "sha256"])
def test_what_has_no_value_is_skipped_with_a_warning(key: str) -> None:
    value, report = read(f"tokens: [{{name: ci, {key}: '${{X}}'}}, {A}]")
    assert value is not None
    assert [token.name for token in value.tokens] == ["token 2"]
    assert report.warnings == [f"gateway.tokens[0].{key} is skipped: X is not set"]


NAME = (
    "expected a name of 1 to 40 letters, digits, spaces and ._@+- that starts with a letter or a "
    "digit"
)
HASH = "expected the 64 hexadecimal digits of a token's SHA-256"


@pytest.mark.parametrize(
    ("item", "problem"),
    [
        (f"{{token: {A}}}", ": required key 'name' is missing"),
        ("{name: ci}", ": expected token or sha256"),
        (f"{{name: '', token: {A}}}", f".name: {NAME}"),
        (f"{{name: 'a`b', token: {A}}}", f".name: {NAME}"),
        (f"{{name: ' a', token: {A}}}", f".name: {NAME}"),
        (f"{{name: {'a' * 41}, token: {A}}}", f".name: {NAME}"),
        (f'{{name: "a\\n", token: {A}}}', f".name: {NAME}"),
        (f"{{name: é, token: {A}}}", f".name: {NAME}"),
        (
            f"{{name: {A[:12]}, token: {A}}}",
            ": the name is shown in many places, and is a part of the token",
        ),
        (
            f"{{name: {A}, sha256: {hashed(A)}}}",
            ": the name is shown in many places, and is a part of the token",
        ),
        (f"{{name: ci, sha256: {A}}}", f".sha256: {HASH}"),
        (f"{{name: ci, sha256: {hashed(A)[:-1]}}}", f".sha256: {HASH}"),
        (f"{{name: ci, token: {A}, models: []}}", ".models: expected a list of at least one name"),
        (f"{{name: ci, token: {A}, models: SMALL}}", ".models: expected a list of names of models"),
        (f"{{name: ci, token: {A}, models: ['a b']}}", ".models[0]: expected a model's name"),
        (
            f"{{name: ci, token: {A}, concurrent: 0}}",
            ".concurrent: expected an integer of at least",
        ),
        (f"{{name: ci, token: {A}, limits: {{}}}}", ".limits: expected at least one of: minute"),
        (f"{{name: ci, tokn: {A}, token: {B}}}", ": unknown key 'tokn', expected one of: name,"),
    ],
)
def test_problems(item: str, problem: str) -> None:
    [found] = problems(f"tokens: [{item}]")
    assert found.startswith(f"f:1: gateway.tokens[0]{problem}")


@pytest.mark.parametrize(
    ("second", "problem"),
    [
        (f"{{name: a, token: {B}}}", "the same name as gateway.tokens[0]"),
        (f"{{name: b, token: {A}}}", "the same token as gateway.tokens[0]"),
        (f"{{name: b, sha256: {hashed(A)}}}", "the same token as gateway.tokens[0]"),
        ("'${A}'", "the same token as gateway.tokens[0]"),
    ],
)
def test_names_and_tokens_are_one_client_s(second: str, problem: str) -> None:
    assert problems(f"tokens: [{{name: a, token: {A}}}, {second}]") == [
        f"f:1: gateway.tokens[1]: {problem}"
    ]


@pytest.mark.parametrize(
    ("pattern", "allowed", "refused"),
    [
        ("gpt-4", ["gpt-4"], ["gpt-4o", "GPT-4", "xgpt-4", "gpt-4\n", ""]),
        ("gpt-*", ["gpt-", "gpt-4o", "gpt-4/x"], ["gpt", "x/gpt-4"]),
        ("groq/*", ["groq/a/b"], ["groq", "groqx/a"]),
        ("*", ["", "anything\n", "a/b"], []),
        ("a**b", ["ab", "axxb"], ["a", "abc"]),
        ("a.b", ["a.b"], ["axb"]),
    ],
)
def test_a_star_stands_for_any_characters(
    pattern: str, allowed: list[str], refused: list[str]
) -> None:
    [token] = tokens(f"[{{name: ci, token: {A}, models: ['{pattern}']}}]")
    assert [name for name in (*allowed, *refused) if token.may_ask_for(name)] == allowed


def test_who_is_not_restricted_may_ask_for_everything() -> None:
    [token] = tokens(f"[{A}]")
    assert token.may_ask_for("anything")


def test_a_file_may_hold_the_list(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text(f"- '${{B}}'\n- {{name: ci, sha256: {hashed(C)}}}\n")
    file = str(tmp_path / "f")
    value, report = read(f"tokens: [{A}]\ntokens_file: t.yaml", file=file)
    assert report.problems == []
    assert value is not None
    assert [token.name for token in value.tokens] == ["token 1", "B", "ci"]
    assert value.tokens_file == tmp_path / "t.yaml"
    assert report.files == [tmp_path / "t.yaml"]


def test_with_a_file_of_tokens_auth_token_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "t.yaml").write_text("[]\n")
    value, report = read("tokens_file: t.yaml", {"AUTH_TOKEN": A}, str(tmp_path / "f"))
    assert (value and value.tokens, report.problems) == ((), [])


def test_a_file_that_cannot_be_read_is_told_where_it_is_named(tmp_path: Path) -> None:
    _, report = read(f"tokens: [{A}]\ntokens_file: t.yaml", file=f"{tmp_path}/f")
    assert [*map(str, report.problems)] == [
        f"{tmp_path}/f:2: gateway.tokens_file: {tmp_path}/t.yaml: cannot be read: "
        "No such file or directory"
    ]
    assert report.files == [tmp_path / "t.yaml"]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("- a b\n", "t.yaml:1: gateway.tokens_file[0]: expected a token of letters"),
        (f"\n- {{name: x, token: {A}}}\n", "t.yaml:2: gateway.tokens_file[0]: the same token as"),
        ("tokens: []\n", "t.yaml:1: gateway.tokens_file: expected a list of tokens, got a mapping"),
        ("- [\n", "t.yaml:2: invalid YAML"),
        ("", "t.yaml:1: gateway.tokens_file: expected a list of tokens, got nothing"),
    ],
)
def test_what_is_wrong_in_the_file_is_told_of_it(
    tmp_path: Path, content: str, problem: str
) -> None:
    (tmp_path / "t.yaml").write_text(content)
    _, report = read(f"tokens: [{A}]\ntokens_file: t.yaml", file=str(tmp_path / "f"))
    [found] = map(str, report.problems)
    assert found.startswith(f"{tmp_path}/{problem}")
    assert report.files == [tmp_path / "t.yaml"]


def test_a_path_may_begin_with_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "t.yaml").write_text(f"- {A}\n")
    value, report = read("tokens_file: ~/t.yaml", file="elsewhere/f")
    assert report.problems == []
    assert value is not None
    assert len(value.tokens) == 1


def test_a_home_that_nobody_has_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    _, report = read("tokens_file: ~no-such-user-here/t.yaml", file=str(tmp_path / "f"))
    [found] = map(str, report.problems)
    assert "cannot be read" in found


@pytest.mark.parametrize(
    ("models", "known", "warns"),
    [
        ("[SMALL]", Names(["m", "p/m", "SMALL"]), False),
        ("[p/*]", Names(["m", "p/m"]), False),
        ("[gpt-4o]", Names(["m", "p/m"]), True),
        ("[gpt-4o]", Names(["m", "p/m"], ["p"]), False),
    ],
)
def test_who_may_ask_for_nothing_that_there_is_is_told_at_start(
    models: str, known: Names, warns: bool
) -> None:
    found = tokens(f"[{{name: ci, token: [{A}, {B}], models: {models}}}, {C}]")
    assert [each.split(";")[0] for each in idle_warnings(found, known)] == [
        "client ci may ask for no model that there is"
    ] * warns
