"""What every test process does."""

from __future__ import annotations

import gc
import os

import pytest

# Before anything imports torch. Several test processes share the machine, and a second thread of models as
# small as these mostly waits, which costs CPU time, too.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep the garbage collector from walking, again and again, what lives as long as the process does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
