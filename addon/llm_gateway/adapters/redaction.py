"""What must not leave the gateway in a provider's sentence.

That is keys and tokens, the ids of our accounts there, what URLs carry besides their path, and the
names of machines that only a private network knows. The provider wrote its sentence for the holder
of the key, but it is a client of the gateway who reads it.
"""

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

MASK = "***"

type _Replacement = str | Callable[[re.Match[str]], str]

_PRIVATE = r"(?:internal|local|localdomain|localhost|svc|lan|corp|intranet|home\.arpa)"
_PRIVATE_NAME = re.compile(rf"(?:.*\.)?{_PRIVATE}\.?", re.IGNORECASE)
_DIGIT_OR_STAR = re.compile(r"[0-9*]")
_AFTER_A_URL = ".,;:!?)]"
"""What ends the sentence or the bracket around a URL, and is no part of it."""


def redact(text: str) -> str:
    """``text`` with everything masked that looks like a credential, an account or a private host.

    Of a public URL, scheme, host and path stay; its user name, query and fragment do not.
    """
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text


def _bare_url(match: re.Match[str]) -> str:
    url = match[0].rstrip(_AFTER_A_URL)
    end = match[0][len(url) :]
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return MASK + end
    if "." not in host or _PRIVATE_NAME.fullmatch(host) or _is_address(host):
        return MASK + end
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}{end}"


def _unless_words(match: re.Match[str]) -> str:
    """Masks what has a digit or a star in it. Looking ahead for one would take quadratic time."""
    return MASK if _DIGIT_OR_STAR.search(match[1]) else match[0]


def _private_address(match: re.Match[str]) -> str:
    """Masks addresses of private networks. Others stay: versions of models look like them."""
    try:
        private = ipaddress.ip_address(match[1]).is_private
    except ValueError:
        private = False
    return MASK if private else match[0]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


_RULES: tuple[tuple[re.Pattern[str], _Replacement], ...] = (
    (
        re.compile(r"(?<![\w+.-])[a-z][a-z0-9+.-]{1,20}://[^\s\"'`<>\\^{|}]+", re.IGNORECASE),
        _bare_url,
    ),
    # Keys by the prefixes they are given.
    (re.compile(r"(?<!\w)(?:sk|gsk|xai)[-_][\w*.-]{6,}"), MASK),
    (
        re.compile(
            r"(?<!\w)(?:key|[pr]k|hf|gh[opsu]|github_pat|r8|nvapi|csk|fw|tgp|pplx)[-_]([\w*.-]{6,})"
        ),
        _unless_words,
    ),
    (re.compile(r"AIza[\w-]{20,}|ya29\.[\w.-]{10,}|eyJ[\w-]{8,}(?:\.[\w-]*)*"), MASK),
    (re.compile(r"(?i:bearer)\s+\S+|(?i:basic)\s+[A-Za-z0-9+/=]{20,}"), MASK),
    # Keys by what is said of them.
    (
        re.compile(
            r"(\b(?:api[-_ ]?key|(?:access|auth)[-_ ]?token|secret|password)(?: provided)?"
            r"[\"']?\s*[:=]\s*[\"'`]?)[^\s\"'`,;&]{6,}",
            re.IGNORECASE,
        ),
        rf"\1{MASK}",
    ),
    (re.compile(r"([?&][\w-]{0,32}(?:key|token|sig|signature|secret)=)[^\s&\"']+"), rf"\1{MASK}"),
    # Accounts.
    (
        re.compile(
            r"(?<![A-Za-z0-9])(?:org|user|proj|team|acct)[-_]"
            r"(?:(?=[A-Za-z]*[0-9])[A-Za-z0-9]{8,}"
            r"|(?=[A-Z]*[a-z])(?=[a-z]*[A-Z])[A-Za-z]{20,}(?![A-Za-z0-9]))"
        ),
        MASK,
    ),
    (
        re.compile(r"(?i)(\bproject(?:s/|[ _](?:number|id))?[ :=]*(?:number:)?)[0-9]{6,}"),
        rf"\1{MASK}",
    ),
    (re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}"), MASK),
    # Anything long and random: account ids in hexadecimal, keys without a prefix.
    (re.compile(r"(?<![A-Za-z0-9])[0-9a-f]{32,}(?![A-Za-z0-9])"), MASK),
    (
        re.compile(
            r"(?<![A-Za-z0-9])(?=[A-Za-z0-9]*[0-9])(?=[A-Za-z0-9]*[a-z])(?=[A-Za-z0-9]*[A-Z])"
            r"[A-Za-z0-9]{32,}"
        ),
        MASK,
    ),
    # Machines.
    (
        re.compile(rf"(?i)(?<![\w.-])(?:[\w-]+\.)+{_PRIVATE}(?::[0-9]+)?(?![\w-]|\.\w)"),
        MASK,
    ),
    (re.compile(r"(?i)(?<![\w.-])localhost(?::[0-9]+)?(?![\w-])"), MASK),
    (
        re.compile(r"(?<![\w.])([0-9]{1,3}(?:\.[0-9]{1,3}){3})(?::[0-9]+)?(?!\.?\w)"),
        _private_address,
    ),
)
