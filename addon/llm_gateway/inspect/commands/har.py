"""Flows as an HTTP Archive (HAR 1.2) without secrets, with what the gateway knows of them.

The format: http://www.softwareishard.com/blog/har-12-spec/. The entries are mitmproxy's own, made
complete where it leaves out what the format requires. Each has a field ``_ai``: the flow's comment,
its marker, and its metadata under their names (:mod:`llm_gateway.inspect.metadata`).
"""

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mitmproxy import exceptions, http, version
from mitmproxy import flow as mflow
from mitmproxy.addons.savehar import SaveHar
from mitmproxy.connection import Server
from mitmproxy.net.http.headers import infer_content_encoding

from llm_gateway import __version__
from llm_gateway.inspect.commands.placeholders import Placeholders

_PREFIX = "ai."


def archive(flows: Iterable[mflow.Flow], placeholders: Placeholders) -> dict[str, Any]:
    """The archive, as JSON's values. Raises CommandError without a flow over HTTP."""
    seen: set[Server] = set()
    found = [flow for flow in flows if isinstance(flow, http.HTTPFlow)]
    if not found:
        raise exceptions.CommandError(
            "There is no such flow: expected for example @all, @shown, @marked, or a filter in "
            "quotes, as '~meta req_…'."
        )
    found.sort(key=lambda flow: flow.request.timestamp_start)
    return {
        "log": {
            "version": "1.2",
            "creator": {
                "name": "llm-gateway",
                "version": __version__,
                "comment": f"in mitmproxy {version.VERSION}",
            },
            "pages": [],
            "entries": [_entry(flow, placeholders, seen) for flow in found],
        }
    }


def write(content: dict[str, Any], path: Path) -> int:
    """Write a new file, and return its size in bytes. Raises CommandError, also if it is there."""
    # What is not UTF-8 is escaped, as JSON escapes it.
    data = json.dumps(content, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace")
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        raise exceptions.CommandError(
            f"{path} is there already, and stays: choose another name, or delete it."
        ) from None
    except OSError as error:
        raise exceptions.CommandError(f"{path} cannot be written: {error.strerror}.") from None
    return len(data)


def _entry(flow: http.HTTPFlow, placeholders: Placeholders, seen: set[Server]) -> dict[str, Any]:
    clean = placeholders.without_secrets(flow)
    entry = SaveHar().flow_entry(clean, seen)
    content = entry["response"]["content"]
    content.setdefault("size", 0)
    content.setdefault("mimeType", "")
    body = None if clean.response is None else clean.response.get_content(strict=False)
    if body:
        content.pop("encoding", None)
        content |= _text(body, content["mimeType"])
    entry["request"]["cookies"] = entry["response"]["cookies"] = []  # they are masked
    post = entry["request"].get("postData")
    if post is not None and post["text"] is None:
        post["text"] = ""
    # mitmproxy reckons with times that need not be in order: an answer may come before the
    # request is complete.
    timings = entry["timings"]
    for name in ("send", "wait", "receive"):
        timings[name] = max(0.0, timings[name])
    entry["time"] = sum(each for each in timings.values() if each > 0)
    known = {name: value for name, value in flow.metadata.items() if name.startswith(_PREFIX)}
    said = {"comment": flow.comment, "marked": flow.marked, **known}
    entry["_ai"] = {name: _plain(value, placeholders) for name, value in said.items()}
    # What mitmproxy decodes, a query for one, may be a secret only now.
    cleaned: dict[str, Any] = _cleaned(entry, placeholders)
    return cleaned


def _plain(value: Any, placeholders: Placeholders) -> Any:
    """A value for JSON, without secrets. A flow file may hold any metadata."""
    if isinstance(value, str):
        return placeholders.clean(value)
    if isinstance(value, list | tuple):
        return [_plain(each, placeholders) for each in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return placeholders.clean(repr(value))


def _cleaned(value: Any, placeholders: Placeholders) -> Any:
    """JSON without secrets."""
    if isinstance(value, dict):
        return {
            placeholders.clean(name): _cleaned(each, placeholders) for name, each in value.items()
        }
    if isinstance(value, list):
        return [_cleaned(each, placeholders) for each in value]
    return placeholders.clean(value) if isinstance(value, str) else value


def _text(body: bytes, content_type: str) -> dict[str, str]:
    """A body as text where it is one in UTF-8, in base64 otherwise.

    JSON and event streams are in UTF-8, whatever their fields say or do not say. mitmproxy takes
    those without a charset for Latin-1 when it reads a HAR: where that gives other bytes, it has to
    be base64.
    """
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return _base64(body)
    try:
        read = text.encode(infer_content_encoding(content_type))
    except (UnicodeEncodeError, LookupError):
        read = body  # then it takes UTF-8
    return {"text": text} if read == body else _base64(body)


def _base64(body: bytes) -> dict[str, str]:
    return {"text": base64.b64encode(body).decode(), "encoding": "base64"}
