"""Configuration files: a configuration, or all problems with their places, and no secret told."""

import contextlib
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import orjson
import yaml

from fuzz.target import Choices, Shape, Target
from llm_gateway.adapters import KINDS
from llm_gateway.config import Config, ConfigError, load
from llm_gateway.config.environment import expand, parse_dotenv
from llm_gateway.config.values import Problem

ROOT = Path(__file__).parents[2]
CANARY: Final = "canary-0123456789abcdef"
NAMES = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AUTH_TOKEN", "CLOUDFLARE_API_KEY", "NAME", "HOST")
ENVIRONMENTS: tuple[Mapping[str, str], ...] = (
    {},
    {name: f"{CANARY}-{number}" for number, name in enumerate(NAMES)},
    {"AUTH_TOKEN": CANARY, "RETRY_ATTEMPTS": CANARY, "RETRY_MAX_DELAY": CANARY},
)
DEFAULTS = {name: kind.defaults for name, kind in KINDS.items()}
_BREAK = re.compile(r"[\n\r\x85\u2028\u2029]")
"""What YAML 1.1 takes for the end of a line."""
_YAML = re.compile(r"^```yaml\n(.*?)^```", re.MULTILINE | re.DOTALL)


def read(data: bytes) -> None:
    """A file is a configuration, or not one for the problems that are told with their lines."""
    choices = Choices(data)
    environment = choices.one_of(ENVIRONMENTS)
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name), _quiet():
        path = Path("provider_config.yaml")
        path.write_bytes(choices.rest)
        lines = len(_BREAK.split(choices.rest.decode("utf-8", "replace")))
        try:
            config = load(path, environment, DEFAULTS)
        except ConfigError as error:
            check_problems(error, lines)
        else:
            check_config(config)


def _quiet() -> contextlib.AbstractContextManager[object]:
    """Python warns of patterns that a later version may take for others."""
    return warnings.catch_warnings(action="ignore", category=FutureWarning)


def check_problems(error: ConfigError, lines: int) -> None:
    """Each says where and what, and none a secret."""
    assert error.problems
    for problem in error.problems:
        assert isinstance(problem, Problem)
        assert problem.file.endswith("provider_config.yaml")
        assert 0 <= problem.line <= lines, problem
        assert problem.message
    assert CANARY not in str(error)


def check_config(config: Config) -> None:
    """What the rest of the gateway takes for granted."""
    assert CANARY not in "".join(config.warnings)
    # Of the rest a name may be a variable's value, which the file's author wants to be shown.
    assert CANARY not in repr([each.credentials for each in config.providers.values()])
    assert CANARY not in repr([each.secret for each in config.gateway.tokens])
    assert config.models or any(each.discover for each in config.providers.values())
    for model in config.models:
        assert model.provider in config.providers
    for provider in config.providers.values():
        base = provider.base_url or ""
        assert base.isascii()
        assert not base or base.startswith(("http://", "https://"))
        assert not base.endswith("/")


def variables(data: bytes) -> None:
    """A ``.env`` is read, and what refers to it expanded, or it is said what was expected."""
    text = data.decode("utf-8", "replace")
    found, problems = parse_dotenv(text, ".env")
    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) for name in found)
    lines = text.count("\n") + 1
    assert all(0 < problem.line <= lines for problem in problems)
    try:
        expansion = expand(text, {"NAME": "${HOST}", "EMPTY": ""})
    except ValueError:
        return
    assert "$" in text or expansion.text == text
    assert not expansion.unset or expansion.names


@cache
def _examples() -> tuple[str, ...]:
    texts = [(ROOT / "provider_config.example.yaml").read_text()]
    texts.append((ROOT / "tests/config/legacy/provider-config.yaml").read_text())
    for page in sorted((ROOT / "docs").glob("*.md")):
        texts += _YAML.findall(page.read_text())
    return tuple(texts)


def _files() -> Iterator[bytes]:
    """Examples as they are written, and as JSON, which is YAML as well."""
    for number, text in enumerate(_examples()):
        first = bytes([number % len(ENVIRONMENTS)])
        yield first + text.encode()
        with contextlib.suppress(yaml.YAMLError, TypeError):
            yield first + orjson.dumps(yaml.safe_load(text))


WORDS = (
    *("&a ", "*a", "[*a, *a]", "<<: *a", "!!python/object ", "? ", "|\n", ">-\n", "---\n", "...\n"),
    *("${OPENAI_API_KEY}", "${NAME:-x}", "$${", "${", "a/../../b", "://", "1e999", "0777", "1:30"),
    *("http://127.0.0.1:1", "https://a.example", "ai.localhost", "30s", "10m", "null", "~", "yes"),
)
TARGETS = (
    Target("config", read, 1, Shape.JSON, _files, WORDS, 16384),
    Target("variables", variables, words=("NAME=", "export ", "${NAME}", ":-", "'", '"', " #")),
)
