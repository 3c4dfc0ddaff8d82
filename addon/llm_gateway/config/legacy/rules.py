"""What our format says of a model besides its names."""

from collections.abc import Iterator

from llm_gateway.config.legacy.models import LENGTH, TIMEOUT, WINDOWS, OldModel
from llm_gateway.config.legacy.tree import mapping, moved, number, text
from llm_gateway.config.nodes import Entry, ScalarNode, SequenceNode
from llm_gateway.config.values import Capability, Size


def rules(old: OldModel, first: OldModel, kind: str, *, draws: bool) -> Iterator[Entry]:
    """The entries. `draws` says whether providers of this `kind` make pictures.

    `first` is the first with the same provider and the same model there: it has the limits of both.
    """
    line = old.cursor.line
    priority = old.places.get("priority")
    # Of numbers that are left out, ai-proxy makes 0, and 0 comes first.
    yield moved("priority", priority) if priority else number("priority", line, 0)
    yield text("breaker", line, "minute")
    yield from _timeouts(old)
    yield from _limits(old, first)
    if old.numbers.get(LENGTH):
        yield moved("max_request_bytes", old.places[LENGTH])
        yield from _size(old)
    else:
        yield from _without_length(old, kind, draws=draws)


def _timeouts(old: OldModel) -> Iterator[Entry]:
    if seconds := old.numbers.get(TIMEOUT):
        line = old.line(TIMEOUT)
        keys = ("first_event", "answer")
        yield mapping("http", line, [number(key, line, seconds) for key in keys])


def _limits(old: OldModel, first: OldModel) -> Iterator[Entry]:
    if first is not old:
        differs = [key for key in WINDOWS if old.numbers.get(key) != first.numbers.get(key)]
        if differs:
            old.warn(
                differs[0],
                f"not read: it is the model of line {first.cursor.line} under another name, and "
                "the limits there hold for both",
            )
        return
    windows = [
        moved(ours, old.places[key]) for key, ours in WINDOWS.items() if old.numbers.get(key)
    ]
    if windows:
        yield mapping("limits", windows[0].line, windows)


def _size(old: OldModel) -> Iterator[Entry]:
    size = old.texts.get("model_size")
    if size is None:
        return
    unlimited = next((key for key in WINDOWS if not old.numbers.get(key)), None)
    if size not in set(Size):
        old.warn("model_size", "expected SMALL or BIG; the model is asked for by its name only")
    elif unlimited is not None:
        old.warn(
            unlimited,
            f"without a number above 0 under {unlimited}, ai-proxy never chooses a model for "
            f"{size}: here, too, it is asked for by its name only, and has no such limit",
        )
    else:
        yield moved("size", old.places["model_size"])


def _without_length(old: OldModel, kind: str, *, draws: bool) -> Iterator[Entry]:
    """A model that makes pictures, as ai-proxy says it: a request to it has the length 0."""
    if not draws:
        old.warn(
            LENGTH,
            f"0 or nothing under {LENGTH} stands for a model that makes pictures, which a provider "
            f"of kind {kind} does not: it is read as one for chat, asked for by its name only",
        )
        return
    if LENGTH not in old.places:
        old.warn(
            LENGTH,
            f"without {LENGTH} it stands for a model that makes pictures: if it is one for chat, "
            "write the longest request in bytes",
        )
    line = old.line(LENGTH)
    yield Entry(
        "capabilities", line, SequenceNode(line, (ScalarNode(line, Capability.IMAGE, plain=True),))
    )
