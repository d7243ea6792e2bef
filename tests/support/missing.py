"""Tests that need what a machine may not have."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import NoReturn

import pytest

from sandbox import Pool, SandboxError, open_sandbox
from sandbox.backends import Prefer


@asynccontextmanager
async def open_or_skip(
    prefer: Prefer = "auto", guest_modules: Mapping[str, str] | None = None, *, size: int | None = None
) -> AsyncIterator[Pool]:
    """A pool of the test's own; the test is skipped where this machine has no such sandbox."""
    try:
        context = open_sandbox(prefer, guest_modules, size=size, build=True)
        pool = await context.__aenter__()
    except SandboxError as error:
        skip_where_missing(error)
    try:
        yield pool
    finally:
        await context.__aexit__(None, None, None)


def skip_where_missing(error: SandboxError) -> NoReturn:
    """Skip the test where this machine has no such sandbox; one that is there and fails is a failure."""
    if error.reason != "no-docker":
        raise error
    pytest.skip(f"no such sandbox here: {error}")


def needs(*packages: str) -> None:
    """Skip the test file where a package is missing. Nothing is imported: each test process reads every file,
    and these packages take it seconds.
    """
    for name in packages:
        if find_spec(name) is None:
            pytest.skip(f"the package {name} is not installed", allow_module_level=True)
