"""Rows H: which host is asked for."""

from support.bad_input.case import MODELS, After, error, get, malformed, refused, served
from support.scene import BEARER, HOST

BAD_HOST = error(400)
MISDIRECTED = error(421, "misdirected_request", says="virtual hosts")
_TOKEN = f"{BEARER[0]}: {BEARER[1]}\r\n"


def _hosts(*values: str, target: str = MODELS) -> bytes:
    lines = "".join(f"Host: {value}\r\n" for value in values)
    return f"GET {target} HTTP/1.1\r\n{lines}{_TOKEN}\r\n".encode("latin-1")


def _connect(target: str) -> bytes:
    return f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode()


_ODD = {
    "user": f"{HOST}@evil.example",
    "user-before": f"evil.example@{HOST}",
    "slash": f"{HOST}/x",
    "query": f"{HOST}?",
    "fragment": f"{HOST}#",
    "comma": f"{HOST}, evil.example",
    "space": f"{HOST} evil.example",
    "backslash": f"{HOST}\\evil.example",
    "percent": f"{HOST}%2eevil.example",
    "open-bracket": "[::1",
    "scheme": f"http://{HOST}",
    "star": "*",
}
_ODD_PORT = {
    "too-large": f"{HOST}:99999",
    "word": f"{HOST}:abc",
    "empty": f"{HOST}:",
    "negative": f"{HOST}:-1",
    "two": f"{HOST}:80:80",
    "digits-of-another-script": f"{HOST}:\xb2",
}

ROWS = (
    refused("H1-none", _hosts(), BAD_HOST),
    refused("H1-empty", _hosts(""), BAD_HOST),
    served(
        "H1-none-in-1.0", f"GET /ping HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode(), after=After.CLOSED
    ),
    refused("H2-same-twice", _hosts(HOST, HOST), BAD_HOST),
    refused("H2-ours-first", _hosts(HOST, "evil.example"), BAD_HOST),
    refused("H2-ours-last", _hosts("evil.example", HOST), BAD_HOST),
    *(refused(f"H3-{name}", _hosts(value), BAD_HOST) for name, value in _ODD.items()),
    *(
        served(f"H4-{value}", get(host=value))
        for value in (HOST.upper(), f"{HOST}.", f"{HOST}:8080", f"{HOST}.:1", "[::1]:65535")
    ),
    *(refused(f"H5-{name}", _hosts(value), BAD_HOST) for name, value in _ODD_PORT.items()),
    *(
        refused(f"H6-{value}", get(host=value), MISDIRECTED)
        for value in (
            "evil.example",
            f"{HOST}.evil.example",
            f"x{HOST}",
            "127.0.0.2",
            "127.1",
            "0x7f000001",
            "2130706433",
            "169.254.169.254",
            "[::ffff:127.0.0.1]",
        )
    ),
    refused("H7-other-target", _hosts(HOST, target=f"http://evil.example{MODELS}"), BAD_HOST),
    refused(
        "H7-metadata",
        _hosts("169.254.169.254", target="http://169.254.169.254/latest/meta-data"),
        MISDIRECTED,
    ),
    served("H7-ours", _hosts(HOST, target=f"http://{HOST}{MODELS}")),
    malformed(
        "H7-user", _hosts(HOST, target=f"http://{HOST}@evil.example{MODELS}"), by_mitmproxy=True
    ),
    malformed("H7-no-scheme", _hosts(HOST, target=f"evil.example{MODELS}"), by_mitmproxy=True),
    *(
        malformed(f"H8-{target}", _connect(target), by_mitmproxy=True)
        for target in ("evil.example:443", "127.0.0.1:1", f"{HOST}:443", "169.254.169.254:80")
    ),
    malformed("H8-no-port", _connect("evil.example"), by_mitmproxy=True),
    *(
        refused(f"H9-{name}", get(host=value), MISDIRECTED)
        for name, value in {"punycode": "xn--lcalhost-54a", "dash": "local-host"}.items()
    ),
    refused("H9-utf-8", _hosts("l\xc3\xb6calhost"), BAD_HOST),
    refused("H9-cyrillic", _hosts("l\xd0\xbecalhost"), BAD_HOST),
    refused("H9-full-width", _hosts("\xef\xbd\x8cocalhost"), BAD_HOST),
)
