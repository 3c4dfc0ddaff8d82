"""A token that is made here is one that the gateway takes, by the line that is printed with it."""

import hashlib
import re

import pytest

from llm_gateway.api.identity import Identity
from llm_gateway.config.clients import client_tokens
from llm_gateway.config.cursor import Cursor, Report
from llm_gateway.config.nodes import parse
from llm_gateway.config.scalars import is_bearer_token
from llm_gateway.new_token import BYTES, PREFIX, lines, main, new_token
from llm_gateway.secret import Secret


def test_a_token_has_32_random_bytes_behind_a_beginning_by_which_it_is_found() -> None:
    asked: list[int] = []

    def chance(count: int) -> str:
        asked.append(count)
        return "x"

    assert new_token(chance).reveal() == f"{PREFIX}x"
    assert asked == [BYTES]
    assert BYTES >= 32


def test_no_two_are_alike_and_each_is_a_token() -> None:
    made = [new_token().reveal() for _ in range(20)]
    assert len(set(made)) == 20
    assert all(is_bearer_token(each) for each in made)


def test_the_printed_line_lets_the_token_in(capsys: pytest.CaptureFixture[str]) -> None:
    main(["on", "call"])
    printed = capsys.readouterr().out
    node, problems = parse(printed.partition("gateway.tokens:\n")[2], "f")
    assert node is not None
    report = Report("f", {})
    tokens = client_tokens([Cursor(node, "tokens", 1, report)], 1)
    assert (problems, report.problems) == ([], [])
    [text] = re.findall(rf"^{PREFIX}\S+$", printed, re.MULTILINE)
    found = Identity(tokens).of(text.encode())
    assert found is not None
    assert found.name == "on call"


def test_the_line_holds_the_hash_alone() -> None:
    told = lines("ci", Secret("canary"))
    assert told.count("canary") == 1
    assert told.endswith(f"sha256: {hashlib.sha256(b'canary').hexdigest()}}}")


def test_a_name_that_the_configuration_would_not_take_is_refused(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="expected a name of 1 to 40"):
        main(["a: b"])
    assert capsys.readouterr().out == ""
