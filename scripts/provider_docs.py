"""Prints docs/providers.md from the tables that the adapters obey. Run by `make docs`."""

from collections.abc import Iterator, Mapping

from llm_gateway.adapters import KINDS, Kind
from llm_gateway.adapters.fields import NEUTRAL, Fate, Fields, Table

INTRO = """\
# Providers

Printed by `make docs` from the tables that the adapters obey; a test keeps both the same.

A provider in the [configuration](configuration.md#providers) is of one of these kinds. Its key is
taken from the variable beside it, unless `api_key` says otherwise.

| kind | provider | address | key | draws | lists models |
|---|---|---|---|---|---|
"""

CHAT = "chat completions"

ASKED_FOR = {
    "tools": "tools",
    "picture": "messages[].content[].image_url (data:)",
    "its address": "messages[].content[].image_url (https:)",
    "sound": "messages[].content[].input_audio",
    "document": "messages[].content[].file",
    "JSON schema": "response_format.json_schema",
    "reasoning": "reasoning_effort",
    "`n` > 1": "n",
    "`stop`": "stop",
    "`seed`": "seed",
    "logprobs": "logprobs",
}
"""What one chooses a provider by, and its row in the tables."""

OVERVIEW = """
## Which chat takes what

*Yes*: it does, within the limits given below. *Passed*: sent as it is, and the server or the model
decides. *Dropped* and *refused*: see the next section.

"""

FIELDS = """
## What becomes of a request's fields

- *Passed*: sent under its own name.
- *Renamed*, *translated*: sent in the provider's way.
- *Dropped*: left out, because it only hints at something; the answer's `x-ai-proxy-dropped` header
  names it.
- *Refused*: 400 with the code `unsupported_parameter` and the field as `param`, because the answer
  would not be what was asked for.

`*` stands for fields that the table does not list. Null, and these values, ask for what happens
anyway, so they are neither reported nor refused:

"""


def render(kinds: Mapping[str, Kind]) -> str:
    """The whole page."""
    listed = {name: kind for name, kind in kinds.items() if kind.reference}
    parts = [INTRO, *(_row(name, kind) for name, kind in listed.items())]
    parts += [OVERVIEW, *_overview(listed), FIELDS]
    parts += [f"- `{name}`: {_values(values)}\n" for name, values in sorted(NEUTRAL.items())]
    for names in _groups(listed, pictures=False):
        parts.append(_section(listed, names, CHAT, listed[names[0]].fields))
    for names in _groups(listed, pictures=True):
        parts.append(_section(listed, names, "pictures", listed[names[0]].image_fields or {}))
    return "".join(parts)


def _row(name: str, kind: Kind) -> str:
    defaults = kind.defaults
    prefix = defaults.variables or name.upper().replace("-", "_")
    keys = ", ".join(
        f"`{prefix}_{each.key.upper()}`{'' if each.required else ' (optional)'}"
        for each in defaults.credentials
    )
    settings = "".join(f", `{prefix}_{each.upper()}`" for each in defaults.settings)
    get = f" ([get one]({kind.keys}))" if kind.keys else ""
    cells = [
        f"`{name}`",
        f"[{kind.title}]({kind.reference})",
        f"`{defaults.base_url}`" if defaults.base_url else "yours",
        f"{keys}{settings}{get}" if keys else "none",
        "yes" if kind.images else "",
        "yes" if kind.models else "",
    ]
    return f"| {' | '.join(cells)} |\n"


def _overview(kinds: Mapping[str, Kind]) -> Iterator[str]:
    """What can be asked of each kind, those that are alike in one line."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name, kind in kinds.items():
        cells = tuple(_answer(kind.fields, row) for row in ASKED_FOR.values())
        alike.setdefault(cells, []).append(f"`{name}`")
    yield f"| kind | {' | '.join(ASKED_FOR)} |\n|{'---|' * (len(ASKED_FOR) + 1)}\n"
    for cells, names in alike.items():
        yield f"| {', '.join(names)} | {' | '.join(cells)} |\n"


def _answer(table: Table, row: str) -> str:
    fate = Fields(table).rule(row).fate
    if fate in {Fate.DROPPED, Fate.REFUSED}:
        return str(fate)
    return "yes" if row in table and table["*"].fate is not Fate.PASSED else "passed"


def _values(values: tuple[object, ...]) -> str:
    written = [str(value).replace("'", '"') for value in values]
    return ", ".join(f"`{each.lower() if each in {'True', 'False'} else each}`" for each in written)


def _groups(kinds: Mapping[str, Kind], *, pictures: bool) -> Iterator[list[str]]:
    """The names of kinds that have one table in common."""
    groups: list[tuple[Table, list[str]]] = []
    for name, kind in kinds.items():
        table = kind.image_fields if pictures else kind.fields
        if table is None:
            continue
        same = next((names for known, names in groups if known == table), None)
        if same is None:
            groups.append((table, [name]))
        else:
            same.append(name)
    return (names for _, names in groups)


def _section(kinds: Mapping[str, Kind], names: list[str], what: str, table: Table) -> str:
    titles = ", ".join(kinds[name].title for name in names)
    lines = [f"\n### {titles}: {what}\n\nKind {', '.join(f'`{name}`' for name in names)}.\n"]
    if what == CHAT:
        lines += [f"\n{kinds[name].notes}\n" for name in names if kinds[name].notes]
    bare = [name for name, rule in table.items() if not rule.note and not rule.to]
    for fate in Fate:
        names_of = [f"`{name}`" for name in bare if table[name].fate is fate]
        if fate is Fate.PASSED and "`*`" in names_of:
            lines.append("\nPassed: everything that is not listed here.\n")
        elif names_of:
            lines.append(f"\n{fate.capitalize()}: {', '.join(names_of)}.\n")
    rest = {name: rule for name, rule in table.items() if name not in bare}
    if rest:
        lines.append("\n| field | |\n|---|---|\n")
    for name, rule in rest.items():
        to = f" to `{rule.to}`" if rule.to else ""
        note = f": {rule.note}" if rule.note else ""
        lines.append(f"| `{name}` | {rule.fate}{to}{note.replace('|', '&#124;')} |\n")
    return "".join(lines)


if __name__ == "__main__":
    print(render(KINDS), end="")
