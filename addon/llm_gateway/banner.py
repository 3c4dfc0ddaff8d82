"""The block that is printed once at start: what runs, where, and how to use it."""

from collections.abc import Iterable

from llm_gateway import __version__
from llm_gateway.config import Config
from llm_gateway.secret import Secret


def start_block(config: Config, addresses: Iterable[str], page: str | None = None) -> str:
    """Version, configuration, addresses, models on and off, warnings. Holds no secret.

    ``page`` is the address of the page in mitmweb, where there is one.
    """
    tokens = len(config.gateway.tokens)
    lines = [
        f"llm-gateway {__version__}",
        f"  configuration  {config.source}",
        f"  listening at   {', '.join(addresses) or 'nowhere'}",
        f"  answering for  {', '.join(config.gateway.virtual_hosts)}",
        f"  client tokens  {tokens or 'one, made for this run'}",
    ]
    if page is not None:
        lines.append(f"  page           {page}")
    for model in config.models:
        reason = config.providers[model.provider].off
        size = f" ({model.size})" if model.size else ""
        state = "on " if reason is None else "off"
        why = "" if reason is None else f", {reason}"
        lines.append(f"  model {state}      {model.name}{size} at {model.provider}{why}")
    lines += [f"  warning        {warning}" for warning in config.warnings]
    return "\n".join(lines)


def invitation(config: Config, base_url: str, token: Secret) -> str:
    """How to use a gateway that made its own token: the only place where a token is shown.

    Without a usable model there is nothing to try, only the token to be told; nor is there with
    recordings, which answer to any name, but only to what was asked once.
    """
    model = next((m.name for m in config.models if not config.providers[m.provider].off), None)
    if config.others:
        return _RECORDED.format(base_url=base_url, token=token.reveal())
    if model is None:
        return _NOTHING_TO_TRY.format(token=token.reveal())
    return _INVITATION.format(model=model, base_url=base_url, token=token.reveal())


_NOTHING_TO_TRY = """\
No client token is configured (AUTH_TOKEN), so one was made for this run: {token}
No model is usable yet; a key that is set in .env is noticed without a restart.
"""

_RECORDED = """\
No client token is configured (AUTH_TOKEN), so one was made for this run: {token}
What was recorded can be asked at {base_url}
"""

# At the beginning of the line, so that it can be pasted into Python as it is.
_INVITATION = """\
No client token is configured (AUTH_TOKEN), so one was made for this run. Try it:

curl -N {base_url}/chat/completions \\
  -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \\
  -d '{{"model": "{model}", "stream": true,
       "messages": [{{"role": "user", "content": "Hello, gateway"}}]}}'

or with the openai SDK (pip install openai):

from openai import OpenAI
ai = OpenAI(base_url="{base_url}", api_key="{token}")
print(ai.chat.completions.create(model="{model}", messages=[{{"role": "user", "content": "Hi"}}]))
"""
