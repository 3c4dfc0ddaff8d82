"""YAML text to a tree whose every value knows its line.

The tree is PyYAML's own node graph, before any type is guessed: `no`, `1:30` and `0777` are still
the texts that were written. Aliases are expanded. Tags and merge keys are refused, and so is what
nests or grows without bound.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple, override

import yaml

from llm_gateway.config.values import Problem
from llm_gateway.known import without_credentials

MAX_DEPTH = 20
MAX_NODES = 100_000

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_WIDTH = 60
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_@/:+-]{0,59}")
# PyYAML quotes names of aliases, anchors and tags; a key that begins with * or ! would be one.
_QUOTED_NAME = re.compile(r" '[\w!-]{2,}'")


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """A single value as written; `plain` means without quotes."""

    line: int
    text: str
    plain: bool

    @property
    def is_null(self) -> bool:
        """Whether nothing was written, or one of YAML's words for nothing."""
        return self.plain and self.text in _NULLS


@dataclass(frozen=True, slots=True)
class SequenceNode:
    """A list."""

    line: int
    items: tuple["Node", ...]


class Entry(NamedTuple):
    """One key of a mapping with the key's line."""

    key: str
    line: int
    value: "Node"


@dataclass(frozen=True, slots=True)
class MappingNode:
    """A mapping; its keys are distinct texts."""

    line: int
    entries: tuple[Entry, ...]


type Node = ScalarNode | SequenceNode | MappingNode


def parse(text: str, file: str) -> tuple[Node | None, list[Problem]]:
    """The tree of one YAML document, and what is wrong with it.

    No tree, and one problem, when the text is not YAML; otherwise a tree without the entries that
    the problems name (repeated keys, merge keys, keys that are not texts). An empty text is a null.
    """
    try:
        return _parse(text, file)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        return None, [Problem(file, line, "", f"invalid YAML: {_explain(error)}")]
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = "invalid YAML: a control character, which is not allowed"
        return None, [Problem(file, line, "", message)]


def quote(text: str) -> str:
    """A text as messages show it: quoted, on one line, at most 60 characters of it.

    A key may stand in the wrong place, so what looks like one is masked.
    """
    text = without_credentials(text)
    return repr(text if len(text) <= _WIDTH else f"{text[: _WIDTH - 1]}…")


def child(path: str, key: str) -> str:
    """The path of a mapping's key, as messages show it."""
    if not _PLAIN_KEY.fullmatch(without_credentials(key)):
        return f"{path}[{quote(key)}]"
    return f"{path}.{key}" if path else key


class _Loader(yaml.SafeLoader):
    """PyYAML's, with a bound on nesting and without tags."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    @override
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # types-PyYAML lacks it
        if getattr(event, "tag", None) is not None:
            raise _error("tags (!…) are not supported", event.start_mark)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _error(f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Converter:
    """Copies PyYAML's graph into our tree, expanding aliases."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._count = 0
        self.problems: list[Problem] = []

    def convert(self, node: yaml.Node, path: str, depth: int = 1) -> Node:
        self._count += 1
        if self._count > MAX_NODES:
            raise _error(f"more than {MAX_NODES} values, aliases expanded", node.start_mark)
        if depth > MAX_DEPTH:
            raise _error(
                f"nested deeper than {MAX_DEPTH} levels, aliases expanded", node.start_mark
            )
        line = node.start_mark.line + 1
        if isinstance(node, yaml.ScalarNode):
            return ScalarNode(line, node.value, plain=node.style is None)
        if isinstance(node, yaml.SequenceNode):
            items = (
                self.convert(item, f"{path}[{index}]", depth + 1)
                for index, item in enumerate(node.value)
            )
            return SequenceNode(line, tuple(items))
        return MappingNode(line, self._entries(node, path, depth))

    def _entries(self, node: yaml.Node, path: str, depth: int) -> tuple[Entry, ...]:
        entries: dict[str, Entry] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            refusal = _refuse_key(key_node, entries)
            if refusal:
                self.problems.append(Problem(self._file, line, path, refusal))
                continue
            key = key_node.value
            entries[key] = Entry(key, line, self.convert(value_node, child(path, key), depth + 1))
        return tuple(entries.values())


def _parse(text: str, file: str) -> tuple[Node, list[Problem]]:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
    except (ValueError, OverflowError):
        # PyYAML lets chr() and int() fail on escapes and directives with numbers out of range.
        raise _error(
            "a number in an escape or a directive is out of range", loader.get_mark()
        ) from None
    finally:
        loader.dispose()
    if root is None:
        return ScalarNode(1, "", plain=True), []
    converter = _Converter(file)
    return converter.convert(root, ""), converter.problems


def _refuse_key(key: yaml.Node, seen: dict[str, Entry]) -> str | None:
    if not isinstance(key, yaml.ScalarNode):
        return "expected a text as key"
    if key.value == "<<" and key.style is None:
        return "merge keys (<<) are not supported, write the keys out or use an alias as a value"
    if key.value in seen:
        return f"key {quote(key.value)} is given twice, first on line {seen[key.value].line}"
    return None


def _error(message: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=message, problem_mark=mark)


def _explain(error: yaml.MarkedYAMLError) -> str:
    problem = _QUOTED_NAME.sub("", error.problem or "unexpected text")
    if error.context is None or error.context_mark is None:
        return problem
    context = _QUOTED_NAME.sub("", error.context)
    return f"{problem} ({context} on line {error.context_mark.line + 1})"
