"""Every failure that the code can tell a client is documented, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import llm_gateway
from llm_gateway.adapters import error_words
from llm_gateway.api.openapi.failures import FAILURES, Scope, failures_of
from llm_gateway.api.routes import Endpoint

PACKAGE = Path(llm_gateway.__file__).parent
CODES = {failure.code for failure in FAILURES}
PAIRS = {(failure.status, failure.code) for failure in FAILURES}
ELSEWHERE = {
    # The refusals of replays, which nobody but the operator sees.
    "inspect/resend.py",
    # A failure from a recording is told as it was told then.
    "adapters/openai/recorded.py",
    "recordings/asked.py",
}
WORDS = {"CONTEXT_LENGTH", "CONTENT_FILTER", "CONTENT_POLICY", "MODEL_NOT_FOUND"}
"""Names of codes that ``error_words`` has."""
PROVIDERS = error_words.NO_QUOTA
"""Codes that are told in the provider's own spelling."""


ERRORS = ("RequestError", "NoTargetError", "GatewayError")


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Those that may speak of codes and statuses."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name, text = str(path.relative_to(PACKAGE)), path.read_text()
        if name in ELSEWHERE or name.startswith("api/openapi/"):
            continue
        if any(word in text for word in ("code=", "default_code", *(f"{e}(" for e in ERRORS))):
            yield name, ast.parse(text)


MODULES = [*modules()]


def status_in(call: ast.Call) -> str | None:
    """The status that is a number in a call which makes an error of ours."""
    is_ours = ast.unparse(call.func).endswith(ERRORS) and call.args
    number = call.args[0] if is_ours else None
    return str(number.value) if isinstance(number, ast.Constant) else None


def code_in(node: ast.expr) -> str | None:
    """A pattern of the codes that an expression may be, None if it does not say."""
    match node:
        case ast.Constant(value=str(code)):
            return re.escape(code)
        case ast.JoinedStr(values=parts):
            return "".join(code_in(part) or "[a-z_]+" for part in parts)
        case ast.Name(id=name) | ast.Attribute(attr=name) if name in WORDS:
            return re.escape(str(getattr(error_words, name)))
    return None


def codes_in(node: ast.AST) -> list[ast.expr]:
    """The expressions that a piece of code gives for codes."""
    match node:
        case ast.Call():
            given = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
        case ast.Assign(targets=[ast.Name(id="default_code")], value=value):
            given = [value]
        case ast.AnnAssign(target=ast.Name(id="default_code"), value=ast.expr() as value):
            given = [value]
        case _:
            given = []
    choices = [each for each in given if isinstance(each, ast.IfExp)]
    return given + [each for choice in choices for each in (choice.body, choice.orelse)]


def codes_in_code() -> Iterator[tuple[str, str | None, str]]:
    """Where a code is given, the status beside it if it is a number there, and its pattern."""
    for name, tree in MODULES:
        for node in ast.walk(tree):
            for value in codes_in(node):
                status = status_in(node) if isinstance(node, ast.Call) else None
                if (pattern := code_in(value)) is not None:
                    yield name, status, pattern


IN_CODE = sorted({*codes_in_code()}, key=str)


def test_the_code_was_searched() -> None:
    assert len(IN_CODE) > 30


@pytest.mark.parametrize(("place", "status", "pattern"), IN_CODE)
def test_a_code_in_the_code_is_documented(place: str, status: str | None, pattern: str) -> None:
    known = [pair for pair in PAIRS if pair[1] is not None and re.fullmatch(pattern, pair[1])]
    assert known, place
    assert status is None or any(documented == status for documented, _ in known), place


@pytest.mark.parametrize("code", sorted(CODES - {None, "*"} - PROVIDERS, key=str))
def test_a_documented_code_is_in_the_code(code: str) -> None:
    assert any(re.fullmatch(pattern, code) for _, _, pattern in IN_CODE)


def test_what_providers_call_an_empty_account_is_documented() -> None:
    assert PROVIDERS <= CODES


def test_every_status_of_ours_is_documented() -> None:
    calls = [n for _, tree in MODULES for n in ast.walk(tree) if isinstance(n, ast.Call)]
    raised = {status for status in map(status_in, calls) if status is not None}
    assert raised <= {failure.status for failure in FAILURES}
    assert len(raised) > 5


def test_no_failure_is_documented_twice_for_one_request() -> None:
    for endpoint in Endpoint:
        for failures in failures_of(endpoint).values():
            codes = [failure.code for failure in failures if failure.code is not None]
            assert len(codes) == len({*codes})


@pytest.mark.parametrize(
    ("endpoint", "statuses"),
    [
        (Endpoint.PING, {"400", "421", "500", "503"}),
        (Endpoint.OPENAPI, {"400", "421", "500", "503"}),
        (Endpoint.MODELS, {"400", "401", "421", "500", "503"}),
        (Endpoint.MODEL, {"400", "401", "404", "421", "500", "503"}),
    ],
)
def test_what_has_no_body_is_not_refused_for_one(endpoint: Endpoint, statuses: set[str]) -> None:
    assert failures_of(endpoint).keys() >= statuses
    assert not failures_of(endpoint).keys() & {"413", "415", "502", "504"}


@pytest.mark.parametrize("endpoint", [Endpoint.CHAT, Endpoint.IMAGES, Endpoint.PICTURE])
def test_what_a_provider_answers_may_fail_there(endpoint: Endpoint) -> None:
    assert failures_of(endpoint).keys() >= {"401", "413", "415", "429", "502", "504", "4XX", "5XX"}


@pytest.mark.parametrize("endpoint", [*Endpoint])
def test_a_path_of_ours_is_never_unknown(endpoint: Endpoint) -> None:
    assert not Scope.NOWHERE.covers(endpoint)
    assert Scope.ANY.covers(endpoint)
