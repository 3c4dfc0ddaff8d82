"""Running mitmproxy's hooks without asking every addon every time.

For each hook mitmproxy enters a context manager, a coroutine and two generators for each of its
some forty addons, most of which have no such hook: at eight triggers a request, and one for every
line that is logged, that is half of the CPU that mitmproxy spends. The functions here ask only
those that have the hook. Order, errors, nesting, and addons that come or go later are as before;
what is not a plain hook of a plain addon is left to mitmproxy's own code.
"""

import inspect
from collections.abc import Callable, Sequence
from types import MethodType

from mitmproxy import exceptions, hooks
from mitmproxy.addonmanager import AddonManager, safecall, traverse

_KNOWN = "llm_gateway_hooks"
"""An attribute of the manager: who is to be asked, by hook; true of these addons alone."""

type _Skip = Callable[[object], bool] | None
type _Known = dict[tuple[str, _Skip], tuple[list[object], Sequence[object]]]


def speed_up(manager: AddonManager) -> None:
    """Have this manager, and no other, trigger its hooks by the functions here."""
    manager.trigger_event = MethodType(trigger_event, manager)  # type: ignore[method-assign] # one object's method, not the class's
    manager.trigger = MethodType(trigger, manager)  # type: ignore[method-assign] # as above


async def trigger_event(manager: AddonManager, event: hooks.Hook, skip: _Skip = None) -> None:
    """See ``AddonManager.trigger_event``; without the addons that ``skip`` picks."""
    name, args = event.name, event.args()
    for addon in _to_ask(manager, name, skip):
        hook = getattr(addon, name, None)
        try:
            if hasattr(addon, "addons"):
                if _in_tree(addon, name):
                    await manager.invoke_addon(addon, event)
            elif callable(hook):
                result = hook(*args)
                if result is not None and inspect.isawaitable(result):
                    await result
            elif hook:
                await manager.invoke_addon(addon, event)
        except exceptions.AddonHalt:
            return
        except Exception:
            with safecall():
                raise


def trigger(manager: AddonManager, event: hooks.Hook) -> None:
    """See ``AddonManager.trigger``."""
    for addon in _to_ask(manager, event.name):
        if not _in_tree(addon, event.name):
            continue
        try:
            with safecall():
                manager.invoke_addon_sync(addon, event)
        except exceptions.AddonHalt:
            return


def _to_ask(manager: AddonManager, name: str, skip: _Skip = None) -> Sequence[object]:
    """The manager's addons that have such a hook, or may come to have one; looked for only once."""
    known: _Known = manager.__dict__.setdefault(_KNOWN, {})
    chain, found = known.get((name, skip), (None, ()))
    if chain != manager.chain:
        chain = [*manager.chain]
        found = [each for each in chain if _may_have(each, name) and not (skip and skip(each))]
        known[name, skip] = chain, found
    return found


def _may_have(addon: object, name: str) -> bool:
    """mitmproxy's own addons do not change; any other one may be given a hook while it runs."""
    own = type(addon).__module__.partition(".")[0] == "mitmproxy"
    return not own or hasattr(addon, "addons") or bool(getattr(addon, name, None))


def _in_tree(addon: object, name: str) -> bool:
    """Whether the addon or one below it has something of this name."""
    if not hasattr(addon, "addons"):
        return bool(getattr(addon, name, None))
    return any(getattr(nested, name, None) for nested in traverse([addon]))
