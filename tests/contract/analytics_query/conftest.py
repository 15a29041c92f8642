"""Questions over real chDB."""

import pytest_asyncio

from support.analytics_questions import Questions
from support.analytics_store import shared_engine


@pytest_asyncio.fixture
async def questions() -> Questions:
    return Questions(await shared_engine())
