"""Variables: the process environment, `.env` files, and `${NAME}` in the configuration's texts.

A `.env` line is `NAME=value`, `export NAME=value`, a `#` comment or blank. A value is bare (up to
a ` #` comment), in single quotes (as it stands) or in double quotes (where `\\"`, `\\\\`, `\\$` and
`\\n` are escapes). Values stay on one line and are never expanded.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from llm_gateway.config.files import is_file, read_text
from llm_gateway.config.values import ConfigError, Problem

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_REFERENCE = re.compile(
    rf"(?P<escape>\$\$\{{)|\$\{{(?P<name>{_NAME})(?::-(?P<default>(?:(?!\$\{{)[^}}])*))?\}}"
    r"|(?P<malformed>\$\{)"
)
_ASSIGNMENT = re.compile(rf"(?:export[ \t]+)?({_NAME})[ \t]*=[ \t]*(.*)")
_QUOTED = re.compile(r"""(?:'([^']*)'|"((?:[^"\\]|\\.)*)")(?:[ \t]*|[ \t]+\#.*)""")
_ESCAPE = re.compile(r'\\([\\"$n])')
_COMMENT = re.compile(r"(?:^|[ \t])#.*")


@dataclass(frozen=True, slots=True)
class Expansion:
    """A text with its references replaced.

    `names` are the variables it refers to; `unset` says of each one without a value why it has none
    (`HOST is not set`, `HOST is empty`), and then `text` is not to be used.
    """

    text: str
    names: tuple[str, ...]
    unset: tuple[str, ...]


def expand(text: str, environment: Mapping[str, str]) -> Expansion:
    """Replace `${NAME}` and `${NAME:-default}`, once; `$${` stands for `${`.

    As in the shell, the default is taken for an unset or empty variable. Raises `ValueError` saying
    what was expected for a `${` that begins neither form.
    """
    names: list[str] = []
    unset: list[str] = []

    def replace(match: re.Match[str]) -> str:
        if match["escape"]:
            return "${"
        if match["malformed"]:
            raise ValueError("${NAME} or ${NAME:-default} (write $${ for a literal ${)")
        name = match["name"]
        names.append(name)
        value = environment.get(name) or match["default"]
        if value is None:
            unset.append(f"{name} is {'empty' if name in environment else 'not set'}")
        return value or ""

    expanded = _REFERENCE.sub(replace, text)
    return Expansion(expanded, tuple(dict.fromkeys(names)), tuple(dict.fromkeys(unset)))


def read_environment(
    dotenvs: Iterable[Path], environ: Mapping[str, str]
) -> tuple[dict[str, str], list[Problem]]:
    """The variables of `environ` and of the files, earlier files winning over later ones.

    `environ` wins over all of them, even with an empty value, and is not changed. What is not a
    file is passed over: `.env` is a popular name for a virtual environment's directory too.
    """
    variables = dict(environ)
    problems: list[Problem] = []
    for path in dotenvs:
        if not is_file(path):
            continue
        try:
            found, malformed = parse_dotenv(read_text(path, str(path)), str(path))
        except ConfigError as error:
            problems += error.problems
        else:
            problems += malformed
            variables = found | variables
    return variables, problems


def parse_dotenv(text: str, file: str) -> tuple[dict[str, str], list[Problem]]:
    """The variables of a `.env` text, the last one of a name winning, and its malformed lines."""
    variables: dict[str, str] = {}
    problems: list[Problem] = []
    for number, raw in enumerate(text.split("\n"), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        try:
            name, value = _assignment(line)
        except ValueError as error:
            problems.append(Problem(file, number, "", f"expected {error}"))
        else:
            variables[name] = value
    return variables, problems


def _assignment(line: str) -> tuple[str, str]:
    match = _ASSIGNMENT.fullmatch(line)
    if match is None:
        raise ValueError("NAME=value")
    name, value = match.groups()
    if not value.startswith(("'", '"')):
        return name, _COMMENT.sub("", value).strip()
    quoted = _QUOTED.fullmatch(value)
    if quoted is None:
        raise ValueError("a closing quote, and nothing but a comment after it")
    if quoted[1] is not None:
        return name, quoted[1]
    return name, _ESCAPE.sub(lambda escape: "\n" if escape[1] == "n" else escape[1], quoted[2])
