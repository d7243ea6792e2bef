"""A real sandbox for engine tests: Docker where its daemon answers, else bubblewrap."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from engine.guest_modules import guest_modules
from sandbox.pool import Pool, open_sandbox
from sandbox.types import SandboxError
from tests.support.missing import skip_where_missing


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sandbox() -> AsyncIterator[Pool]:
    try:
        context = open_sandbox(guest_modules=guest_modules())
        pool = await context.__aenter__()
    except SandboxError as error:
        skip_where_missing(error)
    try:
        yield pool
    finally:
        await context.__aexit__(None, None, None)
