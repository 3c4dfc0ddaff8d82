"""One gateway and one provider for all tests of a module."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.scene import MODEL, SPARES, Scene, open_scene


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """A gateway in plain mitmdump and its provider; tests use it in the module's event loop."""
    directory = tmp_path_factory.mktemp("gateway")
    async with open_scene(directory, models=(MODEL, *SPARES)) as scene:
        yield scene
