"""Fixtures that any test may use."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Unpack

import pytest
from hypothesis import settings

from support.fake_openai import FakeOpenAI
from support.process import Gateway, GatewaySettings, StartGateway, run_gateway

# The same examples each time: what fails here fails everywhere, and a good change stays good. New
# ones are looked for with `pytest --hypothesis-profile=random`.
settings.register_profile("random", deadline=None)
settings.register_profile("suite", derandomize=True, deadline=None, max_examples=30)
settings.load_profile("suite")


@pytest.fixture
async def provider() -> AsyncIterator[FakeOpenAI]:
    """A strict fake OpenAI with the key "sk-test" and the model "gpt-test"."""
    async with FakeOpenAI() as server:
        yield server


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[StartGateway]:
    """Starts gateways with the keyword arguments of run_gateway, and stops and checks them."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Unpack[GatewaySettings]) -> Gateway:
            return await stack.enter_async_context(run_gateway(tmp_path, **settings))

        yield start
