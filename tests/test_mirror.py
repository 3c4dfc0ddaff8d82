"""Every module of the package has a test file of its own, in the same place."""

from pathlib import Path

import pytest

import llm_gateway

PACKAGE = Path(llm_gateway.__file__).parent
MODULES = sorted(
    path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py") if path.name != "__init__.py"
)


@pytest.mark.parametrize("module", [*map(str, MODULES)])
def test_the_module_has_a_test_file(module: str) -> None:
    place = Path(__file__).parent / module
    assert place.with_name(f"test_{place.name}").is_file()
