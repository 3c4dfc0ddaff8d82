"""Running mitmproxy's hooks without asking every addon every time.

For each hook mitmproxy enters a context manager, a coroutine and two generators for each of its
some forty addons, most of which have no such hook: at eight triggers a request, and one for every
line that is logged, that is half of the CPU that mitmproxy spends. The functions here look first
whether an addon has the hook. Order, errors, nesting, and addons that come or go later are as
before; what is not a plain hook of a plain addon is left to mitmproxy's own code.
"""

import inspect
from collections.abc import Callable
from types import MethodType

from mitmproxy import exceptions, hooks
from mitmproxy.addonmanager import AddonManager, safecall, traverse


def speed_up(manager: AddonManager) -> None:
    """Have this manager, and no other, trigger its hooks by the functions here."""
    manager.trigger_event = MethodType(trigger_event, manager)  # type: ignore[method-assign] # one object's method, not the class's
    manager.trigger = MethodType(trigger, manager)  # type: ignore[method-assign] # as above


async def trigger_event(
    manager: AddonManager, event: hooks.Hook, skip: Callable[[object], bool] | None = None
) -> None:
    """See ``AddonManager.trigger_event``; without the addons that ``skip`` picks."""
    name, args = event.name, event.args()
    for addon in manager.chain:
        hook = getattr(addon, name, None)
        if hook and skip and skip(addon):
            continue
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
    for addon in manager.chain:
        if not _in_tree(addon, event.name):
            continue
        try:
            with safecall():
                manager.invoke_addon_sync(addon, event)
        except exceptions.AddonHalt:
            return


def _in_tree(addon: object, name: str) -> bool:
    """Whether the addon or one below it has something of this name."""
    if not hasattr(addon, "addons"):
        return bool(getattr(addon, name, None))
    return any(getattr(nested, name, None) for nested in traverse([addon]))
