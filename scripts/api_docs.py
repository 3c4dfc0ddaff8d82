"""Prints docs/api.md from the gateway's own OpenAPI document. Run by `make docs`."""

from collections.abc import Iterator, Mapping
from typing import Any

from llm_gateway.api.openapi import document

type JSON = Mapping[str, Any]

INTRO = """\
# The API

Printed by `make docs` from the document that the gateway serves at `GET /openapi.json`; a test
keeps both the same. How to use it, with examples: [Usage](usage.md).

| | | |
|---|---|---|
"""

HEADERS = """
## Headers of answers

| header | |
|---|---|
"""

ERRORS = """
## Errors

Every error is `{"error": {"message", "type", "param", "code"}}` with all four keys, as OpenAI's
are. In a stream that has begun, it is the event `data: {"error": {…}}`, and then `data: [DONE]`.
What the client is told when the targets of a model fail, and when to come again:
[When providers fail](reliability.md#what-a-client-sees).

| status | `code` | when | of |
|---|---|---|---|
"""

NOTHING_HERE = ["what is not here"]


def render(api: JSON) -> str:
    """The whole page."""
    operations = [*_operations(api)]
    rows = (_summary(paths, method, operation) for paths, method, operation in operations)
    sections = (_section(api, *each) for each in operations if "requestBody" in each[2])
    headers = (
        f"| `{name}` | {_cell(header['description'])} |\n"
        for name, header in api["components"]["headers"].items()
    )
    about = f"\n{api['info']['description']}\n"
    return "".join([INTRO, *rows, about, *sections, HEADERS, *headers, ERRORS, *_errors(api)])


def _operations(api: JSON) -> Iterator[tuple[list[str], str, JSON]]:
    """Each operation once, with all its paths, the one with the version first."""
    found: dict[str, tuple[list[str], str, JSON]] = {}
    for path, item in api["paths"].items():
        for method, operation in item.items():
            if method == "head":
                continue
            name = operation["operationId"].removesuffix("_short")
            paths, _, _ = found.setdefault(name, ([], method.upper(), operation))
            paths.append(path)
    return iter(found.values())


def _summary(paths: list[str], method: str, operation: JSON) -> str:
    names = ", ".join(f"`{path}`" for path in paths)
    said = _cell(_linked(operation["description"]))
    return f"| `{method}` | {names} | {operation['summary']}. {said} |\n"


def _section(api: JSON, paths: list[str], method: str, operation: JSON) -> str:
    [content] = operation["requestBody"]["content"].values()
    schema = _resolved(api, content["schema"])
    answers = operation["responses"]["200"]["content"]
    lines = [f"\n## `{method} {paths[0]}`\n\n", f"{_linked(operation['description'])}\n\n"]
    lines += ["| field | type | |\n|---|---|---|\n"]
    lines += [*_fields(api, schema, schema.get("required", ()), "")]
    lines += ["\nAnswered with ", ", ".join(f"`{media_type}`" for media_type in answers), ".\n"]
    lines += [
        f"\n`{media_type}`: {_cell(answer['schema']['description'])}\n"
        for media_type, answer in answers.items()
        if "description" in answer.get("schema", {})
    ]
    return "".join(lines)


def _fields(api: JSON, schema: JSON, required: Any, prefix: str) -> Iterator[str]:
    for name, given in schema["properties"].items():
        field = _resolved(api, given)
        notes = [*(["Required."] if name in required else []), field.get("description", "")]
        notes += _range(field)
        kind = _cell(_type(api, field))
        yield f"| `{prefix}{name}` | {kind} | {_cell(' '.join(filter(None, notes)))} |\n"
        items = _resolved(api, field.get("items", {}))
        if "required" in items:
            yield from _fields(api, items, items["required"], f"{prefix}{name}[].")


def _type(api: JSON, field: JSON) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    given = field.get("type", [])
    names = [given] if isinstance(given, str) else [name for name in given if name != "null"]
    items = _resolved(api, field.get("items", {})).get("type", [])
    inner = " or ".join(f"{name}s" for name in ([items] if isinstance(items, str) else items))
    return " or ".join(f"array of {inner}" if name == "array" else name for name in names)


def _range(field: JSON) -> list[str]:
    least, most = field.get("minimum"), field.get("maximum")
    if least is not None and most is not None:
        said = f"{least} to {most}."
        return [said] if least > 0 else []
    least_of = {"minimum": "At least {}.", "minItems": "At least {}.", "minLength": "Not empty."}
    return [words.format(field[key]) for key, words in least_of.items() if key in field]


def _errors(api: JSON) -> Iterator[str]:
    """One row for each status and code, in the order of the statuses."""
    rows: dict[tuple[str, str], list[str]] = {}
    components = api["components"]["responses"]
    for name in sorted(components, key=lambda name: name.rpartition("-")[2]):
        status = name.rpartition("-")[2]
        _, *lines = components[name]["description"].split("\n")
        for line in lines:
            code, _, when = line.removeprefix("- ").partition(": ")
            rows.setdefault((status, f"{code} | {_cell(when)}"), []).append(name)
    users = _users(api)
    for (status, row), names in rows.items():
        of = {path: None for name in names for path in users.get(name, NOTHING_HERE)}
        yield f"| {status} | {row} | {_who(api, [*of])} |\n"


def _users(api: JSON) -> dict[str, list[str]]:
    """Which operations refer to a response."""
    users: dict[str, list[str]] = {}
    for paths, method, operation in _operations(api):
        for response in operation["responses"].values():
            name = response.get("$ref", "").rpartition("/")[2]
            users.setdefault(name, []).append(f"`{method} {paths[0]}`")
    return users


def _who(api: JSON, named: list[str]) -> str:
    every = [f"`{method} {paths[0]}`" for paths, method, _ in _operations(api)]
    posts = [name for name in every if name.startswith("`POST")]
    if len(named) == len(every):
        return "all"
    if named == posts:
        return "all `POST`"
    if {*every} - {*named} == {"`GET /ping`", "`GET /openapi.json`"}:
        return "all that want a token"
    return ", ".join(named)


def _resolved(api: JSON, schema: JSON) -> JSON:
    if "$ref" not in schema:
        return schema
    found: Any = api
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    resolved: JSON = found
    return resolved


def _linked(text: str) -> str:
    """Names of pages, which the document spells out, as links from this one."""
    return text.replace("docs/providers.md", "[Providers](providers.md)")


def _cell(text: str) -> str:
    return text.replace("|", "&#124;").replace("\n", " ")


if __name__ == "__main__":
    print(render(document()), end="")
