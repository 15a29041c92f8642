"""One platform for this folder; every test has a project of its own on it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from siyu_client.client import SiyuClient
from siyu_client.platform import Platform
from support.living_platform import LivingPlatform

PROJECTS = (
    "opening",
    "magic",
    "orders",
    "devices",
    "conditions",
    "garbage",
    "unmerge",
    "other",
    "apart",
)


@pytest.fixture(scope="package")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    folder: Path = tmp_path_factory.mktemp("platform")
    running = Platform(folder, projects=PROJECTS)
    running.start()
    yield running
    alive = {name: process.running for name, process in running.processes.items()}
    running.stop()
    assert all(alive.values()), f"a service ended by itself: {alive}"


@pytest_asyncio.fixture
async def living(
    platform: Platform, request: pytest.FixtureRequest
) -> AsyncIterator[LivingPlatform]:
    """The project named by the module's ``PROJECT``, called as an administrator."""
    targets = {name: address.target for name, address in platform.addresses.items()}
    tokens = platform.credentials.tokens("user:test", ["admin"], ["*"])
    async with SiyuClient(targets, tokens) as client:
        yield LivingPlatform(platform, client, request.module.PROJECT)
