"""How many files the process may open, and who may take how many."""

import resource
import subprocess
import sys

import pytest

from llm_gateway import descriptors
from llm_gateway.descriptors import OTHERS, left_for_clients


def test_the_soft_limit_becomes_the_hard_one() -> None:
    """In a process of its own: a limit that was lowered cannot be raised again."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (100, 200));"
        "from llm_gateway.descriptors import raise_limit;"
        "print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))"
    )
    path = str(descriptors.__file__).removesuffix("/llm_gateway/descriptors.py")
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=path, capture_output=True, text=True, check=True
    )
    assert run.stdout.split() == ["200", "200", "200"]


@pytest.mark.parametrize(
    ("limit", "providers", "left"),
    [
        (20_000, 300, 20_000 - 300 - OTHERS),
        (1024, 100, 1024 - 100 - OTHERS),
        (1024, 900, 341),
        (256, 0, 85),
        (resource.RLIM_INFINITY, 300, 2**31),
    ],
)
def test_clients_may_have_what_providers_and_files_leave_and_a_third_at_least(
    limit: int, providers: int, left: int
) -> None:
    assert left_for_clients(limit, providers) == left
