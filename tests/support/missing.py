"""Tests that need what a machine may not have."""

from __future__ import annotations

from typing import NoReturn

import pytest

from sandbox import SandboxError


def skip_where_missing(error: SandboxError) -> NoReturn:
    """Skip the test where this machine has no such sandbox; one that is there and fails is a failure."""
    if error.reason != "no-docker":
        raise error
    pytest.skip(f"no such sandbox here: {error}")
