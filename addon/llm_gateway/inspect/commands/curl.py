"""A flow's request as a curl command that runs as it is pasted, for POSIX shells.

The secrets in it are variables. What curl works out by itself (the length, the host) is left out.
"""

import base64
import re
import shlex
from collections.abc import Iterable, Iterator, Sequence

from mitmproxy import exceptions, http
from mitmproxy import flow as mflow
from mitmproxy.connection import Address

from llm_gateway import host
from llm_gateway.inspect.as_flow import as_request
from llm_gateway.inspect.commands.placeholders import Placeholders
from llm_gateway.inspect.metadata import is_attempt, is_ours
from llm_gateway.wire import EVENT_STREAM, Label

MAX_ARGUMENT = 100_000
"""Bytes of a body that is an argument; Linux allows 128 KiB."""

_COMPUTED = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    }
)
"""curl's own business. Without ``accept-encoding`` the answer can be read."""
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")
"""What a terminal takes for keys, or a shell drops."""
_WORD = re.compile(r"[A-Za-z0-9_-]+")
"""What a shell takes as it is between double quotes."""
_GLOB = re.compile(r"[\[\]{}]")
_FROM_STDIN = "--data-binary @-"
_NOBODY = Label("", 0, "", "")


def curl_command(
    flow: mflow.Flow,
    placeholders: Placeholders,
    listening: Iterable[Address],
    virtual_hosts: Sequence[str],
) -> str:
    """The command. Raises CommandError for a flow that is not the gateway's, or without a body.

    A client's request goes to the gateway, an attempt to the provider.
    """
    if not isinstance(flow, http.HTTPFlow) or not is_ours(flow):
        raise exceptions.CommandError(
            f"The flow {flow.id} is none of the gateway's: expected a client's request to it, or "
            "an attempt. (export curl @focus exports any flow, secrets included.)"
        )
    if flow.request.raw_content is None:
        raise exceptions.CommandError(
            f"The body of {flow.id} is not there: expected a request that has arrived."
        )
    clean = placeholders.without_secrets(flow)
    if is_attempt(flow):
        url = as_request(clean, _NOBODY).url
    else:
        # What begins with anything else could make another host of ours.
        path = clean.request.path if clean.request.path[:1] == "/" else f"/{clean.request.path}"
        url = _gateway(flow, listening, virtual_hosts) + path
    before, body = _body(clean.request)
    first = " ".join(["curl", *_options(clean, url), _quoted(url)])
    return before + " \\\n  ".join([first, *_fields(flow, placeholders), *body])


def _gateway(
    flow: http.HTTPFlow, listening: Iterable[Address], virtual_hosts: Sequence[str]
) -> str:
    """The gateway's URL: where this request came to, if it still listens there."""
    addresses = [*listening]
    if not addresses:
        raise exceptions.CommandError("The gateway listens nowhere, so no curl can reach it.")
    came_to = flow.client_conn.sockname
    same = (each for each in addresses if came_to and each[1] == came_to[1])
    return host.base_url(next(same, addresses[0]), virtual_hosts)


def _options(flow: http.HTTPFlow, url: str) -> Iterator[str]:
    if _GLOB.search(url):
        yield "--globoff"  # one request, not one for each of a range
    response = flow.response
    if response is not None and response.headers.get("content-type", "").startswith(EVENT_STREAM):
        yield "--no-buffer"
    method = flow.request.method
    if method != ("POST" if flow.request.raw_content else "GET"):
        yield f"-X {_quoted(method)}"


def _fields(flow: http.HTTPFlow, placeholders: Placeholders) -> Iterator[str]:
    """The header options. A client has one credential for us; more of them are not its business."""
    ours = not is_attempt(flow)
    fields = [*flow.request.headers.items(multi=True)]
    names = {name.lower() for name, _ in fields}
    for name, value in fields:
        if name.lower() in _COMPUTED or "cookie" in name.lower():
            continue
        placeholder = placeholders.of_header(flow, name, value)
        if placeholder is None:
            label, shown = placeholders.clean(name), placeholders.clean(value)
            # A field that ends with a semicolon is sent empty; with a colon it would be taken out.
            yield f"-H {_quoted(f'{label}: {shown}' if shown else f'{label};')}"
        elif not ours or name.lower() == "authorization":
            quoted = f'"{name}: ' if _WORD.fullmatch(name) else f'{_quoted(f"{name}: ")}"'
            yield f'-H {quoted}{placeholder.text}"'
    if flow.request.raw_content and "content-type" not in names:
        yield "-H content-type:"  # or curl would call it a form


def _body(request: http.Request) -> tuple[str, list[str]]:
    """What comes before curl, and its last option."""
    body = request.raw_content or b""
    if not body:
        return "", []
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = None
    if text is None or _CONTROL.search(text):
        return f"printf %s {base64.b64encode(body).decode()} | base64 -d | ", [_FROM_STDIN]
    if len(body) > MAX_ARGUMENT:
        # printf is the shell's own, and knows no limit.
        return f"printf %s {_quoted(text)} | ", [_FROM_STDIN]
    return "", [f"--data-raw {_quoted(text)}"]


def _quoted(text: str) -> str:
    """One word for the shell; ``shlex.quote`` says the same, longer."""
    return text if shlex.quote(text) == text else "'" + text.replace("'", r"'\''") + "'"
