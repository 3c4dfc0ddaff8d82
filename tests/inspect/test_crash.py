"""What Python prints of an uncaught exception holds no secret."""

import subprocess
import sys
from pathlib import Path

import pytest

ADDON = Path(__file__).parents[2] / "addon"
SCRIPT = """
import sys, threading
sys.path.insert(0, {addon!r})
from llm_gateway.inspect import crash
crash.install(lambda text: text.replace("canary", "***"))

class Falls:
    def __del__(self):
        raise RuntimeError("canary")
    def __repr__(self):
        return "<canary>"

def fall():
    raise RuntimeError("canary")

{crash}
"""
CRASHES = {
    "an uncaught exception": "fall()",
    "one with a cause": (
        "try:\n    fall()\nexcept RuntimeError as e:\n    raise KeyError('canary') from e"
    ),
    "one that nobody can catch": "x = Falls()\ndel x",
    "one in a thread": "t = threading.Thread(target=fall)\nt.start()\nt.join()",
}


@pytest.mark.parametrize("crash", CRASHES.values(), ids=CRASHES.keys())
def test_no_secret_is_printed(crash: str) -> None:
    script = SCRIPT.format(addon=str(ADDON), crash=crash)
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" in done.stderr
    assert "***" in done.stderr
    assert "canary" not in done.stderr.replace('"canary"', "").replace("'canary'", "")
