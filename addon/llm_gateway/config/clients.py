"""The clients' tokens: `tokens` and `tokens_file` of the `gateway` section.

An item is a text, the token itself, or a mapping that names it and says what it may do. No message
shows anything of a token.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, count
from pathlib import Path
from typing import Any

from llm_gateway.config import scalars
from llm_gateway.config.cursor import Cursor, Invalid, Reader, Report, plain, scalar
from llm_gateway.config.files import at_home, read_text
from llm_gateway.config.limits import limits
from llm_gateway.config.nodes import MappingNode, ScalarNode, SequenceNode, parse
from llm_gateway.config.routing import Names
from llm_gateway.config.values import ClientToken, ConfigError
from llm_gateway.secret import Secret

DEFAULT_VARIABLE = "AUTH_TOKEN"
SHORT_TOKEN = 16

_LIST = "a list of tokens"
_TELLING = 8
"""A name of so many characters that stands in a token says too much of it."""
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-[^}]*)?\}")
_MODELS = re.compile(r"[A-Za-z0-9@*][A-Za-z0-9._:/@+*-]{0,199}")


def default_token(section: Cursor, concurrent: int) -> tuple[ClientToken, ...]:
    """`AUTH_TOKEN`, if it is set, where the section names no tokens."""
    reference = ScalarNode(0, f"${{{DEFAULT_VARIABLE}}}", plain=False)
    place = section.default("tokens", reference)
    if place.expansion().unset:
        return ()
    secret = place.attempt(_secret)
    if secret is None:
        return ()
    return (ClientToken(DEFAULT_VARIABLE, secret.digest, secret, concurrent=concurrent),)


def client_tokens(lists: Iterable[Cursor], concurrent: int) -> tuple[ClientToken, ...]:
    """The tokens of all these lists, each under a name of its item's own.

    `concurrent` holds for items that do not say it.
    """
    items = _Items(concurrent)
    for place in chain.from_iterable(each.attempt(_items) or () for each in lists):
        place.attempt(items.read)
    return items.named()


def idle_warnings(tokens: Iterable[ClientToken], known: Names) -> list[str]:
    """A sentence for each client that may ask for nothing that there is."""
    if known.listing:
        return []
    return [
        f"client {name} may ask for no model that there is; what counts of an alias is the name "
        "that it stands for"
        for name, token in {each.name: each for each in tokens}.items()
        if not any(map(token.may_ask_for, known.known))
    ]


def tokens_file(cursor: Cursor) -> Path:
    """The file's path, which counts from the configuration file's directory."""
    return Path(cursor.report.file).parent / at_home(cursor.text())


def list_in(path: Path, place: Cursor) -> Cursor | None:
    """The list in a tokens file; None, with problems noted, if it cannot be read.

    `place` is where the file is named, and that it cannot be read is told there. What is wrong in
    it is told of the file itself.
    """
    outer = place.report
    outer.files.append(path.absolute())
    report = Report(
        str(path),
        outer.environment,
        outer.problems,
        outer.warnings,
        secretive=outer.secretive,
    )
    try:
        text = read_text(path, report.file)
    except ConfigError as error:
        for problem in error.problems:
            place.problem(str(problem))
        return None
    try:
        node, problems = parse(text, report.file)
    except ConfigError as error:
        report.problems.extend(error.problems)
        return None
    report.problems.extend(problems)
    return None if node is None else Cursor(node, place.path, node.line, report)


@dataclass(frozen=True, slots=True)
class _Item:
    """What one item says. Without a `name` of its own it is named by its `variable` or number."""

    tokens: tuple[ClientToken, ...]
    name: str | None = None
    variable: str | None = None


@dataclass(slots=True)
class _Items:
    """The items of all lists."""

    concurrent: int
    _read: list[_Item] = field(default_factory=list)
    _names: dict[str, Cursor] = field(default_factory=dict)
    _digests: dict[bytes, Cursor] = field(default_factory=dict)

    def read(self, place: Cursor) -> None:
        """Read the next one. Raises Invalid."""
        # One that is wrong is counted as well, so that a number says which one it is.
        self._read.append(_Item(()))
        if isinstance(place.node, MappingNode):
            item = self._described(place)
        else:
            secret = _secret(place)
            tokens = () if secret is None else self._tokens({}, [secret], [])
            item = _Item(tuple(tokens), variable=_variable(place))
        new = [each for each in item.tokens if self._is_new(each, place)]
        self._read[-1] = replace(item, tokens=tuple(new))

    def named(self) -> tuple[ClientToken, ...]:
        """All tokens, each with the name of its item."""
        taken = set(self._names)
        found: list[ClientToken] = []
        for number, item in enumerate(self._read, start=1):
            name = item.name or _free_name(item.variable, number, taken)
            taken.add(name)
            found += (replace(each, name=name) for each in item.tokens)
        return tuple(found)

    def _described(self, place: Cursor) -> _Item:
        values = place.fields(_READERS, required=("name",))
        if not {"token", "sha256"} & place.entries().keys():
            raise Invalid("expected token or sha256")
        name = values.get("name")
        if name is None:
            return _Item(())
        if name in self._names:
            place.problem(f"the same name as {self._names[name].path}")
        self._names.setdefault(name, place)
        secrets: Sequence[Secret] = values.get("token", ())
        digests: Sequence[bytes] = values.get("sha256", ())
        if _tells(name, secrets, digests):
            raise Invalid("the name is shown in many places, and is a part of the token")
        return _Item(tuple(self._tokens(values, secrets, digests)), name)

    def _tokens(
        self, values: Mapping[str, Any], secrets: Iterable[Secret], digests: Iterable[bytes]
    ) -> Iterable[ClientToken]:
        rest = {key: values[key] for key in ("models", "limits", "concurrent") if key in values}
        rest = {"concurrent": self.concurrent, **rest}
        for secret in secrets:
            yield ClientToken("", secret.digest, secret, **rest)
        for digest in digests:
            yield ClientToken("", digest, **rest)

    def _is_new(self, token: ClientToken, place: Cursor) -> bool:
        if token.digest in self._digests:
            place.problem(f"the same token as {self._digests[token.digest].path}")
            return False
        self._digests[token.digest] = place
        return True


def _items(cursor: Cursor) -> tuple[Cursor, ...]:
    return cursor.items(_LIST)


def _free_name(variable: str | None, number: int, taken: set[str]) -> str:
    if variable is not None and variable not in taken:
        return variable
    return next(name for each in count(number) if (name := f"token {each}") not in taken)


def _variable(place: Cursor) -> str | None:
    """The variable that the item is, if it is nothing else."""
    node = place.node
    match = _REFERENCE.fullmatch(node.text) if isinstance(node, ScalarNode) else None
    return match[1] if match else None


def _tells(name: str, secrets: Iterable[Secret], digests: Iterable[bytes]) -> bool:
    """Whether a name says something of the tokens that it stands for."""
    texts = [secret.reveal() for secret in secrets]
    return hashlib.sha256(name.encode()).digest() in digests or any(
        text in name or (len(name) >= _TELLING and name in text) for text in texts
    )


def _secret(cursor: Cursor) -> Secret | None:
    """A bearer token, RFC 6750 §2.1; None, with a warning, if its variable is not set."""
    expansion = cursor.expansion()
    if _is_skipped(cursor):
        return None
    if not scalars.is_bearer_token(expansion.text):
        origin = f" in {', '.join(expansion.names)}" if expansion.names else ""
        raise Invalid(
            f"expected a token{origin} of letters, digits and ._~+/- that may end in = (RFC 6750)"
        )
    if len(expansion.text) < SHORT_TOKEN:
        cursor.report.warnings.append(
            f"{cursor.path} is shorter than {SHORT_TOKEN} characters and may be guessed"
        )
    return cursor.secret(expansion.text)


def _digest(cursor: Cursor) -> bytes | None:
    if _is_skipped(cursor):
        return None
    text = cursor.text()
    if not _SHA256.fullmatch(text):
        # It may be the token itself, in the wrong place.
        raise Invalid("expected the 64 hexadecimal digits of a token's SHA-256")
    return bytes.fromhex(text)


def _is_skipped(cursor: Cursor) -> bool:
    unset = cursor.expansion().unset
    if unset:
        cursor.report.warnings.append(f"{cursor.path} is skipped: {', '.join(unset)}")
    return bool(unset)


def _each[T](read: Reader[T | None]) -> Reader[Sequence[T]]:
    """A reader of one value, or of a list of them."""

    def read_each(cursor: Cursor) -> Sequence[T]:
        places = _items(cursor) if isinstance(cursor.node, SequenceNode) else (cursor,)
        found = (place.attempt(read) for place in places)
        return [each for each in found if each is not None]

    return read_each


def _name(cursor: Cursor) -> str:
    try:
        return scalars.client_name(cursor.text())
    except ValueError as error:
        # Not shown: it may be the token itself, in the wrong place.
        raise Invalid(f"expected {error}") from None


def _models(cursor: Cursor) -> tuple[re.Pattern[str], ...]:
    items = cursor.items("a list of names of models")
    if not items:
        raise cursor.expected("a list of at least one name of a model")
    found = (item.attempt(scalar(_pattern)) for item in items)
    return tuple(pattern for pattern in found if pattern is not None)


def _pattern(text: str) -> re.Pattern[str]:
    if not _MODELS.fullmatch(text):
        raise ValueError("a model's name, SMALL or BIG, in which * may stand for any characters")
    words = re.sub(r"\*+", "*", text).split("*")
    return re.compile(".*".join(map(re.escape, words)), re.DOTALL)


_READERS: dict[str, Reader[Any]] = {
    "name": _name,
    "token": _each(_secret),
    "sha256": _each(_digest),
    "models": _models,
    "limits": limits,
    "concurrent": plain(scalars.integer_from(1)),
}
