"""What every test process does."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from sandbox.pool import Pool

# Before anything imports torch. Several test processes share the machine, and a second thread of models as
# small as these mostly waits, which costs CPU time, too.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No example fails for being slow, which depends on what else the machine does; all runs have the same ones.
settings.register_profile(
    "tests",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not os.environ.get("FLOWREASONER_LONG"),
    database=None,
)
settings.load_profile("tests")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep the garbage collector from walking, again and again, what lives as long as the process does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sandbox() -> AsyncIterator[Pool]:
    """Where runs happen, one for the test process: Docker where its daemon answers, else bubblewrap."""
    from engine.guest_modules import guest_modules
    from tests.support.missing import open_or_skip

    async with open_or_skip(guest_modules=guest_modules()) as pool:
        yield pool
