"""A file that others can read or change is complained of, with what mends it."""

import os
from pathlib import Path

import pytest

from llm_gateway import config
from llm_gateway.adapters import KINDS
from llm_gateway.config.permissions import complaints

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")

DEFAULTS = {name: kind.defaults for name, kind in KINDS.items()}
MODELS = "models: [{name: m, provider: groq}]\n"
BY_REFERENCE = "providers: {groq: {api_key: '${KEY}'}}\n" + MODELS
LITERAL = "providers: {groq: {api_key: canary-key-0123456789}}\n" + MODELS
TOKEN = "gateway: {tokens: [canary-token-0123456789]}\n" + BY_REFERENCE
FILE = "gateway.yaml"


def file(directory: Path, mode: int, text: str = "", name: str = FILE) -> Path:
    path = directory / name
    path.write_text(text)
    path.chmod(mode)
    return path


@pytest.mark.parametrize(
    ("mode", "secret", "found"),
    [
        (0o600, True, []),
        (0o400, True, []),
        (0o644, False, []),
        (0o644, True, ["holds secrets and can be read by others: chmod 600"]),
        (0o604, True, ["holds secrets and can be read by others: chmod 600"]),
        (0o602, False, ["can be changed by others, who may send keys anywhere: chmod go-w"]),
        (0o666, True, ["can be changed by others", "can be read by others"]),
    ],
)
def test_what_others_may_do_is_told(
    tmp_path: Path, mode: int, secret: bool, found: list[str]
) -> None:
    path = file(tmp_path, mode)
    said = [*complaints(path, secret=secret)]
    assert len(said) == len(found)
    for sentence, expected in zip(said, found, strict=True):
        assert expected in sentence
        assert str(path) in sentence


def test_a_group_of_one_s_own_is_oneself(tmp_path: Path) -> None:
    path = file(tmp_path, 0o660)
    if path.stat().st_gid == path.stat().st_uid:
        assert not [*complaints(path, secret=True)]


def test_another_owner_and_another_group_are_told(tmp_path: Path) -> None:
    path = file(tmp_path, 0o640)
    try:
        os.chown(path, 4242, 4243)
    except OSError:
        pytest.skip("only root gives files away, and not in every container")
    said = [*complaints(path, secret=True)]
    assert len(said) == 2
    assert "belongs to another user (number 4242)" in said[1]


def test_a_file_that_is_not_there_is_no_complaint(tmp_path: Path) -> None:
    assert not [*complaints(tmp_path / "none", secret=True)]


def warnings(directory: Path, text: str, mode: int = 0o644) -> list[str]:
    loaded = config.load(file(directory, mode, text), {"KEY": "canary-key-0123456789"}, DEFAULTS)
    return [each for each in loaded.warnings if "others" in each]


@pytest.mark.parametrize("text", [LITERAL, TOKEN])
def test_a_configuration_with_a_secret_in_it_should_be_private(tmp_path: Path, text: str) -> None:
    [warning] = warnings(tmp_path, text)
    assert "holds secrets" in warning
    assert "canary" not in warning
    assert not warnings(tmp_path, text, 0o600)


def test_a_configuration_with_references_may_be_read_but_not_changed(tmp_path: Path) -> None:
    assert not warnings(tmp_path, BY_REFERENCE)
    assert len(warnings(tmp_path, BY_REFERENCE, 0o646)) == 1


def test_dotenv_should_be_private(tmp_path: Path) -> None:
    file(tmp_path, 0o644, "OTHER=x", ".env")
    [warning] = warnings(tmp_path, BY_REFERENCE)
    assert ".env holds secrets" in warning


def test_a_tokens_file_should_be_private(tmp_path: Path) -> None:
    text = "gateway: {tokens_file: tokens.yaml}\n" + BY_REFERENCE
    file(tmp_path, 0o644, "[canary-token-0123456789]", "tokens.yaml")
    [warning] = warnings(tmp_path, text)
    assert "tokens.yaml holds secrets" in warning
    file(tmp_path, 0o644, f"[{{name: a, sha256: {'0' * 64}}}]", "tokens.yaml")
    assert not warnings(tmp_path, text)
