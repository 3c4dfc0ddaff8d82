import dataclasses
import pickle
from pathlib import Path
from types import MappingProxyType

import pytest

from llm_gateway.config import (
    ClientToken,
    Config,
    ConfigError,
    Credential,
    Gateway,
    Http,
    Model,
    Problem,
    Provider,
    Size,
)
from llm_gateway.secret import Secret


def config(key: str) -> Config:
    provider = Provider(
        "p",
        "openai",
        "https://p.example/v1",
        Http(),
        None,
        (Credential("authorization", "Bearer ", Secret(key)),),
    )
    return Config(
        Gateway(tokens=(ClientToken.of("t", Secret("token")),)),
        MappingProxyType({"p": provider}),
        (Model("m", "p", "m", Size.BIG, 1),),
        "file",
        (Path("file"),),
        (),
    )


def test_configurations_with_equal_values_are_equal() -> None:
    assert config("one") == config("one")


def test_configurations_that_differ_in_a_key_differ() -> None:
    assert config("one") != config("two")


def test_a_configuration_is_frozen_all_the_way_down() -> None:
    value = config("one")
    for part in (value, value.gateway, value.providers["p"], value.providers["p"].http):
        name = dataclasses.fields(part)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(part, name, None)
    with pytest.raises(TypeError):
        value.providers["q"] = value.providers["p"]  # type: ignore[index]  # that is the test


def test_the_repr_of_a_configuration_shows_no_secret() -> None:
    assert "canary" not in repr(config("canary"))


@pytest.mark.parametrize(
    ("problem", "expected"),
    [
        (Problem("f.yaml", 12, "models[0].size", "no"), "f.yaml:12: models[0].size: no"),
        (Problem("f.yaml", 12, "", "no"), "f.yaml:12: no"),
        (Problem("f.yaml", 0, "", "no"), "f.yaml: no"),
        (Problem("f.yaml", 0, "gateway", "no"), "f.yaml: gateway: no"),
    ],
)
def test_a_problem_reads_file_line_path_message(problem: Problem, expected: str) -> None:
    assert str(problem) == expected


def test_an_error_reads_one_problem_a_line() -> None:
    error = ConfigError([Problem("f", 1, "a", "x"), Problem("f", 2, "", "y")])
    assert str(error) == "f:1: a: x\nf:2: y"


def test_an_error_survives_pickling() -> None:
    error = ConfigError([Problem("f", 1, "a", "x")])
    assert pickle.loads(pickle.dumps(error)).problems == error.problems  # noqa: S301  # the bytes are its own
