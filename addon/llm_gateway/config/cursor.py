"""A place in the configuration file: reads what is there and notes what is wrong.

A *reader* is a function from a `Cursor` to a value; it raises `Invalid` when the value is not what
it expects. `Cursor.attempt` turns that into a problem with file, line and path, and goes on, so
that one run finds all problems.
"""

import difflib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from llm_gateway.config.environment import Expansion, expand
from llm_gateway.config.nodes import (
    MappingNode,
    Node,
    ScalarNode,
    SequenceNode,
    child,
    quote,
)
from llm_gateway.config.values import Problem
from llm_gateway.secret import Secret

ABSENT = ScalarNode(0, "", plain=True)
_NOWHERE: Mapping[str, str] = MappingProxyType({})

type Reader[T] = Callable[[Cursor], T]


class Invalid(Exception):
    """A value is not what was expected; the text is the problem's message."""


@dataclass(frozen=True, slots=True)
class Report:
    """What reading one file needs (its name, the variables) and finds.

    `files` are the absolute paths of further ones that it names and that are read like it,
    `secretive` the names of those in which secrets themselves stand.
    """

    file: str
    environment: Mapping[str, str]
    problems: list[Problem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    secretive: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A node with its path, and the line where a reader of the file would look for it."""

    node: Node
    path: str
    line: int
    report: Report

    def attempt[T](self, read: Reader[T]) -> T | None:
        """What `read` makes of this place, or None with a problem noted."""
        try:
            return read(self)
        except Invalid as invalid:
            self.problem(str(invalid))
            return None

    def problem(self, message: str, line: int | None = None) -> None:
        """Note a problem here."""
        where = self.line if line is None else line
        self.report.problems.append(Problem(self.report.file, where, self.path, message))

    def expected(self, what: str) -> Invalid:
        """The error for a value that may be shown: what was expected and what was found.

        References are shown as written: what a variable holds may be a secret.
        """
        return Invalid(f"expected {what}, got {self._found()}")

    def default(self, key: str, node: Node) -> "Cursor":
        """A cursor on `node`, which stands for what the file leaves out under `key`."""
        return Cursor(node, child(self.path, key), self.line, self.report)

    def entries(self) -> dict[str, "Cursor"]:
        """The values of a mapping by key. Nothing written is an empty mapping."""
        if isinstance(self.node, MappingNode):
            return {
                entry.key: Cursor(entry.value, child(self.path, entry.key), entry.line, self.report)
                for entry in self.node.entries
            }
        if isinstance(self.node, ScalarNode) and self.node.is_null:
            return {}
        raise self.expected("a mapping")

    def fields(
        self,
        readers: Mapping[str, Reader[Any]],
        required: Collection[str] = (),
        elsewhere: Mapping[str, str] = _NOWHERE,
    ) -> dict[str, Any]:
        """The values of a mapping's keys that are present and valid.

        Notes a problem for every key without a reader and every required key that is missing.
        `elsewhere` says of keys that one might look for here where they belong.
        """
        entries = self.entries()
        self._refuse_unknown(readers, elsewhere)
        for key in required:
            if key not in entries:
                self.problem(f"required key {quote(key)} is missing")
        values = {
            key: cursor.attempt(readers[key]) for key, cursor in entries.items() if key in readers
        }
        return {key: value for key, value in values.items() if value is not None}

    def items(self, what: str) -> tuple["Cursor", ...]:
        """The places in a list; `what` names the list in messages."""
        if not isinstance(self.node, SequenceNode):
            raise Invalid(f"expected {what}, got {self._found_kind()}")
        return tuple(
            Cursor(item, f"{self.path}[{index}]", item.line, self.report)
            for index, item in enumerate(self.node.items)
        )

    def expansion(self) -> Expansion:
        """The text here with its references replaced, which may have failed (`unset`)."""
        if not isinstance(self.node, ScalarNode) or self.node.is_null:
            raise Invalid(f"expected a text, got {self._found_kind()}")
        try:
            return expand(self.node.text, self.report.environment)
        except ValueError as error:
            raise Invalid(f"expected {error}") from None

    def secret(self, text: str) -> Secret:
        """The expansion of what is here, as a secret."""
        if not self.expansion().names:
            self.report.secretive.add(self.report.file)
        return Secret(text)

    def text(self) -> str:
        """The text here with its references replaced; a variable without a value is an error."""
        expansion = self.expansion()
        if expansion.unset:
            raise Invalid(f"environment variable {', '.join(expansion.unset)}")
        return expansion.text

    def parse[T](self, parse: Callable[[str], T]) -> T:
        """The text here as a value; `parse` raises `ValueError` saying what it expected."""
        try:
            return parse(self.text())
        except ValueError as error:
            raise self.expected(str(error)) from None

    def _refuse_unknown(self, known: Collection[str], elsewhere: Mapping[str, str]) -> None:
        if not isinstance(self.node, MappingNode):
            return
        for entry in self.node.entries:
            if entry.key in elsewhere:
                self.problem(f"key {quote(entry.key)} {elsewhere[entry.key]}", entry.line)
            elif entry.key not in known:
                message = f"unknown key {quote(entry.key)}, expected one of: {', '.join(known)}"
                self.problem(message + did_you_mean(entry.key, known), entry.line)

    def _found(self) -> str:
        if not isinstance(self.node, ScalarNode) or self.node.is_null:
            return self._found_kind()
        shown = quote(self.node.text)
        if "${" in self.node.text:
            return f"the expansion of {shown}"
        return shown if self.node.plain else f"the quoted text {shown}"

    def _found_kind(self) -> str:
        if isinstance(self.node, MappingNode):
            return "a mapping"
        if isinstance(self.node, SequenceNode):
            return "a list" if self.node.items else "an empty list"
        return "nothing" if self.node.is_null else "a single value"


def itself(cursor: Cursor) -> Cursor:
    """A reader for a key that is read later, because its rule depends on other keys."""
    return cursor


def scalar[T](parse: Callable[[str], T]) -> Reader[T]:
    """A reader of a text in any notation."""
    return lambda cursor: cursor.parse(parse)


def plain[T](parse: Callable[[str], T]) -> Reader[T]:
    """A reader of a number or a boolean, which quotes would make a text.

    A reference may stand in quotes: in `{flow: style}` it must.
    """

    def read(cursor: Cursor) -> T:
        value = cursor.parse(parse)
        node = cursor.node
        if isinstance(node, ScalarNode) and not node.plain and not cursor.expansion().names:
            raise cursor.expected("a value without quotes")
        return value

    return read


def did_you_mean(word: str, options: Collection[str]) -> str:
    """A tail for a message that lists `options`, empty when none of them is close."""
    close = difflib.get_close_matches(word[:60], options, n=1)
    return f"; did you mean {quote(close[0])}?" if close else ""
