"""Whether anybody looks at flows.

Publishing an attempt as a flow costs as much as proxying it. It is worth that when something
shows, keeps or changes flows: mitmweb's and the console's view, the dumper, a save file, an
active rewriting option, an addon of the user's. Of mitmproxy's own addons it is known what makes
them act; any other addon with a hook on HTTP flows counts as watching.
"""

from collections.abc import Iterable

from mitmproxy.addonmanager import traverse
from mitmproxy.options import Options

_FLOW_HOOKS = ("requestheaders", "request", "responseheaders", "response", "error", "update")

IDLE = frozenset(
    {
        "clientplayback",
        "disableh2c",
        "errorcheck",
        "eventstore",
        "nextlayer",
        "proxyserver",
        "termlog",
        "tlsconfig",
        "keepserving",
        "readfilestdin",
        "readfile",
        "dnsresolver",
        "stripdnshttpsrecords",
        "onboarding",
        "proxyauth",
        "upstreamauth",
        "updatealtsvc",
    }
)
"""mitmproxy's addons that have no business with a flow to a provider.

Some look after the client or the reverse target (``proxyauth``, ``upstreamauth``), so attempts are
not shown to them.
"""

_ACTIVE_WITH = {
    "anticache": ("anticache",),
    "anticomp": ("anticomp",),
    "blocklist": ("block_list",),
    "dumper": ("flow_detail",),
    "intercept": ("intercept",),
    "maplocal": ("map_local",),
    "mapremote": ("map_remote",),
    "modifybody": ("modify_body",),
    "modifyheaders": ("modify_headers",),
    "save": ("save_stream_file",),
    "savehar": ("hardump",),
    "serverplayback": ("server_replay",),
    "stickyauth": ("stickyauth",),
    "stickycookie": ("stickycookie",),
}
"""mitmproxy's addons that act on flows only when one of these options is set."""


def someone_watches(addons: Iterable[object], options: Options, ours: object) -> bool:
    """Whether any of these addons, or those below them, except ``ours``, would act on a flow."""
    return any(_watches(addon, options) for addon in traverse(addons) if addon is not ours)


def addon_name(addon: object) -> str | None:
    """The name of one of mitmproxy's own addons; None for any other, whatever it is called."""
    if type(addon).__module__.partition(".")[0] != "mitmproxy":
        return None
    return getattr(addon, "name", type(addon).__name__.lower())


def _watches(addon: object, options: Options) -> bool:
    name = addon_name(addon)
    if name in IDLE:
        return False
    if name in _ACTIVE_WITH:
        return any(getattr(options, option, None) for option in _ACTIVE_WITH[name])
    return any(callable(getattr(addon, hook, None)) for hook in _FLOW_HOOKS)
