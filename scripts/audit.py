"""Asks OSV whether anything that is locked has a known vulnerability. Run by `make audit`.

pip-audit does it, in an environment of its own. Before that the service has to know a vulnerability
that everybody knows: one that cannot be reached, or knows nothing, must not pass for good news.
"""

import json
import subprocess
import sys
import urllib.request
from pathlib import Path

ROOT = Path(__file__).parents[1]
LOCKS = ("requirements.lock", "audit.lock", "fuzz.lock")
SERVICE = "https://api.osv.dev/v1/query"
"""https://google.github.io/osv.dev/post-v1-query/"""
KNOWN = {"package": {"ecosystem": "PyPI", "name": "jinja2"}, "version": "2.4.1"}
TIMEOUT = 20.0
"""Seconds."""
CANNOT_ASK = 2
"""The exit status where nothing is known; pip-audit's own is 1 for vulnerabilities."""


def problem_with(service: str) -> str | None:
    """Why the service's word is worth nothing; None: it is worth something."""
    content = {"content-type": "application/json"}
    request = urllib.request.Request(service, json.dumps(KNOWN).encode(), content)  # noqa: S310 - ours
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310 - the same
            known = json.load(answer).get("vulns")
    except (OSError, ValueError, AttributeError) as error:
        return f"{service} cannot be asked: {error}"
    return None if known else f"{service} does not know vulnerabilities that everybody knows"


def command(environment: Path, lock: Path) -> list[str]:
    """The audit of one lock: every requirement, whether pip could install it here or not."""
    return [
        str(environment / "bin" / "pip-audit"),
        *("--requirement", str(lock), "--require-hashes", "--disable-pip"),
        *("--strict", "--vulnerability-service", "osv", "--progress-spinner", "off"),
    ]


def make(environment: Path) -> None:
    """Install pip-audit with all it needs, as it is locked. Raises CalledProcessError."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
    install = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    locked = ("--require-hashes", "--requirement", ROOT / "audit.lock")
    subprocess.run([environment / "bin" / "python", *install, *locked], check=True)


def main(service: str = SERVICE, environment: Path = ROOT / "build" / "audit") -> int:
    """Returns the exit status: 0 only where everything was asked for, and nothing found."""
    problem = problem_with(service)
    if problem is not None:
        print(f"No audit was made, and nothing is known: {problem}.", file=sys.stderr)
        return CANNOT_ASK
    make(environment)
    status = 0
    for name in LOCKS:
        print(f"{name}:", flush=True)
        audit = subprocess.run(command(environment, ROOT / name), check=False)
        status = status or audit.returncode
    if status:
        print("The audit did not pass: see above.", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
